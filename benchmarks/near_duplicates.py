"""MinHash signatures: MB/s of ganita against datatrove's first step, on the same documents, and what each then drops.

datatrove runs with its own configuration: 14 bands of 8, its normalisation, one process. Its words are cut at white
space (punctuation is gone by then) instead of by spaCy, which is faster and needs no package; its hashes are xxhash
where the version that it asks for is installed, else its own sha1. Documents are the textbooks of GANITA_DATA.

Usage: python benchmarks/near_duplicates.py [rounds [megabytes]]
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import report, take_turns, versions

from ganita.corpus.hashes import duplicate_key
from ganita.corpus.selection.near import EXACT, SIGNATURES, Signer, find_duplicates

THRESHOLD = 0.8


def load(num_bytes: int) -> list[str]:
    """Return textbook chapters of about `num_bytes` in all."""
    path = Path(os.environ["GANITA_DATA"]) / "corpus" / "textbooks.jsonl.gz"
    texts, size = [], 0
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            texts.append(json.loads(line)["text"])
            size += len(texts[-1].encode())
            if size >= num_bytes:
                break
    return texts


def ganita_step(texts: list[str], folder: Path) -> Callable[[], float]:
    """Return a function that signs the texts, writes the signatures, and returns MB/s."""
    folder.mkdir()
    size = sum(len(text.encode()) for text in texts)

    def once() -> float:
        start = time.perf_counter()
        signer = Signer(THRESHOLD)
        np.save(folder / SIGNATURES, np.stack([signer.sign(text) for text in texts]))
        return size / 1e6 / (time.perf_counter() - start)

    np.save(folder / EXACT, np.array([duplicate_key(text) for text in texts], dtype=np.uint64))
    return once


def datatrove_step(texts: list[str], folder: Path) -> Callable[[], float]:
    """Return the same for datatrove's `MinhashDedupSignature`."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature
    from datatrove.utils.logging import logger
    from datatrove.utils.word_tokenizers import WhitespaceTokenizer

    class WhiteSpace(WhitespaceTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

    logger.remove()
    documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
    size = sum(len(text.encode()) for text in texts)

    def once() -> float:
        start = time.perf_counter()
        step = MinhashDedupSignature(str(folder / "signatures"), config=configuration(), language=WhiteSpace())
        step.run(iter(documents))
        return size / 1e6 / (time.perf_counter() - start)

    return once


def configuration() -> Any:
    """Return datatrove's default configuration, with sha1 where there is no xxhash below version 4."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.hashing import HashConfig

    fits = versions("xxhash")["xxhash"].split(".")[0] in ("1", "2", "3")
    return MinhashConfig(hash_config=HashConfig(hash_fc="xxhash" if fits else "sha1"))


def ganita_dropped(folder: Path) -> int:
    """Return how many of the signed texts are duplicates, exact ones included."""
    return sum(int(np.count_nonzero(codes)) for codes in find_duplicates([folder], threshold=THRESHOLD, scratch=folder))


def datatrove_dropped(folder: Path) -> int:
    """Return the same after datatrove's second and third step."""
    from datatrove.pipeline.dedup.minhash import MinhashDedupBuckets, MinhashDedupCluster

    config = configuration()
    buckets = MinhashDedupBuckets(str(folder / "signatures"), str(folder / "pairs"), config=config)
    for rank in range(config.num_buckets):
        buckets.run(rank=rank, world_size=config.num_buckets)
    MinhashDedupCluster(str(folder / "pairs"), str(folder / "remove"), config=config).run()
    return sum(file.stat().st_size for file in (folder / "remove").glob("*.remove")) // 4  # a number of 4 bytes each


def main() -> None:
    """Measure, print and write the results."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    texts = load(int(float(sys.argv[2]) * 1e6) if len(sys.argv) > 2 else 20_000_000)
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs = Path(scratch) / "ganita", Path(scratch) / "datatrove"
        baseline = "datatrove, 14 bands of 8"
        contestants = {
            baseline: datatrove_step(texts, theirs),
            "ganita, 20 bands of 8 and a sketch": ganita_step(texts, ours),
        }
        figures = take_turns(contestants, rounds)
        facts = {"dropped_by_ganita": ganita_dropped(ours), "dropped_by_datatrove": datatrove_dropped(theirs)}
    print(f"  dropped of {len(texts):,} texts: {facts}")
    report(
        "near_duplicates",
        "MB/s",
        figures,
        baseline,
        documents=len(texts),
        megabytes=round(sum(len(text.encode()) for text in texts) / 1e6, 1),
        packages=versions("datatrove", "xxhash", "numpy"),
        **facts,
    )


if __name__ == "__main__":
    main()

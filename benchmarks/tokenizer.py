"""Bytes per second of training a tokenizer and of encoding with it, beside the plain use of `tokenizers`.

Usage: GANITA_DATA=FOLDER python benchmarks/tokenizer.py [rounds] [megabytes]        (default: 3 rounds, 20 MB)

All read the same documents of six public sets (text and code, the same number of bytes each) from JSON Lines on disk
and learn 16,384 tokens, with digits one by one. `tokenizers` alone cuts words with the GPT-2 pattern it is shipped
with. Our training is the whole stage: sampling, one BPE or two and their merging, writing. Our encoding is that of the
shards: documents in, rendered token ids out.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import tokenizers
from harness import report, take_turns
from tokenizers import decoders, models, pre_tokenizers, trainers

from ganita.corpus.document import Text, to_json
from ganita.corpus.registry import sets
from ganita.corpus.sources import documents_of
from ganita.progress import Reporter
from ganita.recipe import Recipe, Source, recipe_from_dict
from ganita.runs import Run
from ganita.storage import publish, seal, write_json
from ganita.tokenizer.build import build
from ganita.tokenizer.reading import read_documents
from ganita.tokenizer.template import render_texts
from ganita.tokenizer.tokenizer import Tokenizer, configure_parallelism

TEXT = ("openstax-math", "textbooks", "stacks-project")
CODE = ("code-python", "code-lean-mathlib3", "code-coq-mathcomp")
VOCABULARY = 16_384
BATCH = 1024


def write_corpus(run: Run, num_bytes: int) -> int:
    """Write about `num_bytes` of documents as the corpus stage does; return how many bytes of text they hold."""
    folder = run.partial("corpus")
    (folder / "train").mkdir(parents=True)
    total = 0
    for name in (*TEXT, *CODE):
        taken = 0
        with (folder / "train" / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for document in documents_of(Source(set=name), seed=0):
                if not isinstance(document, Text):
                    continue
                size = len(document.text.encode())
                if taken + size > num_bytes // len(TEXT + CODE):
                    continue  # a whole textbook in one document; the next may fit
                taken += size
                file.write(json.dumps(to_json(document), ensure_ascii=False) + "\n")
        total += taken
    write_json(folder / "card.json", {"sources": {name: {"content": sets.find(name).content} for name in TEXT + CODE}})
    seal(folder, {"summary": {}})
    publish(folder, run.root / "corpus")
    return total


def texts(run: Run) -> Iterator[str]:
    """Yield the texts as anyone would read them."""
    for path in sorted((run.root / "corpus" / "train").iterdir()):
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)["text"]


def plain(run: Run) -> tokenizers.Tokenizer:
    """Train a BPE by the library alone."""
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(texts(run), trainer=trainer)
    return inner


def ganita(run: Run, method: str, folder: Path) -> None:
    """Run our stage on all documents."""
    sources = [{"name": name, "path": "unused"} for name in TEXT + CODE]
    settings = {"vocabulary_size": VOCABULARY, "method": method, "sample_bytes": 10**12}
    recipe: Recipe = recipe_from_dict({"corpus": {"sources": sources}, "tokenizer": settings})
    folder.mkdir(exist_ok=True)
    build(recipe, run, folder, Reporter(quiet=True))


def encode_plainly(run: Run, inner: tokenizers.Tokenizer) -> None:
    """Encode all texts in batches by the library alone."""
    items = texts(run)
    while batch := list(islice(items, BATCH)):
        for encoding in inner.encode_batch(batch):
            _ = encoding.ids


def encode_ours(run: Run, tokenizer: Tokenizer) -> None:
    """Encode all documents in batches as the shards stage does."""
    for path in sorted((run.root / "corpus" / "train").iterdir()):
        documents = (document for document, _ in read_documents(path) if isinstance(document, Text))
        while batch := list(islice(documents, BATCH)):
            render_texts([item.text for item in batch], tokenizer, [item.language for item in batch])


def timed(work: Callable[[], object], size: int) -> Callable[[], float]:
    """Return a function that does the work and returns bytes per second."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return size / (time.perf_counter() - start)

    return once


def main() -> None:
    """Measure, print and write the results."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    megabytes = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    configure_parallelism()
    with tempfile.TemporaryDirectory() as name:
        run, folder = Run(Path(name)), Path(name, "made")
        size = write_corpus(run, megabytes * 1_000_000)
        facts = {"bytes": size, "vocabulary": VOCABULARY, "sets": [*TEXT, *CODE]}
        base = "tokenizers alone, one BPE"
        training = {
            base: timed(lambda: plain(run), size),
            "ganita, one BPE": timed(lambda: ganita(run, "plain", folder), size),
            "ganita, two BPEs merged": timed(lambda: ganita(run, "merged", folder), size),
        }
        report("tokenizer_train", "bytes/s", take_turns(training, rounds), base, **facts)
        library, ours = plain(run), Tokenizer.load(folder)
        base = "tokenizers alone, encode_batch"
        encoding = {
            base: timed(lambda: encode_plainly(run, library), size),
            "ganita, documents to rendered ids": timed(lambda: encode_ours(run, ours), size),
        }
        report("tokenizer_encode", "bytes/s", take_turns(encoding, rounds), base, **facts)


if __name__ == "__main__":
    main()

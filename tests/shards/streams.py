"""Shards made without a corpus, and the shards stage run on a tiny one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganita.progress import Reporter
from ganita.recipe import Recipe
from ganita.runs import Run
from ganita.shards import build as stage
from ganita.shards.draw import Draw
from ganita.shards.files import StreamWriter
from ganita.shards.loader import Loader
from ganita.shards.silence import CalculatorTokens
from ganita.storage import publish, read_json, seal, write_json


def build_shards(run: Run, recipe: Recipe) -> dict[str, Any]:
    folder = run.partial("shards")
    folder.mkdir()
    summary = stage.build(recipe, run, folder, Reporter(quiet=True))
    seal(folder, {"summary": summary})
    publish(folder, run.root / "shards")
    return summary


def write_shards(
    folder: Path,
    streams: dict[str, Sequence[int]],
    *,
    shard_tokens: int = 50,
    split: str = "train",
) -> dict[str, list[np.ndarray]]:
    """Write streams of documents of the given lengths (a dot in the name: worked problems); return the documents.

    Token values count up from 1 through all documents, so that each position of a stream is recognised.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries, content = {}, {}
    for name, lengths in streams.items():
        documents, first = [], 1
        for length in lengths:
            documents.append(np.arange(first, first + length))
            first += length
        with StreamWriter(folder / split, name, "<u2", shard_tokens) as writer:
            for document in documents:  # the first third of a problem is its prompt
                writer.append([(document.tolist(), len(document) // 3 if "." in name else 0)])
        source, _, form = name.partition(".")
        entries[name] = {
            "source": source,
            "form": form,
            "kind": "problem" if form else "text",
            "tokens": writer.tokens,
            "documents": writer.documents,
            "files": writer.files,
        }
        content[name] = documents
    index = {"dtype": "<u2", "vocabulary_size": 60_000, "pad_id": 0, "tokenizer": "f" * 64, "splits": {split: entries}}
    write_json(folder / "index.json", index)
    seal(folder, {})
    return content


def make_draw(folder: Path, **options: Any) -> Draw:
    """Draw from the streams of a folder: every source with weight 1 and 64 steps of 8 rows, if not said otherwise."""
    options = {"split": "train", "context_length": 16, "rows_per_batch": 8, "seed": 1, "num_steps": 64, **options}
    if "weights" not in options:
        entries = read_json(folder / "index.json")["splits"].get(options["split"], {})
        options["weights"] = {entry["source"]: 1.0 for entry in entries.values()}
    return Draw(folder, **options)


def make_loader(
    folder: Path,
    *,
    loss_on: str = "all",
    calculator: CalculatorTokens | None = None,
    document_masking: bool = True,
    tokenizer_fingerprint: str = "",
    **options: Any,
) -> Loader:
    return Loader(
        make_draw(folder, **options),
        loss_on=loss_on,
        calculator=calculator,
        document_masking=document_masking,
        tokenizer_fingerprint=tokenizer_fingerprint,
    )

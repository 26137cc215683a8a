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
from ganita.shards.files import StreamWriter
from ganita.shards.loader import Loader
from ganita.storage import publish, seal, write_json


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
    weights: dict[str, float] | None = None,
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
            "weight": (weights or {}).get(source, 1.0),
            "finetune_weight": 0.0,
            "tokens": writer.tokens,
            "documents": writer.documents,
            "files": writer.files,
        }
        content[name] = documents
    index = {"dtype": "<u2", "vocabulary_size": 60_000, "pad_id": 0, "tokenizer": "f" * 64, "splits": {split: entries}}
    write_json(folder / "index.json", index)
    seal(folder, {})
    return content


def make_loader(folder: Path, **options: Any) -> Loader:
    defaults = {"split": "train", "stage": "pretrain", "context_length": 16, "rows_per_batch": 8, "seed": 1}
    return Loader(folder, **{**defaults, **options})

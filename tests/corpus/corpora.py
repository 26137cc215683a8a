"""Tiny corpora made in a temporary folder, and a short way to run the stage over them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganita.corpus.build import build
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict
from ganita.runs import Run

BENCHMARK_QUESTION = (
    "Orla's greenhouse holds 14 trays of seedlings, and every tray carries 9 tomato plants and 6 pepper plants. "
    "After a frosty night she throws away 23 plants. How many plants does Orla have left?"
)
BENCHMARK_SOLUTION = (
    "Each tray carries 9 + 6 = <<9+6=15>>15 plants.\nThe whole greenhouse holds 14 * 15 = <<14*15=210>>210 plants.\n"
    "Orla has 210 - 23 = <<210-23=187>>187 plants left.\n#### 187"
)
SHORT_QUESTION = "What is the twelfth triangular number plus 5?"


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSON Lines, gzip-compressed if the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def texts(count: int, word: str = "number") -> list[dict[str, Any]]:
    """Distinct running texts."""
    return [{"text": f"The {word} {n} is followed by {n + 1}, and twice {n} is {2 * n}."} for n in range(count)]


def write_data_folder(folder: Path) -> Path:
    """A GANITA_DATA with one benchmark of two items and one training set."""
    write_jsonl(
        folder / "eval/gsm8k_test.jsonl.gz",
        [
            {"id": "t/0", "question": BENCHMARK_QUESTION, "solution": BENCHMARK_SOLUTION, "answer": "187"},
            {"id": "t/1", "question": SHORT_QUESTION, "solution": "78+5 = <<78+5=83>>83\n#### 83", "answer": "83"},
        ],
    )
    rows = [
        {
            "id": f"g/{n}",
            "question": f"Ben has {n} nuts and finds {n + 3} more. How many nuts has he now?",
            "solution": f"Ben has {n}+{n + 3} = <<{n}+{n + 3}={2 * n + 3}>>{2 * n + 3} nuts.\n#### {2 * n + 3}",
            "answer": str(2 * n + 3),
        }
        for n in range(40)
    ]
    write_jsonl(folder / "train/gsm8k_train.jsonl.gz", rows)
    return folder


def recipe_of(*sources: Mapping[str, Any], **corpus: Any) -> Recipe:
    return recipe_from_dict({"name": "test", "corpus": {"sources": list(sources), "decontaminate": [], **corpus}})


def run_stage(folder: Path, recipe: Recipe, reporter: Reporter | None = None) -> dict[str, Any]:
    """Build the corpus of `recipe` in `folder`; return the summary."""
    folder.mkdir(parents=True)
    return build(recipe, Run(folder.parent), folder, reporter or Reporter(quiet=True))

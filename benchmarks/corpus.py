"""Text to documents to tokens on disk: MB/s of each step, and the corpus stage beside the plain use of `datasets`.

Usage: GANITA_DATA=FOLDER python benchmarks/corpus.py [rounds] [set ...]        (default: 3 rounds, every corpus set)

First, in turns: `datasets` reading the same files and normalising them with `map` (the same function, two processes);
our stage with every rule off, which does the same work; our stage as recipes use it. Then, once, the whole way with a
merged tokenizer of 17,357 tokens: seconds and peak memory of each stage, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import RESULTS, report, take_turns

from ganita.corpus.build import build
from ganita.corpus.clean import normalise
from ganita.corpus.registry import sets
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict
from ganita.runs import Run

SETS = (
    "openstax-math", "openstax-science", "stacks-project", "textbooks",
    "code-lean-mathlib3", "code-python", "code-coq-mathcomp", "docs-sympy-networkx-scipy",
)  # fmt: skip
STAGES = ("corpus", "tokenizer", "shards")
WORKERS = 2


def recipe_of(names: tuple[str, ...], **corpus: Any) -> Recipe:
    """Return a recipe over the named sets."""
    sources = [{"set": name} for name in names]
    tokenizer = {"vocabulary_size": 17_357, "method": "merged"}
    tree = {"name": "corpus", "corpus": {"sources": sources, "workers": WORKERS, **corpus}, "tokenizer": tokenizer}
    return recipe_from_dict({**tree, "evaluate": {"tasks": ["gsm8k"]}})


def num_characters(files: list[Path]) -> int:
    """Count the characters of the `text` column of gzipped JSON Lines: what all contestants are measured by."""
    import gzip

    total = 0
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            total += sum(len(json.loads(line)["text"]) for line in lines)
    return total


def stage(recipe: Recipe, size: int) -> Callable[[], float]:
    """Return a function that runs our corpus stage and returns characters per second."""

    def once() -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            out = Path(folder, "corpus.partial")
            out.mkdir()
            build(recipe, Run(Path(folder)), out, Reporter(quiet=True))
            return size / (time.perf_counter() - start)

    return once


def plain_datasets(files: list[Path], size: int) -> Callable[[], float]:
    """Return the same for `datasets`: read JSON Lines into its Arrow cache, normalise every text with `map`."""
    import datasets

    datasets.disable_progress_bars()

    def once() -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            names = [str(file) for file in files]
            loaded = datasets.load_dataset("json", data_files=names, split="train", cache_dir=folder)
            done = loaded.map(_normalise_row, num_proc=WORKERS, load_from_cache_file=False)
            done.to_json(str(Path(folder, "out.jsonl")))
            return size / (time.perf_counter() - start)

    return once


def _normalise_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"text": normalise(row["text"])}


def whole_way(names: tuple[str, ...], size: int) -> dict[str, Any]:
    """Run corpus, tokenizer and shards, each in its own process; return seconds, MB/s and peak memory of each."""
    folder = Path(tempfile.mkdtemp())
    recipe = folder / "recipe.toml"
    lines = ['name = "whole"', f'runs = "{folder}"', "[corpus]", f"workers = {WORKERS}"]
    lines += ['decontaminate = ["gsm8k-test", "math-test"]', *(f'[[corpus.sources]]\nset = "{name}"' for name in names)]
    lines += ["[tokenizer]", "vocabulary_size = 17_357", 'method = "merged"', "[evaluate]", 'tasks = ["gsm8k"]']
    recipe.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows: dict[str, Any] = {}
    try:
        for name in STAGES:
            start = time.perf_counter()
            command = [sys.executable, "-m", "ganita", name, "build", str(recipe), "--quiet"]
            subprocess.run(command, check=True)
            seconds = time.perf_counter() - start
            rows[name] = {"seconds": round(seconds, 1), "mb_per_second": round(size / 1e6 / seconds, 2)}
            # Of all children so far, so it can only grow: a stage that shows no more than the one before needs no more.
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            rows[name]["peak_mib_of_a_process"] = round(peak)
            print(f"  {name:<10} {seconds:7.1f} s  {size / 1e6 / seconds:6.2f} MB/s  peak {peak:,.0f} MiB in a process")
        manifest = json.loads((folder / "whole/corpus/manifest.json").read_text(encoding="utf-8"))
        rows["corpus"]["steps_cpu_seconds"] = manifest["summary"]["step_seconds"]
        total = sum(row["seconds"] for row in rows.values())
        print(f"  all three  {total:7.1f} s")
        return rows
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure, print and write the results."""
    if not os.environ.get("GANITA_DATA"):
        sys.exit("set GANITA_DATA to the folder that holds corpus/")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    names = tuple(sys.argv[2:]) or SETS
    files = [file for name in names for file in sets.locate(name, Reporter(quiet=True)).files]
    size = num_characters(files)
    print(f"{len(files)} files, {size / 1e6:,.1f} million characters")
    way = whole_way(names, size)
    off = {"deduplicate": False, "near_duplicates": 0.0, "select": {"max_repetition": 1.0}}
    plain = recipe_of(names, decontaminate=[], min_characters=0, **off)
    figures = take_turns(
        {
            "datasets, load and map": plain_datasets(files, size),
            "ganita corpus, every rule off": stage(plain, size),
            "ganita corpus, all rules": stage(recipe_of(names, decontaminate=["gsm8k-test", "math-test"]), size),
        },
        rounds,
    )
    report("corpus", "characters/s", figures, "datasets, load and map", characters=size, sets=names, whole_way=way)
    print(f"written: {RESULTS / 'corpus.json'}")


if __name__ == "__main__":
    main()

"""A tiny corpus that no one downloads, and the stages run on it."""

from __future__ import annotations

import json
import random

from ganita.corpus.document import Problem, Text, to_json
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict
from ganita.runs import Run
from ganita.storage import publish, seal
from ganita.tokenizer import build as stage

NOUNS = ("apples", "books", "clips", "drums", "eggs", "figs", "goats", "hats", "inks", "jars", "kites", "lamps")
NAMES = ("Ana", "Bo", "Cleo", "Dev", "Eli", "Fay", "Gus", "Hana", "Ivo", "Jun")


def make_problem(number: int) -> Problem:
    rng = random.Random(number)
    name, noun, first, second = rng.choice(NAMES), rng.choice(NOUNS), rng.randint(2, 99), rng.randint(2, 99)
    total = first + second
    steps = (
        f"{name} has {first}+{second} = <<{first}+{second}={total}>>{total} {noun}.",
        f"Half of them are {total}/2 = <<{total}/2={total / 2:g}>>{total / 2:g} {noun}.",
    )
    question = f"{name} has {first} {noun} and buys {second} more. How many {noun} are half of them?"
    return Problem(str(number), "words", question, steps, f"{total / 2:g}")


def make_text(number: int) -> Text:
    rng = random.Random(1000 + number)
    words = [rng.choice(NOUNS) + rng.choice(["", "", "s", "ing", " of the"]) for _ in range(rng.randint(5, 60))]
    return Text(str(number), "prose", f"Chapter {number}. " + " ".join(words) + ".\n")


def write_corpus(run: Run, documents: dict[str, dict[str, list]]) -> None:
    """documents: split -> source -> list of documents."""
    folder = run.partial("corpus")
    for split, sources in documents.items():
        (folder / split).mkdir(parents=True)
        for name, items in sources.items():
            lines = [json.dumps(to_json(item), ensure_ascii=False) + "\n" for item in items]
            (folder / split / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    seal(folder, {"summary": {}})
    publish(folder, run.root / "corpus")


def make_recipe(*, shard_tokens: int = 50_000, **tokenizer: int) -> Recipe:
    sources = [
        {"name": "prose", "path": "unused", "weight": 1.0},
        {"name": "words", "path": "unused", "kind": "problem", "weight": 3.0, "finetune_weight": 1.0},
    ]
    tree = {"corpus": {"sources": sources}, "tokenizer": {"vocabulary_size": 400, **tokenizer}}
    return recipe_from_dict({**tree, "shards": {"shard_tokens": shard_tokens}})


def build_tokenizer(run: Run, recipe: Recipe) -> dict:
    folder = run.partial("tokenizer")
    folder.mkdir()
    summary = stage.build(recipe, run, folder, Reporter(quiet=True))
    seal(folder, {"summary": summary})
    publish(folder, run.root / "tokenizer")
    return summary

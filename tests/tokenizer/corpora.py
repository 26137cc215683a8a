"""A tiny corpus that no one downloads, and the stages run on it."""

from __future__ import annotations

import json
import random
from typing import Any

from ganita.corpus.document import Problem, Text, to_json
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict
from ganita.runs import Run
from ganita.storage import publish, seal, write_json
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


def make_latex(number: int) -> Text:
    rng = random.Random(2000 + number)
    terms = [rf"\frac{{{rng.choice('xyz')}}}{{{rng.randint(2, 99)}}} + \alpha_{rng.randint(1, 9)}" for _ in range(9)]
    return Text(str(number), "latex", "We have $" + "$ and $".join(terms) + "$.\n", language="latex")


def make_code(number: int) -> Text:
    rng = random.Random(3000 + number)
    lines = [f"def {rng.choice(NOUNS)}_{rng.choice(NOUNS)}(self, value):\n    return self.{rng.choice(NOUNS)}(value)\n"]
    lines += [f"    for index in range({rng.randint(2, 9999)}):\n        print(index)\n" for _ in range(3)]
    return Text(str(number), "code", "".join(lines), language="python")


def make_corpus(run: Run, count: int = 300, held_out: int = 20) -> None:
    """Write a corpus of prose, LaTeX, worked problems and code, with its data card."""
    makers: dict[str, Any] = {"prose": make_text, "latex": make_latex, "words": make_problem, "code": make_code}
    splits = {"train": range(count), "validation": range(count, count + held_out)}
    documents = {
        split: {name: [make(n) for n in numbers] for name, make in makers.items()} for split, numbers in splits.items()
    }
    contents = {name: {"content": "code" if name == "code" else "text"} for name in makers}
    write_corpus(run, documents, {"sources": contents})


def write_corpus(run: Run, documents: dict[str, dict[str, list]], card: dict | None = None) -> None:
    """documents: split -> source -> list of documents."""
    folder = run.partial("corpus")
    for split, sources in documents.items():
        (folder / split).mkdir(parents=True)
        for name, items in sources.items():
            lines = [json.dumps(to_json(item), ensure_ascii=False) + "\n" for item in items]
            (folder / split / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    if card is not None:
        write_json(folder / "card.json", card)
    seal(folder, {"summary": {}})
    publish(folder, run.root / "corpus")


def make_recipe(*, shard_tokens: int = 50_000, full: bool = False, **tokenizer: Any) -> Recipe:
    """A recipe of prose and worked problems; `full`: of LaTeX and code too."""
    sources = [
        {"name": "prose", "path": "unused", "weight": 1.0},
        {"name": "words", "path": "unused", "kind": "problem", "weight": 3.0, "finetune_weight": 1.0},
    ]
    if full:
        sources += [{"name": "latex", "path": "unused"}, {"name": "code", "path": "unused"}]
    tree = {"corpus": {"sources": sources}, "tokenizer": {"vocabulary_size": 400, **tokenizer}}
    return recipe_from_dict({**tree, "shards": {"shard_tokens": shard_tokens}})


def build_tokenizer(run: Run, recipe: Recipe) -> dict:
    folder = run.partial("tokenizer")
    folder.mkdir()
    summary = stage.build(recipe, run, folder, Reporter(quiet=True))
    seal(folder, {"summary": summary})
    publish(folder, run.root / "tokenizer")
    return summary

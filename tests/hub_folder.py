"""A GANITA_DATA with a few invented rows of every public set that a recipe names, in the layout of its real home."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ganita.corpus.registry import sets
from ganita.corpus.registry.sets import Home, PublicSet
from ganita.recipe import Recipe

NUM_ROWS = 40
_NAMES = ("Ada", "Bela", "Cora", "Dora", "Ezra", "Finn", "Gita", "Hugo")
_THINGS = ("pears", "shells", "stamps", "beads", "maps", "bricks", "tiles", "plums")
_PLACES = ("market", "harbor", "school", "mill", "museum")


def write_hub_folder(folder: Path, recipe: Recipe) -> Path:
    """Write every set of the recipe's sources and of the benchmarks they are compared with; return the folder."""
    used = {name for source in recipe.corpus.sources if (name := source.set or source.variants)}
    for set_id in sorted(used | set(recipe.corpus.decontaminate)):
        entry = sets.find(set_id)
        home = entry.hub or entry.local
        assert home is not None
        rows = [_columns(home, _INVENTED[home.form](number, entry), number) for number in range(NUM_ROWS)]
        for glob in home.files or (home.path,):
            _write(folder / home.id / _file_name(glob), rows)
    return folder


def _file_name(glob: str) -> str:
    """Return a name that a glob of the registry matches."""
    return re.sub(r"\[(.).*?\]", r"\1", glob).replace(".jsonl*", ".jsonl").replace("*", "0")


def _columns(home: Home, row: dict[str, Any], number: int) -> dict[str, Any]:
    """Give the fields of a document the names of the set's columns, and add what the set filters its rows by."""
    found: dict[str, Any] = {"source": "invented", "path": f"book/{number}.md", **home.where}
    for name, value in row.items():
        _put(found, home.fields.get(name, name), value)
    if home.score:
        _put(found, home.score, 0.5 + number % 2 * 0.4)
    return found


def _put(row: dict[str, Any], column: str, value: Any) -> None:
    head, _, rest = column.partition(".")
    if rest:
        _put(row.setdefault(head, {}), rest, value)
    else:
        row[head] = value


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    if path.suffix == ".json":
        data = json.dumps(rows).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data)
    if path.suffix == ".zst":
        data = pytest.importorskip("zstandard").ZstdCompressor().compress(data)
    path.write_bytes(data)


# ------------------------------------------------------------------------------------------------ rows by their form


def _problem(number: int) -> tuple[str, list[str], int]:
    """Return a question, its steps with marks, and the answer; no two numbers ask the same."""
    a, b, c = 3 + number, 4 + number % 7, 2 + number % 5
    name, thing, place = _NAMES[number % 8], _THINGS[number // 2 % 8], _PLACES[number % 5]
    question = (
        f"{name} buys {a} boxes of {thing} at the {place}. Each box holds {b} {thing}. "
        f"{name} gives {c} {thing} to a friend. How many {thing} does {name} have left?"
    )
    steps = [
        f"The {a} boxes hold {a} * {b} = <<{a}*{b}={a * b}>>{a * b} {thing}.",
        f"{name} has {a * b} - {c} = <<{a * b}-{c}={a * b - c}>>{a * b - c} {thing} left.",
    ]
    return question, steps, a * b - c


def _plain(lines: Iterable[str]) -> str:
    return "\n".join(re.sub(r"<<.*?>>", "", line) for line in lines)


def _text(number: int, entry: PublicSet) -> dict[str, Any]:
    if entry.content == "code":
        return {"text": f"def area_{number}(width):\n    # {entry.id}\n    return width * {number} + {number % 7}\n"}
    thing, place = _THINGS[number % 8], _PLACES[number % 5]
    lines = f"Let $x_{{{number}}}$ be the number of {thing} in the {place}; then $x_{{{number}}} + {number} = y$."
    return {"text": f"# {entry.id}, section {number}\n\n{lines} Twice {number} is {2 * number}."}


def _gsm8k(number: int, entry: PublicSet) -> dict[str, Any]:
    question, steps, answer = _problem(number)
    if entry.use == "eval":  # in other words: what training shares with a benchmark would be taken out of it
        goats, answer = number + 5, (number + 5) * 18
        question = f"Old Umberto ferries {goats} goats twice every day. Over nine days, what is his tally of goats?"
        steps = [f"Nine days make {goats} * 18 = <<{goats}*18={answer}>>{answer} goats."]
    return {"question": question, "solution": "\n".join([*steps, f"#### {answer}"])}


def _worked(number: int, _: PublicSet) -> dict[str, Any]:
    question, steps, answer = _problem(number + 100)
    marks = [mark for step in steps for mark in re.findall(r"<<.*?>>", step)]
    return {"question": question, "steps": marks, "answer": str(answer)}


def _metamath(number: int, _: PublicSet) -> dict[str, Any]:
    question, steps, answer = _problem(number + 200)
    return {"question": question, "solution": f"{_plain(steps)}\n#### {answer}\nThe answer is: {answer}"}


def _math(number: int, entry: PublicSet) -> dict[str, Any]:
    question = f"Solve ${number + 2} x = {number * number}$ for $x$ in the {_PLACES[number % 5]} ring."
    if entry.use == "eval":
        question = f"Which value of $t$ makes ${number + 2} t$ equal to ${number * number}$?"
    solution = f"Divide by ${number + 2}$. Thus $x = \\boxed{{\\frac{{{number * number}}}{{{number + 2}}}}}$."
    return {"question": question, "solution": solution}


def _stackexchange(number: int, _: PublicSet) -> dict[str, Any]:
    thing = _THINGS[number % 8]
    question = f"In how many ways can {number + 3} different {thing} be put in a row of two?"
    ending = f" So the answer is {(number + 3) * (number + 2)}." if number % 2 else " That is all there is to it."
    answer = f"Choose the first of {number + 3} {thing}. Then {number + 2} remain for the second place.{ending}"
    return {"question": question, "answer": answer, "id": f"https://example.org/{number}"}


def _program(number: int, _: PublicSet) -> dict[str, Any]:
    question, _steps, _answer = _problem(number + 300)
    a, b, c = map(int, re.findall(r"\d+", question))
    lines = (f"boxes = {a}", f"each = {b}", f"given = {c}", "total = boxes * each", "result = total - given")
    body = "\n".join(f"    {line}" for line in (*lines, "return result"))
    return {
        "question": question,
        "code": f'def simple_math_problem() -> int:\n    """\n    {question}\n    """\n{body}\n',
    }


def _formula(number: int, entry: PublicSet) -> dict[str, Any]:
    """Return a problem as MathQA, LILA or MAWPS have it: a formula, a program or an equation beside the question."""
    question, _steps, answer = _problem(number + 400 + 50 * len(entry.id))
    a, b, c = re.findall(r"\d+", question)
    row = {"question": question, "answer": str(answer)}
    form = (entry.hub or entry.local or Home("", "")).form
    if form == "question-equation":
        return row | {"code": f"x=({a}*{b})-{c}"}
    row["question"] = re.sub(r"([.?])", r" \1", question.lower())  # as these two write them
    if form == "question-calculation":
        numbers = f"n0 = {a}.0\nn1 = {b}.0\nn2 = {c}.0"
        return row | {"code": f"{numbers}\nt0 = n0 * n1\nanswer = t0 - n2\nprint(answer)"}
    options = f"a ) {answer + 3} , b ) {answer} , c ) {answer + 1} , d ) {answer + 2} , e ) {answer + 7}"
    return row | {"code": f"subtract(multiply({a}, {b}), {c})", "choices": options, "label": "b"}


def _rationale(number: int, entry: PublicSet) -> dict[str, Any]:
    question = (
        f"Which of the {entry.id} numbers follows {number + 41} when {_NAMES[number % 8]} counts by {number + 2}?"
    )
    choices = [f"A){2 * number + 43}", f"B){number}", f"C){number + 1}", f"D){3 * number + 1}"]
    return {"question": question, "choices": choices, "label": "A", "solution": f"{number + 41} + {number + 2}"}


def _question_answer(number: int, entry: PublicSet) -> dict[str, Any]:
    return {
        "question": f"What is {number + 11} times {number + 2} ({entry.id})?",
        "answer": str((number + 11) * (number + 2)),
    }


_INVENTED: dict[str, Callable[[int, PublicSet], dict[str, Any]]] = {
    "text": _text,
    "by-path": _text,
    "gsm8k": _gsm8k,
    "problem": _worked,
    "metamath": _metamath,
    "math": _math,
    "stackexchange": _stackexchange,
    "question-program": _program,
    "question-formula": _formula,
    "question-calculation": _formula,
    "question-equation": _formula,
    "rationale": _rationale,
    "question-answer": _question_answer,
}

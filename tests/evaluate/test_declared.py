from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganita.errors import GanitaError
from ganita.evaluate.contamination import find_overlap
from ganita.evaluate.declared import read_tasks
from ganita.evaluate.items import demonstrations_of
from ganita.evaluate.prompts import choose, plain_prompt
from ganita.evaluate.run import files_behind
from ganita.evaluate.tasks import find_tasks, load_items
from ganita.progress import Reporter
from ganita.recipe import Evaluate, recipe_from_dict
from ganita.runs import Run

QUIET = Reporter(quiet=True)

GOOD = """
[physics]
path = "physics.jsonl"
fields = { question = "stem", choices = "options.text", label = "key" }
where = { split = "test" }
prompt = "Topic: {topic}\\nQ: {stem}\\n{options}\\nA:"
option = "{letter}) {text}"
choice = "{letter}"
demonstrations = "train.jsonl"

[sums]
title = "My sums"
path = "sums.jsonl"
rows = "gsm8k"
form = "words"
version = 3
"""


def rows(path: Path, *values: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


def physics(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"p{number}",
        "stem": f"What falls {number}?",
        "options": {"text": ["a stone", "a cloud"]},
        "key": "A",
        "topic": "gravity",
        "split": "test",
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not None}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(GOOD, encoding="utf-8")
    rows(tmp_path / "physics.jsonl", physics(0), physics(1, key="B"), physics(2, split="train"))
    rows(tmp_path / "train.jsonl", physics(7, split="train"), physics(8, key=1))
    rows(tmp_path / "sums.jsonl", {"id": "s0", "question": "1+1?", "solution": "It is <<1+1=2>>2.\n#### 2"})
    return path


def test_a_file_of_tasks(file: Path) -> None:
    one, two = find_tasks([str(file)])
    assert (one.name, one.title, one.scorer, one.version) == ("physics", "physics", "choice", 1)
    assert (two.title, two.scorer, two.version, two.form) == ("My sums", "number", 3, "words")
    items, excluded = load_items(one, recipe_from_dict({}), QUIET)
    assert ([(item.id, item.gold) for item in items], excluded) == ([("p0", "A"), ("p1", "B")], 0)
    asked = choose(one, Evaluate())
    assert plain_prompt(asked, items[0]) == "Topic: gravity\nQ: What falls 0?\nA) a stone\nB) a cloud\nA:"
    assert asked.protocol() == "plain text, own wording, zero-shot"
    examples = demonstrations_of(one, QUIET)
    assert [(item.id, item.gold) for item in examples] == [("p7", "A"), ("p8", "B")], "of whatever split"
    (item,), _ = load_items(two, recipe_from_dict({}), QUIET)
    assert (item.question, item.gold, item.solution) == ("1+1?", "2", "It is <<1+1=2>>2.")
    assert choose(two, Evaluate()).how == "template"
    assert [task.name for task in find_tasks(["gsm8k", str(file)])] == ["gsm8k", "physics", "sums"]


def test_a_set_in_the_layout_of_the_hub(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = file.parent / "data" / "some" / "physics"
    folder.mkdir(parents=True)
    rows(folder / "test-a.jsonl", physics(0), physics(1))
    monkeypatch.setenv("GANITA_DATA", str(file.parent / "data"))
    place = 'hub = "some/physics"\nfiles = ["test-*.jsonl"]\n'
    file.write_text(GOOD.replace('path = "physics.jsonl"\n', place), encoding="utf-8")
    task = read_tasks(file)[0]
    items, _ = load_items(task, recipe_from_dict({}), QUIET)
    assert [item.id for item in items] == ["p0", "p1"]
    assert files_behind(task, recipe_from_dict({})) == ["some/physics", "main"]


def test_the_files_identify_a_task(file: Path) -> None:
    recipe = recipe_from_dict({})
    before = files_behind(read_tasks(file)[0], recipe)
    rows(file.parent / "physics.jsonl", physics(0))
    assert files_behind(read_tasks(file)[0], recipe) != before


def test_rows_that_cannot_be_asked_are_named_and_counted(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows(
        file.parent / "physics.jsonl",
        physics(0),
        physics(0),
        physics(1, stem=" "),
        physics(2, key="Q"),
        physics(3, key=None),
        physics(4, topic=None),
        physics(5, options={"text": ["one"]}),
        physics(6, options=None),
    )
    with (file.parent / "physics.jsonl").open("a", encoding="utf-8") as end:
        end.write("{broken\n")
    task = read_tasks(file)[0]
    items, excluded = load_items(task, recipe_from_dict({}), QUIET)
    # A row without the options is a question with its letter as answer: of which nothing can be chosen.
    assert ([item.id for item in items], excluded) == (["p0"], 8)
    said = capsys.readouterr().err
    for reason in (
        "repeated id (p0)",
        "column 'stem' is blank (physics.jsonl, line 3)",
        "gold answer names no option (p2)",
        "column 'topic' is missing (physics.jsonl, line 6)",
        "fewer than two options (p5",
        "physics.jsonl, line 9",
    ):
        assert reason in said
    with pytest.raises(GanitaError, match="items cannot be scored"):
        load_items(task, recipe_from_dict({"evaluate": {"strict_items": True}}), QUIET)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no task"),
        ("x = [", "not valid TOML"),
        ("title = 'x'", "must be a table"),
        ("['a/b']\npath = 'x.jsonl'", "letters, digits"),
        ("[gsm8k]\npath = 'x.jsonl'", "is a benchmark of ganita's"),
        ("[a]\ntitle = 'x'", "exactly one of set, path, hub"),
        ("[a]\npath = 'x.jsonl'\nhub = 'y/z'", "exactly one of set, path, hub"),
        ("[a]\npath = 'x.jsonl'\npromt = 'x'", "unknown key 'promt' (did you mean 'prompt'?)"),
        ("[a]\npath = 'x.jsonl'\nscorer = 'numbers'", "unknown scorer 'numbers' (did you mean 'number'?)"),
        ("[a]\npath = 'x.jsonl'\nform = 'poem'", "unknown form"),
        ("[a]\npath = 'x.jsonl'\nprompt = 3", "prompt = 3 is not of the right type"),
        ("[a]\npath = 'x.jsonl'\nprompt = '{question'", "written twice"),
        ("[a]\npath = 'x.jsonl'\nscorer = 'choice'\nprompt = '{question}'", "needs `choice`"),
        ("[a]\npath = 'x.jsonl'\nscorer = 'number'\nchoice = '{letter}'", "remove it"),
        ("[a]\npath = 'x.jsonl'\nchoice = '{label}'", "asks for {label}"),
        ("[a]\npath = 'x.jsonl'\nasked = 'plain'", "needs a prompt"),
        ("[a]\npath = 'x.jsonl'\nfiles = ['y']", "for a set on the hub"),
        ("[a]\nhub = 'x/y'", "hub needs files"),
        ("[a]\nset = 'gsm8k-test'\nrows = 'gsm8k'", "rows is for path and hub"),
        ("[a]\npath = 'x.jsonl'\ndemonstrations = 'x.jsonl'", "the set of the items itself"),
        ("[a]\npath = 'x.jsonl'\nrows = 'table'", "one of problem, gsm8k, math"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GanitaError) as error:
        find_tasks([str(path)])
    assert said in str(error.value)
    assert "my.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_nobody_says_that_its_items_are_clean(file: Path, tmp_path: Path) -> None:
    overlap = find_overlap(read_tasks(file)[0], Run(tmp_path))
    assert overlap.items is None
    assert "not compared" in overlap.reason


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match="no such file of tasks"):
        find_tasks([str(tmp_path / "absent.toml")])
    path = tmp_path / "my.toml"
    path.write_text("[a]\npath = 'absent.jsonl'", encoding="utf-8")
    with pytest.raises(GanitaError, match=r"absent\.jsonl: no such file"):
        load_items(read_tasks(path)[0], recipe_from_dict({}), QUIET)

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganita.corpus.contamination.ledger import touched_items
from ganita.corpus.contamination.overlap import Index
from ganita.corpus.document import Problem
from ganita.errors import GanitaError
from ganita.evaluate import contamination, suites
from ganita.evaluate import run as stage
from ganita.evaluate.contamination import Overlap, Overlaps, find_overlap
from ganita.evaluate.tasks import load_tasks
from ganita.progress import Reporter
from ganita.recipe import recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.storage import seal, write_json, write_text

GSM8K, FAMILIES, SVAMP = (load_tasks()[name] for name in ("gsm8k", "families", "svamp"))
QUESTION = (
    "Mira packs 12 jars of plum jam into every wooden crate and fills 7 crates before lunch. How many jars are packed?"
)


def make_corpus(run: Run, compared: list[str], ledger: str) -> None:
    folder = run.root / "corpus"
    write_json(folder / "card.json", {"benchmarks": {"compared": compared, "not_compared": []}})
    write_text(folder / "ledger.jsonl", ledger)
    seal(folder, {})


def rows() -> str:
    """What the corpus stage writes for a source with the first of two items in it."""
    items = [Problem("t/0", "b", QUESTION, (), "84"), Problem("t/1", "b", "What is 1 + 1?", (), "2")]
    planted = Problem("d", "s", QUESTION.upper().replace("12", "15"), ("A step.",), "105")
    found = Index([("gsm8k-test", items)]).check(planted).rows("web", "d")
    assert found
    return "".join(json.dumps(row) + "\n" for row in found)


def test_the_items_of_the_ledger_are_touched(tmp_path: Path) -> None:
    run = Run(tmp_path)
    make_corpus(run, ["gsm8k-test", "svamp"], rows())
    overlap = find_overlap(GSM8K, run)
    assert overlap == Overlap(frozenset({"t/0"}))
    assert [overlap.touches(item) for item in ("t/0", "t/1")] == [True, False]
    assert find_overlap(SVAMP, run) == Overlap(frozenset())


@pytest.mark.parametrize(
    ("task", "compared", "reason"),
    [
        (FAMILIES, ["gsm8k-test"], "generated"),
        (SVAMP, ["gsm8k-test"], "the corpus was not compared with svamp"),
        (GSM8K, None, "the run has no corpus stage"),
        (FAMILIES, None, "generated"),
    ],
)
def test_why_a_task_was_not_compared_is_said(
    tmp_path: Path, task: Any, compared: list[str] | None, reason: str
) -> None:
    run = Run(tmp_path)
    if compared is not None:
        make_corpus(run, compared, rows())
    overlap = find_overlap(task, run)
    assert overlap.items is None
    assert reason in overlap.reason
    assert overlap.touches("t/0") is None


def test_a_broken_ledger_is_an_error_before_anything_is_asked(tmp_path: Path) -> None:
    run = Run(tmp_path)
    make_corpus(run, ["gsm8k-test"], '{"item": "gsm8k-test:t/0"}\n')
    with pytest.raises(GanitaError, match=r"ledger\.jsonl, line 1"):
        find_overlap(GSM8K, run)
    (tmp_path / "corpus" / "ledger.jsonl").unlink()
    with pytest.raises(GanitaError, match="no such file"):
        find_overlap(GSM8K, run)


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The ledgers that a test reads, one entry for each time."""
    read: list[Path] = []

    def counted(path: Path) -> dict[str, set[str]]:
        read.append(path)
        return touched_items(path)

    monkeypatch.setattr(contamination, "touched_items", counted)
    return read


def test_the_ledger_is_read_once_for_all_tasks_and_only_if_one_needs_it(tmp_path: Path, readings: list[Path]) -> None:
    run = Run(tmp_path)
    make_corpus(run, ["gsm8k-test", "svamp"], rows())
    overlaps = Overlaps(run)
    assert overlaps.of(FAMILIES).items is None
    assert readings == []
    found = [overlaps.of(task) for task in (GSM8K, SVAMP, FAMILIES, GSM8K)]
    assert readings == [tmp_path / "corpus" / "ledger.jsonl"]
    assert found == [find_overlap(task, run) for task in (GSM8K, SVAMP, FAMILIES, GSM8K)]


@pytest.mark.parametrize("how", ["stage", "suite"])
def test_an_evaluation_of_several_tasks_reads_the_ledger_once(
    tmp_path: Path, readings: list[Path], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    run, tasks = Run(tmp_path), [GSM8K, SVAMP, FAMILIES]
    recipe = recipe_from_dict({"evaluate": {"tasks": [task.name for task in tasks]}})
    make_corpus(run, ["gsm8k-test", "svamp"], rows())
    given: dict[str, Overlap] = {}

    def evaluate_task(task: Any, *others: Any) -> dict[str, Any]:
        given[task.name] = others[-1]
        return {}

    for module in (stage, suites):
        monkeypatch.setattr(module, "evaluate_task", evaluate_task)
        monkeypatch.setattr(module, "summary_of", lambda result: {})
    if how == "stage":
        monkeypatch.setattr(stage, "load_solver", lambda *_, **__: SimpleNamespace(sampler=None))
        stage.build(recipe, run, tmp_path / "evaluate.partial", Reporter(quiet=True))
    else:
        monkeypatch.setattr(suites, "_identity", lambda *_: {})
        monkeypatch.setattr(suites, "show_table", lambda *_: None)
        write_json(tmp_path / "recipe.json", recipe_to_dict(recipe))
        write_json(tmp_path / "evaluate" / "results.json", {})
        seal(tmp_path / "evaluate", {})
        suites.evaluate_more(run, recipe, tasks, SimpleNamespace(), Reporter(quiet=True))  # type: ignore[arg-type]
    assert len(readings) == 1
    assert [given[task.name].items for task in tasks] == [frozenset({"t/0"}), frozenset(), None]

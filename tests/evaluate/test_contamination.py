from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganita.corpus.contamination.overlap import Index
from ganita.corpus.document import Problem
from ganita.errors import GanitaError
from ganita.evaluate.contamination import Overlap, find_overlap
from ganita.evaluate.tasks import load_tasks
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

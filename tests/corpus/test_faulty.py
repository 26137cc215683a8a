from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from ganita.corpus import faulty
from ganita.corpus.document import Problem
from ganita.corpus.faulty import FAULTS, fault_of
from ganita.corpus.hashes import question_key
from ganita.corpus.reading.readers import Skipped
from ganita.corpus.sources import documents_of, open_source
from ganita.corpus.variants import Variants
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import Source
from tests.corpus.corpora import write_jsonl
from tests.corpus.variants.problems import BEADS, HERD, SALE


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if BEADS had been found to have a false step, and the numbers of HERD to be tied."""
    known = {question_key(BEADS.question): "D", question_key(HERD.question): "F"}
    monkeypatch.setattr(faulty, "_letters", lambda: known)


def test_a_question_is_known_whatever_its_spaces_and_marks() -> None:
    shouted = Problem("x", "s", BEADS.question.upper().replace(". ", " ;  "), BEADS.steps, BEADS.answer)
    assert fault_of(shouted) == fault_of(BEADS) == FAULTS["D"]
    assert fault_of(SALE) == ""


def test_tied_numbers_are_a_fault_only_where_they_would_be_changed() -> None:
    assert fault_of(HERD) == ""
    assert fault_of(HERD, varied=True) == FAULTS["F"]


def test_no_variants_are_made_of_faulty_problems() -> None:
    variants = Variants([BEADS, SALE, HERD])
    assert {problem.id.rpartition("/")[0] for problem in variants.generate(20, 1)} == {SALE.id}
    assert variants.refused == {f"read and found faulty: {FAULTS[letter]}": 1 for letter in "DF"}


def test_a_source_can_leave_them_out(tmp_path: Path) -> None:
    rows = [{"question": p.question, "solution": "\n".join(p.steps), "answer": p.answer} for p in (BEADS, SALE, HERD)]
    path = str(write_jsonl(tmp_path / "own.jsonl", rows))
    items = list(documents_of(Source(name="own", path=path, kind="problem", sound=True), 1))
    assert [item.question for item in items if isinstance(item, Problem)] == [SALE.question, HERD.question]
    assert [(item.reason, item.detail) for item in items if isinstance(item, Skipped)] == [("faulty", FAULTS["D"])]
    with pytest.raises(GanitaError, match="leave out sound"):
        open_source(Source(name="own", path=path, sound=True), 1, Reporter(quiet=True))


def test_the_list_is_well_formed() -> None:
    text = (resources.files("ganita.corpus") / "faulty.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert len(rows) > 500
    assert len({key for key, _ in rows}) == len(rows)
    assert all(len(key) == 16 and letter in FAULTS for key, letter in rows)

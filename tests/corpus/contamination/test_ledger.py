from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.contamination.ledger import read_ledger, summarise, touched_items
from ganita.corpus.contamination.overlap import Hit, Index, Verdict
from ganita.corpus.document import Document, Problem, Text
from ganita.errors import GanitaError, IntegrityError
from tests.corpus.contamination.test_overlap import DISGUISED, ITEMS, REWORDED, UNTOUCHED, prose, question

INDEX = Index([("gsm8k-test", ITEMS), ("svamp", ITEMS[:1])])


def write(path: Path, documents: list[tuple[str, Document]]) -> list[Document]:
    """Check documents of named sources, write their ledger, and return what is left."""
    left = []
    with path.open("w", encoding="utf-8") as file:
        for source, document in documents:
            verdict = INDEX.check(document)
            file.writelines(json.dumps(row) + "\n" for row in verdict.rows(source, document.id))
            left += [verdict.document] if verdict.document is not None else []
    return left


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_a_planted_question_is_taken_out_and_written_down(path: Path) -> None:
    book = prose(REWORDED)
    clean = Text("c", "s", UNTOUCHED)
    left = write(path, [("web", question(DISGUISED)), ("books", book), ("web", clean)])
    assert len(left) == 2
    assert left[1] is clean
    assert isinstance(left[0], Text)
    assert "greenhouse" in book.text
    assert "greenhouse" not in left[0].text
    rows = list(read_ledger(path))
    assert all(row["item"] == "t/0" for row in rows)
    told = {(row["set"], row["source"], row["rule"], row["decision"]) for row in rows}
    assert told == {
        (benchmark, *found)
        for benchmark in ("gsm8k-test", "svamp")
        for found in (("web", "13-gram", "dropped"), ("web", "8-gram", "dropped"), ("books", "8-gram", "cut"))
    }
    for row in rows:
        assert row["document"] == "d"
        assert (row["ratio"] is None) is (row["rule"] != "8-gram")
        if row["source"] == "books":
            assert book.text[row["start"] : row["stop"]] == REWORDED.removesuffix("?")
    assert "seedlings" not in path.read_text(encoding="utf-8"), "the ledger repeats no text"


def test_candidates_that_were_kept_are_not_written(path: Path) -> None:
    near = Text("n", "s", "After a frosty night she throws away 3 plants. Who is she?")
    assert INDEX.check(near).num_candidates == 1
    assert write(path, [("web", near)]) == [near]
    assert list(read_ledger(path)) == []
    assert touched_items(path) == {}
    assert summarise(path) == {"hits": [], "touched": {}}


def test_counts(path: Path) -> None:
    other = Problem("e", "s", ITEMS[1].question, ("A step.",), "83")
    write(path, [("web", question(REWORDED)), ("web", other), ("web", question(f"{REWORDED} {REWORDED}"))])
    assert touched_items(path) == {"gsm8k-test": {"t/0", "t/1"}, "svamp": {"t/0"}}
    found = summarise(path)
    assert found["touched"] == {"gsm8k-test": 2, "svamp": 1}

    def entry(set_id: str, rule: str, hits: int, documents: int) -> dict[str, Any]:
        what = {"set": set_id, "source": "web", "rule": rule, "decision": "dropped"}
        return {**what, "hits": hits, "documents": documents, "items": 1}

    # Three copies in two documents of one id, which follow each other: counted as one document.
    assert found["hits"] == [
        entry("gsm8k-test", "8-gram", 3, 1),
        entry("gsm8k-test", "exact", 1, 1),
        entry("svamp", "8-gram", 3, 1),
    ]


def test_documents_are_counted_once_each(path: Path) -> None:
    documents: list[tuple[str, Document]] = []
    for name in ("a", "b", "c"):
        documents.append(("web", Problem(name, "s", f"{REWORDED} {REWORDED}", ("A step.",), "1")))
    write(path, documents)
    assert [(entry["hits"], entry["documents"]) for entry in summarise(path)["hits"]] == [(6, 3), (6, 3)]


def test_a_verdict_without_hits_has_no_rows() -> None:
    assert Verdict(question("?")).rows("web", "d") == []
    hit = Hit("gsm8k-test", "t/0", "exact", 0, 9, "00")
    (row,) = Verdict(None, (hit,)).rows("web", "d")
    assert row == {
        "set": "gsm8k-test", "item": "t/0", "rule": "exact", "start": 0, "stop": 9, "hash": "00", "ratio": None,
        "source": "web", "document": "d", "decision": "dropped",
    }  # fmt: skip


@pytest.mark.parametrize("line", ["", "{", "[]", "17", '{"item": "gsm8k-test:t/0", "rule": "exact"}', "[" * 100_000])
def test_a_broken_line_is_named(path: Path, line: str) -> None:
    write(path, [("web", question(REWORDED))])
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    for reader in (touched_items, summarise):
        with pytest.raises(IntegrityError, match=r"ledger\.jsonl, line 3: .*build the corpus again"):
            reader(path)


def test_no_ledger_is_an_error_in_one_line(path: Path) -> None:
    with pytest.raises(GanitaError, match=r"ledger\.jsonl: no such file"):
        touched_items(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    path.write_bytes(data)
    try:
        assert isinstance(summarise(path), dict)
    except GanitaError as error:
        assert "\n" not in str(error)

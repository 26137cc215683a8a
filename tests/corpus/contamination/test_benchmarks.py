from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.contamination.benchmarks import MAX_QUESTIONS, Benchmarks, exact_key
from ganita.corpus.contamination.letters import read_words
from ganita.corpus.contamination.overlap import Index
from ganita.corpus.document import Problem
from ganita.corpus.hashes import question_key
from ganita.errors import IntegrityError
from tests.corpus.corpora import BENCHMARK_QUESTION, BENCHMARK_SOLUTION, SHORT_QUESTION

ITEMS = [
    Problem("t/0", "b", BENCHMARK_QUESTION, tuple(BENCHMARK_SOLUTION.split("\n")[:-1]), "187", ("187 plants", "Ω")),
    Problem("t/1", "b", SHORT_QUESTION, (), "83"),
]
TABLES = Benchmarks.of([("bench", ITEMS), ("twins", ITEMS[:1])])


def ask(number: int, question: str) -> Problem:
    return Problem(str(number), "b", question, (), "1")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_the_exact_key_is_the_question_key(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()  # normalised documents hold no lone surrogates
    assert exact_key(text) == question_key(text)
    assert exact_key(" A-b_1! " + text) == question_key("ab1" + text)


def test_an_item_of_two_sets_is_in_the_tables_twice() -> None:
    assert TABLES.items == [("bench", "t/0"), ("bench", "t/1"), ("twins", "t/0")]
    assert TABLES.exact[exact_key(BENCHMARK_QUESTION)] == [0, 2]
    assert TABLES.askers == [[0, 2]]  # one question to compare with, asked by two; the short one is not compared
    assert TABLES.questions == [read_words(BENCHMARK_QUESTION).numbers.tolist()]
    assert set(TABLES.grams.owners.tolist()) == {0, 2}


def test_no_n_gram_reaches_from_one_text_into_the_next() -> None:
    first, second = "alpha beta gamma delta epsilon zeta eta", "theta iota kappa lambda omicron sigma upsilon"
    apart = Benchmarks.of([("s", [ask(0, first), ask(1, second)])])
    assert len(apart.grams.numbers) == len(apart.similar.numbers) == 0
    assert len(Benchmarks.of([("s", [ask(0, f"{first} {second}")])]).grams.numbers) == 2  # 14 words: two 13-grams


def test_items_of_any_length_are_covered_from_end_to_end() -> None:
    names = ["".join(chr(97 + number // 26**place % 26) for place in range(4)) for number in range(70_000)]
    tables = Benchmarks.of([("s", [ask(0, " ".join(names))])])
    assert sorted(tables.grams.places.tolist()) == list(range(70_000 - 12))
    assert len(tables.similar.numbers) == 70_000 - 7


def test_a_phrase_of_many_questions_is_left_out() -> None:
    phrase = "after dinner they counted every marble that was still inside the green wooden box and"

    def grams(count: int) -> tuple[int, int]:
        questions = [ask(n, f"{phrase} {chr(97 + n) * 4} found out") for n in range(count)]
        tables = Benchmarks.of([("s", questions)])
        wanted = read_words(phrase).numbers
        return len(tables.grams.find(wanted)[0]), len(tables.similar.find(wanted)[0])

    assert grams(MAX_QUESTIONS) == (3, 8)
    assert grams(MAX_QUESTIONS + 1) == (0, 0)
    repeated = Benchmarks.of([("s", [ask(n, phrase) for n in range(40)])])  # one question, however often it is asked
    assert len(repeated.similar.find(read_words(phrase).numbers)[0]) == 8


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    for tables in (TABLES, Benchmarks.of([]), Benchmarks.of([("s", [ask(0, "?")])])):
        tables.save(tmp_path / "benchmarks.npz")
        loaded = Benchmarks.load(tmp_path / "benchmarks.npz")
        for name in ("items", "exact", "longest", "questions", "askers"):
            assert getattr(loaded, name) == getattr(tables, name)
        for name in ("grams", "similar"):
            ours, theirs = getattr(tables, name), getattr(loaded, name)
            assert ours.num_words == theirs.num_words
            for column in ("numbers", "owners", "places"):
                assert np.array_equal(getattr(ours, column), getattr(theirs, column))
    assert [path.name for path in tmp_path.iterdir()] == ["benchmarks.npz"]


def test_the_same_benchmarks_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        Index([("bench", ITEMS)]).save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.npz"
    with pytest.raises(IntegrityError, match=r"benchmarks\.npz.*delete it"):
        Index.load(path)
    TABLES.save(path)
    whole = path.read_bytes()
    for data in (b"", b"PK", whole[: len(whole) // 2], whole[:-30], b"\x93NUMPY" + whole[6:]):
        path.write_bytes(data)
        with pytest.raises(IntegrityError, match=r"benchmarks\.npz"):
            Index.load(path)


def test_a_file_of_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganita.corpus.contamination.benchmarks._FORMAT", 0)
    TABLES.save(tmp_path / "benchmarks.npz")
    monkeypatch.undo()
    with pytest.raises(IntegrityError, match="another version"):
        Index.load(tmp_path / "benchmarks.npz")

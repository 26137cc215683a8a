from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.document import Document, Problem, Text
from ganita.corpus.overlap import LONG_TEXT, MIN_TELLING, Index, canonical_word
from tests.corpus.corpora import BENCHMARK_QUESTION, BENCHMARK_SOLUTION, SHORT_QUESTION

ITEMS = [
    Problem("t/0", "b", BENCHMARK_QUESTION, tuple(BENCHMARK_SOLUTION.split("\n")[:-1]), "187"),
    Problem("t/1", "b", SHORT_QUESTION, (), "83"),
]
INDEX = Index([("bench", ITEMS)])
# The words of the item with the case, the punctuation and every number changed.
DISGUISED = (
    "ORLAS GREENHOUSE HOLDS 99 TRAYS OF SEEDLINGS AND EVERY TRAY CARRIES 3 TOMATO PLANTS AND 80 PEPPER PLANTS; "
    "After a frosty night, she throws away 1 plants -- how many plants does Orla have left"
)
UNTOUCHED = (
    "Orla's greenhouse is empty. A frosty night came and she had thrown away the seedlings, every tomato plant, and "
    "the trays that carried them; how many peppers does she have left over if 14 of 23 froze?"
)


def question(text: str) -> Problem:
    return Problem("d", "s", text, ("A step.",), "1")


def prose(text: str, before: int = 40, after: int = 40) -> Text:
    filler = [f"Section {n} of the book explains how number {n} came about and why it matters." for n in range(200)]
    return Text("d", "s", "\n\n".join([*filler[:before], text, *filler[100 : 100 + after]]))


@pytest.mark.parametrize("text", [BENCHMARK_QUESTION, DISGUISED, "He asks: " + DISGUISED + " Tell me."])
def test_a_planted_item_is_found_under_changed_case_punctuation_and_numbers(text: str) -> None:
    for document in (question(text), Problem("d", "s", "What now?", (text,), "1"), Text("d", "s", text)):
        verdict = INDEX.check(document)
        assert verdict.document is None
        assert {hit.item for hit in verdict.hits} == {"bench:t/0"}


@pytest.mark.parametrize("text", [UNTOUCHED, "The square of 12 is 144.", ""])
def test_an_untouched_document_is_passed_on_unchanged(text: str) -> None:
    for document in (question(text or "?"), Text("d", "s", text), prose(text)):
        verdict = INDEX.check(document)
        assert verdict.document is document
        assert not verdict.hits


def test_a_leaked_solution_is_found_without_its_question() -> None:
    leaked = "Each tray carries 5 plants. The whole greenhouse holds 70 plants. Orla has 10 plants left."
    assert INDEX.check(question("What is left?\n" + leaked)).document is None


def test_a_short_item_is_found_exactly_and_not_by_its_numberless_words() -> None:
    verdict = INDEX.check(question("what is the twelfth triangular number, plus 5"))
    assert [(hit.item, hit.rule) for hit in verdict.hits] == [("bench:t/1", "exact")]
    assert INDEX.check(question("What is the twelfth triangular number plus 6?")).hits == ()


def test_a_question_with_an_answer_as_text_is_compared_by_its_question() -> None:
    verdict = INDEX.check(Text("d", "s", f"Question: {SHORT_QUESTION.upper()}\nAnswer: 83"))
    assert verdict.document is None
    assert verdict.hits[0].rule == "exact"


def test_only_the_paragraph_is_cut_out_of_a_long_text() -> None:
    document, clean = prose(DISGUISED), prose("@")
    assert len(document.text) > LONG_TEXT
    verdict = INDEX.check(document)
    assert isinstance(verdict.document, Text)
    assert verdict.document.text == clean.text.replace("\n\n@", "")
    assert verdict.num_cut == 1
    assert INDEX.check(verdict.document).hits == ()
    assert document.text[verdict.hits[0].start : verdict.hits[0].stop] == DISGUISED


def test_a_short_item_as_a_paragraph_of_a_book_is_cut_out() -> None:
    verdict = INDEX.check(prose(SHORT_QUESTION))
    assert isinstance(verdict.document, Text)
    assert "triangular" not in verdict.document.text
    assert verdict.num_cut == 1


def test_a_text_that_would_lose_half_is_dropped() -> None:
    document = Text("d", "s", ("words without a blank line " * 300) + DISGUISED)
    assert INDEX.check(document).document is None


def test_formulas_without_their_numbers_are_not_evidence() -> None:
    polynomial = "x^2 + 3 x + 2 = x y z + x x x x x x x x x x x x x x x y z"
    index = Index([("m", [Problem("p", "b", polynomial, (), "1")])])
    assert index.check(Text("d", "s", "We have x x x x + x x x x x x x x x y z here.")).hits == ()
    assert index.check(question(polynomial)).document is None  # the exact rule still stands


def test_every_item_of_a_shared_passage_is_named() -> None:
    twin = Problem("t/9", "b", BENCHMARK_QUESTION.replace("23", "29"), (), "181")
    index = Index([("bench", ITEMS), ("platinum", [twin])])
    assert {hit.item for hit in index.check(question(DISGUISED)).hits} == {"bench:t/0", "platinum:t/9"}


def test_no_benchmarks_no_hits() -> None:
    assert Index([]).check(question(BENCHMARK_QUESTION)).hits == ()


def brute_force(document: str, benchmark: str, num_words: int) -> bool:
    """Any run of `num_words` words in common that holds enough different long words; by comparing lists."""

    def grams(text: str) -> set[tuple[str, ...]]:
        words = [canonical_word(word) for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text)]
        return {tuple(words[at : at + num_words]) for at in range(len(words) - num_words + 1)}

    shared = grams(document) & grams(benchmark)
    return any(len({word for word in gram if len(word) >= 3}) >= MIN_TELLING for gram in shared)


word = st.sampled_from(["One", "one", "two", "three", "four's", "fours", "five", "x", "17", ",", "six."])


@settings(max_examples=300, deadline=None)
@given(st.lists(word, max_size=60), st.lists(word, min_size=1, max_size=40))
def test_ngram_hits_agree_with_a_brute_force(document: list[str], benchmark: list[str]) -> None:
    index = Index([("b", [Problem("i", "b", " ".join(benchmark), (), "1")])], num_words=5)
    text = " ".join(document)
    hits = index.ngram_hits(text)
    assert bool(hits) is brute_force(text, " ".join(benchmark), 5)
    for hit in hits:
        assert brute_force(text[hit.start : hit.stop], " ".join(benchmark), 5)


def test_documents_of_both_kinds_are_never_changed_in_place() -> None:
    documents: list[Document] = [question(DISGUISED), prose(DISGUISED)]
    before = [repr(document) for document in documents]
    for document in documents:
        INDEX.check(document)
    assert [repr(document) for document in documents] == before

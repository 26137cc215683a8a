from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganita.corpus.clean import contents, normalise, normalise_document, pieces, size, split_key
from ganita.corpus.document import Problem, Text
from ganita.corpus.hashes import duplicate_key, question_key

LATEX = "Let $f(x)=\\frac{a}{b}$.\n\\begin{align}\n\ta &= b \\\\\n    c &\\neq d\n\\end{align}"


def test_latex_and_code_are_kept_to_the_character() -> None:
    code = "def f(x):\n\tif x:\n\n\n        return  x  # ∑ ≠ ½"
    assert normalise(LATEX) == LATEX
    assert normalise(code) == code


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("cafe\u0301", "caf\u00e9"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x00b\x07c\x1b[0m\ufeff", "abc[0m"),
        ("page\x0cnext\u2028line", "page\nnext\nline"),
        ("broken \ud83d surrogate", "broken  surrogate"),
        ("\n\n  indented\n\n", "  indented"),
        ("हि\u200dंदी", "हि\u200dंदी"),
    ],
)
def test_what_no_reader_can_see_is_removed(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@given(st.text(alphabet=st.characters(), max_size=80))
def test_normalised_text_is_a_fixed_point_and_can_be_written(text: str) -> None:
    clean = normalise(text)
    assert normalise(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    clean.encode("utf-8")


def test_a_step_is_one_line() -> None:
    problem = normalise_document(Problem("i", "s", " q ", ("one\r\ntwo", "  ", "three"), " 4\x00 ", (" x ",)))
    assert isinstance(problem, Problem)
    assert problem.steps == ("one", "two", "three")
    assert (problem.question, problem.answer, problem.choices) == ("q", "4", ("x",))


@given(st.text(alphabet="ab \n", max_size=300), st.integers(1, 40))
def test_pieces_are_short_enough_and_lose_only_blank_lines(text: str, limit: int) -> None:
    parts = list(pieces(text, limit))
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join(parts).replace("\n", "") == text.replace("\n", "")
    assert len(parts) <= 2 * len(text) / limit + 1


def test_pieces_end_at_paragraphs() -> None:
    text = "\n\n".join(f"paragraph {n}\nsecond line" for n in range(50))
    parts = list(pieces(text, 120))
    assert "\n\n".join(parts) == text
    assert all(part.startswith("paragraph") for part in parts)


def test_size_counts_what_contents_joins() -> None:
    problem = Problem("i", "s", "question", ("one", "two"), "3", ("x", "yy"))
    assert size(problem) == len(contents(problem).replace("\n", ""))
    assert size(Text("i", "s", "abc")) == 3
    assert split_key(problem) == "question"


def test_duplicates_differ_in_white_space_and_case_only() -> None:
    assert duplicate_key("The  Sum\nis 5.") == duplicate_key("the sum is 5.")
    assert duplicate_key("the sum is 5.") != duplicate_key("the sum is 5")
    assert question_key("The sum, is: $5$") == question_key("the sum is 5") != question_key("the sum is 6")

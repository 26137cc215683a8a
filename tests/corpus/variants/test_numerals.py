from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganita.corpus.families.english import number_words
from ganita.corpus.variants.numerals import Form, scan, words_value


@given(st.integers(1, 999))
def test_words_are_read_as_they_are_written(value: int) -> None:
    assert words_value(number_words(value)) == value


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("She has 1,250 red and 3.5 blue ones, .5 green.", [1250, Fraction(7, 2), Fraction(1, 2)]),
        ("Twenty-one boats and two hundred fifty-six oars", [21, 256]),
        ("at 3:30 pm on the 2nd day", []),
        ("3/4 of 12", [3, 4, 12]),
        ("someone alone attended a tenth", []),
    ],
)
def test_numerals_of_a_text(text: str, values: list[Fraction | int]) -> None:
    assert [numeral.value for numeral in scan(text)] == values


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("She bought 5 plums", False),
        ("The two brothers share", True),
        ("each of the three shops", True),
        ("there are 60 minutes in it", True),
        ("he waits 45 minutes", False),
        ("in 1987 he left", True),
        ("it costs $1987 in all", False),
        ("she is in grade 5 now", True),
        ("from 9 am on", True),
        ("1 cake", True),
        ("wins by a 2 point conversion", True),
        ("pays with a $20 bill", True),
        ("pays $20 for it", False),
        ("scores of 10-15", True),
    ],
)
def test_what_must_not_change_is_pinned(text: str, pinned: bool) -> None:
    assert all(numeral.pinned == pinned for numeral in scan(text))
    assert scan(text)


def test_units() -> None:
    text = "$5 for 3 of the plums, 20% off, 7 percent more, 4-mile runs"
    assert [numeral.unit for numeral in scan(text)] == ["$", "plums", "%", "%", "mile"]


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (Form(), 12000, "12000"),
        (Form(commas=True), 12000, "12,000"),
        (Form(commas=True), 900, "900"),
        (Form(words=True), 24, "twenty-four"),
        (Form(words=True, capital=True), 24, "Twenty-four"),
        (Form(dollars=True), Fraction(5, 2), "2.50"),
        (Form(dollars=True), 3, "3"),
        (Form(), Fraction(5, 2), "2.5"),
    ],
)
def test_a_number_is_written_as_the_one_it_replaces(form: Form, value: int | Fraction, text: str) -> None:
    assert form.write(value) == text

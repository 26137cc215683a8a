from __future__ import annotations

import pytest

from ganita.corpus.reading.tokenised import SpoiltTextError, plain_text


@pytest.mark.parametrize(
    ("cut", "plain"),
    [
        (
            "a car runs 60 km / hr for 9 seconds . how far , in metres , does it run ?",
            "A car runs 60 km/hr for 9 seconds. How far, in metres, does it run?",
        ),
        (
            "ravi pays rs . 500 with a discount of 10 % . what does he pay ?",
            "Ravi pays Rs. 500 with a discount of 10%. What does he pay?",
        ),
        (
            "a and b can do a job in 6 days . b alone needs 9 days . how many days does the job take a ?",
            "A and B can do a job in 6 days. B alone needs 9 days. How many days does the job take A?",
        ),
        (
            "the length of a hall is 12 m and its breadth is 8 m . the area of its floor is :",
            "The length of a hall is 12 m and its breadth is 8 m. What is the area of its floor?",
        ),
        (
            "the shop opens at 9 o ' clock and each of 3 clerks ' desks holds 2 pens . how many pens are there ?",
            "The shop opens at 9 o'clock and each of 3 clerks' desks holds 2 pens. How many pens are there?",
        ),
        (
            "on monday a 20 - metre hall holds 3 / 4 of $ 80 's worth of chairs ( old ones ) . find the rest",
            "On Monday a 20-metre hall holds 3/4 of $80 's worth of chairs (old ones). Find the rest.",
        ),
    ],
)
def test_a_text_cut_into_words_becomes_plain(cut: str, plain: str) -> None:
    assert plain_text(cut) == plain


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ("if x is 5 then what is the value of x times 3 ?", "formulas"),
        ("which of the following numbers is the largest among 3 and 5 ?", "not shown"),
        ("what is 3 ^ 4 times 2 minus 5 in total ?", "no plain text"),
        ("how many " + "pens " * 1000 + "?", "no plain text"),
        ("ravi has 3 red pens and 4 blue pens in his bag .", "no question"),
        ("how many pens ?", "too short"),
    ],
)
def test_text_that_cannot_be_made_plain_is_refused(cut: str, message: str) -> None:
    with pytest.raises(SpoiltTextError, match=message):
        plain_text(cut)

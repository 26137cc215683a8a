from __future__ import annotations

from fractions import Fraction

import pytest

from ganita.corpus.reading.calculation import NotToldError, value_of
from ganita.corpus.reading.linear import equation


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=(3.0+4.0)*2.0", "14"),
        ("miles=4.0/30.0*48.0", "6.4"),
        ("5*(n+8)=65", "5"),
        ("unkn: n ; equ: 5(n + 8) = 65", "5"),
        ("unkn: x ; equ: x/3 = 9", "27"),
        ("12/x = 4", "3"),
        ("20 - 3m = 5", "5"),
        ("3*n - 5 = 9 + 2*n", "14"),
        ("9 - 2*k = k", "3"),
        ("4(k+1) = 1 + 5k", "3"),
        ("(x+6)/2 - x/4 = 5", "8"),
        ("0.25*m = 10 - 0.05*100", "20"),
        ("0.01*20*m = 5", "25"),
    ],
)
def test_an_equation_becomes_the_arithmetic_that_solves_it(text: str, value: str) -> None:
    assert value_of(equation(text)) == Fraction(value)


def test_the_unknown_that_stands_once_is_undone_from_outside_in() -> None:
    assert equation("5*(n+8)=65") == equation("n=65/5-8")


@pytest.mark.parametrize(
    "text",
    [
        "m+n=5 ; m-n=1",
        "unkn: x,x+1 ; equ: x=3",
        "unkn: y ; equ: x=3",
        "x*x=9",
        "x^2=9",
        "(x+1)/x=3",
        "x=x",
        "-x=3",
        "5=5",
        "x",
        "",
        "x=open('a')",
        "x=" + "1+" * 200 + "1",
        "x=" + "(" * 290,
    ],
)
def test_what_is_not_one_linear_equation_is_refused(text: str) -> None:
    with pytest.raises(NotToldError):
        equation(text)

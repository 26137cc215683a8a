from __future__ import annotations

from fractions import Fraction

import pytest

from ganita.corpus.reading.calculation import Leaf, NotToldError, simplify, value_of
from ganita.corpus.reading.formulas import as_asked, formula, option_value, program

PROGRAM = "n0 = 60.0\nn1 = 20.0\nt0 = n1 / 100.0\nanswer = n0 * t0\nprint(answer)"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("multiply(divide(20, const_100), add(60, 40))", "20"),
        ("subtract(1,200, 200.5)", "999.5"),
        ("multiply(36, const_0_2778)", "10"),  # 5/18 and not its rounding
        ("power(add(const_1, divide(10, const_100)), 2)", "1.21"),
        ("inverse(add(inverse(3), inverse(6)))", "2"),
        ("rectangle_perimeter(3, 4)", "14"),
    ],
)
def test_a_formula_has_its_exact_value(text: str, value: str) -> None:
    assert value_of(formula(text)) == Fraction(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no plain"),
        ("5 +", "no plain"),
        ("floor(3)", "no plain"),
        ("divide(1)", "no plain"),
        ("divide()", "no plain"),
        ("add(1, 2", "no plain"),
        ("add(1, 2))", "no plain"),
        ("power(2, 9)", "no plain"),
        ("multiply(const_pi, 2)", "no plain"),
        ("add(-3, 5)", "no plain"),
        ("add(" * 3000, "no plain"),
        ("power(" * 30 + "2" + ", 3)" * 30, "too many steps"),  # 3**30 factors
        ("add(1, 9999999999999)", "does not calculate"),
    ],
)
def test_a_formula_that_is_no_plain_arithmetic_is_refused(text: str, message: str) -> None:
    with pytest.raises(NotToldError, match=message):
        formula(text)


def test_division_by_nothing_has_no_value() -> None:
    with pytest.raises(NotToldError, match="does not calculate"):
        value_of(formula("divide(5, subtract(3, 3))"))


def test_constants_that_undo_each_other_go() -> None:
    assert simplify(formula("multiply(divide(60, const_100), const_100)")) == Leaf(Fraction(60))
    assert simplify(formula("subtract(add(60, const_1), const_1)")) == Leaf(Fraction(60))
    kept = formula("multiply(divide(60, 100), 100)")  # numbers of the question stay
    assert simplify(kept) == kept


def test_a_program_reads_the_numbers_of_the_question_as_such() -> None:
    node = program(PROGRAM)
    assert value_of(node) == 12
    assert node == formula("multiply(60, divide(20, const_100))")
    assert value_of(program("n0 = 3.0\nanswer = n0**min(2.0, 5)")) == 9


@pytest.mark.parametrize(
    "text",
    [
        "answer = n0",
        "n0 = 2.0",
        "import os\nanswer = 2",
        "while True: pass",
        "answer = open('x')",
        "answer = 1e999",
        "answer = 0x" + "f" * 3900,
        "answer = " + "-" * 3000 + "1",
        "x = (",
        "n0 = 2.0\n" + "\n".join(f"n{i + 1} = n{i} + n{i}" for i in range(60)) + "\nanswer = n60",  # doubles with each
    ],
)
def test_a_program_that_is_no_straight_line_of_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(NotToldError):
        program(text)


def test_only_the_numbers_that_a_question_lacks_are_constants() -> None:
    node = as_asked(formula("multiply(7, 52)"), {Fraction(7)})
    assert node == formula("multiply(7, const_52)")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rs . 500", "500"),
        ("$ 1,200", "1200"),
        ("9 seconds", "9"),
        ("15 %", "15"),
        ("12.5 km / hr", "12.5"),
        ("124 cm 2", "124"),
        (".5", "0.5"),
        ("2 / 3", None),
        ("1 : 2", None),
        ("4 , 5", None),
        ("none of these", None),
        ("", None),
    ],
)
def test_the_number_of_an_option(text: str, value: str | None) -> None:
    assert option_value(text) == (None if value is None else Fraction(value))

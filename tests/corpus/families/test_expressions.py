"""The compiled expressions agree with the calculator and with sympy, and refuse what is not arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.arithmetic import evaluate
from ganita.corpus.families.expressions import ExpressionError, compile_expression, show, tidy

NAMES = {"a": 7, "b": 12, "c": Fraction(5, 2)}

atoms = st.sampled_from(["a", "b", "c", "1", "2", "3", "10", "0.5"])
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        st.tuples(inner, inner).map(lambda pair: f"max({pair[0]} , {pair[1]})"),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_compiled_value_equals_the_calculator(text: str) -> None:
    try:
        expected = evaluate(text, NAMES)
    except ValueError:
        with pytest.raises(ZeroDivisionError):
            compile_expression(text).call(NAMES)
        return
    assert compile_expression(text).call(NAMES) == expected


@settings(max_examples=60, deadline=None)
@given(expressions.filter(lambda text: "max" not in text))
def test_compiled_value_equals_sympy(text: str) -> None:
    symbols = {name: sympy.Rational(str(value)) for name, value in NAMES.items()}
    expected = sympy.sympify(text.replace("0.5", "(1/2)"), locals=symbols)
    try:
        value = compile_expression(text).call(NAMES)
    except ZeroDivisionError:
        assert not expected.is_finite
        return
    assert sympy.Rational(str(value)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a < b", True), ("1 < a < b <= 12", True), ("b < a", False), ("mod(b, 5) == 2", True), ("a != 7", False)],
)
def test_conditions_chain_like_python(text: str, expected: bool) -> None:
    condition = compile_expression(text)
    assert condition.is_condition
    assert bool(condition.call(NAMES)) is expected


@pytest.mark.parametrize("text", ["", "a +", "(a", "a b", "a $ b", "import os", "max(a", "a < ", "a; b", "2 ** 3 **"])
def test_text_that_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text)


def test_marks_are_written_without_spaces_and_names() -> None:
    assert compile_expression("a * (b - c)").written_out(NAMES) == "7*(12-2.5)"


def test_whole_fractions_become_integers() -> None:
    assert type(tidy(Fraction(6, 2))) is int
    assert show(Fraction(5, 2)) == "2.5"

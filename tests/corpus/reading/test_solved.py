from __future__ import annotations

from typing import Any

import pytest

from ganita.corpus.document import Problem, equations
from ganita.corpus.reading.forms import Shape, SkippedRowError, to_document
from ganita.corpus.registry import sets

PENS = "tom has 60 red pens and 40 blue pens . if 20 % of the pens are broken , how many pens are broken ?"
STEPS = ("The sum is 60 + 40 = <<60+40=100>>100.", "20% of 100 is 100 * 20/100 = <<100*20/100=20>>20.")
MATHQA = {
    "question": PENS,
    "code": "multiply(divide(20, const_100), add(60, 40))",
    "choices": "a ) 10 , b ) 20 pens , c ) none of these",
    "label": "b",
}
LILA = {
    "question": PENS,
    "code": "n0 = 60.0\nn1 = 40.0\nn2 = 20.0\nt0 = n0 + n1\nt1 = n2 / 100.0\nanswer = t0 * t1\nprint(answer)",
    "answer": "20.000000000000004",
}
COINS = {"question": "7 dollars more than 3 times a fee is 40 dollars. What is the fee?", "code": "3m+7=40"}


def told(form: str, row: dict[str, Any]) -> Problem:
    document = to_document(row, Shape(form, {}, "s", "MIT"), "x")
    assert isinstance(document, Problem)
    return document


def test_a_formula_and_a_program_of_one_calculation_give_one_problem() -> None:
    problem = told("question-formula", MATHQA)
    assert problem == told("question-calculation", LILA)
    assert problem.question == (
        "Tom has 60 red pens and 40 blue pens. If 20% of the pens are broken, how many pens are broken?"
    )
    assert (problem.steps, problem.answer, problem.choices) == (STEPS, "20", ())
    assert equations(problem) == ("<<60+40=100>>", "<<100*20/100=20>>")


@pytest.mark.parametrize("answer", [[11.0], "11", "n = 11 | 11"])
def test_an_equation_gives_a_problem_with_dollar_signs(answer: Any) -> None:
    problem = told("question-equation", COINS | {"answer": answer})
    assert problem.question == "$7 more than 3 times a fee is $40. What is the fee?"
    assert problem.steps == (
        "The difference is 40 - 7 = <<40-7=33>>33.",
        "The answer is 33 / 3 = <<33/3=11>>11.",
    )


@pytest.mark.parametrize(
    ("form", "row", "reason"),
    [
        ("question-formula", MATHQA | {"label": "a"}, "not the right option"),
        ("question-formula", MATHQA | {"label": "c"}, "no plain number"),
        ("question-formula", MATHQA | {"label": "e"}, "no plain number"),
        ("question-formula", MATHQA | {"code": "floor(20)"}, "no plain arithmetic"),
        ("question-formula", MATHQA | {"question": "which of the following is right ?"}, "not shown"),
        ("question-calculation", LILA | {"answer": "21"}, "not the given answer"),
        ("question-calculation", LILA | {"answer": "many"}, "not the given answer"),
        (
            "question-calculation",
            {
                "question": "a pan is bought for $ 50 and sold for $ 60 . what is the profit percent on it ?",
                "code": "n0 = 50.0\nn1 = 60.0\nt0 = n1 / n0\nanswer = t0 * 100.0",
                "answer": "120",
            },
            "more than the whole",
        ),
        ("question-equation", COINS | {"answer": [12.0]}, "not the given answer"),
        ("question-equation", COINS | {"answer": [11.0, 3.0]}, "not the given answer"),
        ("question-equation", COINS | {"code": "m+n=7", "answer": [11.0]}, "one unknown"),
        ("question-equation", COINS | {"question": "Help! What is it, please, 3 or 7?", "answer": "11"}, "not whole"),
        ("question-equation", COINS | {"question": "what is " + "it " * 3000, "answer": "11"}, "not whole"),
        (
            "question-equation",
            COINS | {"question": "3 times a fee and 7 is 40. What is the fee and what is its half?", "answer": "11"},
            "two things",
        ),
        (
            "question-equation",
            {
                "question": "A call costs 9 cents for the first minute and 5 for each additional one. What do 4 cost?",
                "code": "x=9+5*4",
                "answer": "29",
            },
            "first of several",
        ),
    ],
)
def test_a_row_that_fails_a_check_is_skipped_and_says_which(form: str, row: dict[str, Any], reason: str) -> None:
    with pytest.raises(SkippedRowError, match=f"not told as steps: .*{reason}"):
        told(form, row)


@pytest.mark.parametrize("name", ["mathqa-solved", "mathqa-train-solved", "mathqa-gain-solved"])
def test_what_is_made_of_mathqa_says_which_benchmarks_it_is_near(name: str) -> None:
    assert "in-domain for the AQuA and MathQA benchmarks" in sets.find(name).terms

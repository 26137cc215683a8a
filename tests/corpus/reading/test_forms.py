from __future__ import annotations

from typing import Any

import pytest

from ganita.corpus.document import Problem, Text
from ganita.corpus.reading.forms import BadRowError, Shape, as_text, last_boxed, to_benchmark_problem, to_document


def document(form: str, row: dict[str, Any], **fields: str) -> Problem | Text:
    return to_document(row, Shape(form, fields, "s", "MIT"), "file:7")


def problem(form: str, row: dict[str, Any], **fields: str) -> Problem:
    result = document(form, row, **fields)
    assert isinstance(result, Problem)
    return result


def test_gsm8k_local_and_hub_columns_give_the_same_problem() -> None:
    solution = "Tom has 2*500 = <<2*500=1000>>1,000 nails.\nAll are rusty.\n#### 1,000"
    local = problem("gsm8k", {"question": "How many nails?", "solution": solution, "answer": "1000"})
    hub = problem("gsm8k", {"question": "How many nails?", "answer": solution}, solution="answer")
    assert local == hub
    assert local.steps == ("Tom has 2*500 = <<2*500=1000>>1,000 nails.", "All are rusty.")
    assert local.answer == "1000"


def test_metamath_response() -> None:
    row = {"query": "How far?", "response": "First 3.\nThen 4.\n#### 7\nThe answer is: 7"}
    result = problem("metamath", row, question="query", solution="response")
    assert (result.question, result.steps, result.answer) == ("How far?", ("First 3.", "Then 4."), "7")


def test_math_takes_the_last_boxed_expression() -> None:
    row = {"problem": "Find x.", "solution": r"We get $\boxed{1}$. No: $x=\boxed{\frac{1}{\sqrt{2}}}$."}
    assert problem("math", row, question="problem").answer == r"\frac{1}{\sqrt{2}}"
    assert last_boxed("no box") == last_boxed(r"\boxed{never closed") == ""


@pytest.mark.parametrize(
    ("choices", "label"),
    [
        (["A)12", "B)13", "C)14"], "B"),
        (["(A) 12", "(B) 13", "(C) 14"], "b"),
        (["12", "13", "14"], 1),
        ("a ) 12 , b ) 13 , c ) 14", "b"),
        ("['a ) 12', 'b ) 13', 'c ) 14']", "b"),
    ],
)
def test_choices_lose_their_letters_however_they_are_written(choices: Any, label: Any) -> None:
    row = {"question": "Which?", "choices": choices, "label": label, "rationale": "6 + 7 = 13. answer : b"}
    result = problem("rationale", row, solution="rationale")
    assert result.choices == ("12", "13", "14")
    assert result.answer == "B"
    assert result.steps == ("6 + 7 = 13",)


def test_options_inside_the_question() -> None:
    row = {"question": "Which one?\nOptions:\n(A) 3\n(B) 4", "answer": "(B)", "solution": "Two and two. It is 4."}
    result = problem("rationale", row)
    assert (result.question, result.choices, result.answer) == ("Which one?", ("3", "4"), "B")
    assert result.steps == ("Two and two.", "It is 4.")


def test_a_choice_that_only_looks_lettered_is_kept() -> None:
    row = {"question": "Which?", "choices": ["a) x", "x) a"], "label": "A", "solution": "Because."}
    assert problem("rationale", row).choices == ("a) x", "x) a")


def test_own_problems_by_steps_or_by_solution() -> None:
    assert problem("problem", {"question": "q", "steps": ["one", "two"], "answer": 3}).steps == ("one", "two")
    assert problem("problem", {"question": "q", "solution": "one\ntwo\n#### 3"}).answer == "3"
    assert problem("problem", {"frage": "q", "solution": "one", "answer": "3"}, question="frage").question == "q"


def test_answers_without_reasoning_become_text() -> None:
    result = document("question-answer", {"question": "Roots?", "instruction": "Solve.", "answer": [-21.0, 3.0]})
    assert result == Text("file:7", "s", "Question: Solve.\nRoots?\nAnswer: -21.0, 3.0", "MIT")


def test_a_benchmark_needs_no_solution() -> None:
    row = {"question": "What?", "choices": ["x", "y"], "label": "B"}
    result = to_benchmark_problem(row, Shape("rationale", {}, "s"), "n")
    assert (result.steps, result.answer, result.choices) == ((), "B", ("x", "y"))


@pytest.mark.parametrize(
    ("form", "row", "message"),
    [
        ("text", {"texts": "x"}, "'text' is missing"),
        ("text", {"text": ""}, "'text' is empty"),
        ("text", {"text": "  "}, "'text' is blank"),
        ("text", {"text": ["x"]}, "holds a list"),
        ("gsm8k", {"question": "q", "solution": "no mark"}, "####"),
        ("metamath", {"question": "q", "solution": "7"}, "The answer is"),
        ("math", {"question": "q", "solution": "7"}, "no answer"),
        ("rationale", {"question": "q", "answer": "7", "solution": None}, "'solution' is empty"),
        ("rationale", {"question": "q", "label": 9, "solution": "x"}, "label 9"),
        ("problem", {"question": "q", "answer": "7"}, "neither"),
        ("problem", {"question": "q", "steps": "one", "answer": "7"}, "list of texts"),
        ("problem", {"question": "q", "steps": ["one"]}, "'answer' is missing"),
    ],
)
def test_a_row_that_cannot_become_a_document_says_why(form: str, row: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRowError, match=message):
        document(form, row)


def test_ids_come_from_the_row_from_joined_columns_or_from_the_place() -> None:
    assert document("text", {"text": "x", "id": 5}).id == "5"
    assert document("text", {"text": "x", "repo": "r", "path": "p"}, id="repo+path").id == "r/p"
    assert document("text", {"text": "x"}).id == "file:7"


def test_a_problem_as_text_shows_everything() -> None:
    text = as_text(Problem("i", "s", "Which?", ("Look.",), "B", ("x", "y"))).text
    assert text == "Question: Which?\n(A) x\n(B) y\nLook.\nAnswer: B"

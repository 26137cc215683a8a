from __future__ import annotations

import tomllib
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.reading.worked import MAX_ANSWER, find_result, work_out

TEMPLATES = tomllib.loads(resources.files("ganita.corpus.reading").joinpath("worked.toml").read_text(encoding="utf-8"))[
    "template"
]


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("We add them. So the answer is 42.", "42"),
        ("Hence the answer is $x^2 + 1$.", "x^2 + 1"),
        ("Therefore the final result equals $$\\frac{1}{2}.$$", "\\frac{1}{2}"),
        ("The correct answer is \\(7\\)", "7"),
        ("Thus the answer: 1,024", "1,024"),
        ("The answer is -3/4 of it.", "-3/4"),
        ("The answer is 1. No, wrong.\n\nThe correct answer is 2.", "2"),
        ("So \\boxed{12}. The answer is 13 for others.", "12"),
        ("We get $$\\boxed{\\frac{a}{b}}.$$", "\\frac{a}{b}"),
        ("The answer is yes.", None),
        ("The sum is 5, so we go on.", None),
        ("The answer is 4.\n\nBut why?\n\nBecause.\n\nI think so.", None),
        (f"The answer is ${'x' * (MAX_ANSWER + 1)}$.", None),
        ("The answer is $\\begin{pmatrix} 1 \\end{pmatrix}$", None),
        ("", None),
        ("\\boxed{never closed", None),
    ],
)
def test_the_result_is_what_an_answer_calls_so(answer: str, result: str | None) -> None:
    assert find_result(answer) == result


def test_paragraphs_become_steps_in_one_of_the_templates() -> None:
    seen = set()
    for number in range(200):
        solution = work_out("First we look.\n\nThen $x$\nis two.\n\n  \n\nSo \\boxed{2}.", f"post/{number}")
        assert solution is not None
        assert solution.answer == "2"
        assert all("\n" not in step for step in solution.steps)
        assert any(step.endswith("First we look.") for step in solution.steps)
        assert any(step.endswith("Then $x$ is two.") for step in solution.steps)
        assert solution.steps[-1].endswith("answer is 2.") or solution.steps[-1] == "This gives the answer 2."
        seen.add(solution.steps)
    assert len(seen) == len(TEMPLATES)


def test_the_template_depends_on_the_id_alone() -> None:
    assert work_out("So \\boxed{2}.", "a") == work_out("So \\boxed{2}.", "a")


def test_a_single_paragraph_is_split_into_sentences_but_not_inside_formulas() -> None:
    solution = work_out("Let $n. B$ be it. Now $x = 2$. It is even! The answer is 2.", "id")
    assert solution is not None
    texts = [step.lstrip("Step 0123456789.:()") for step in solution.steps]
    assert texts[-4:] == ["Let $n. B$ be it.", "Now $x = 2$.", "It is even!", "The answer is 2."]


def test_latex_answers_are_closed_between_dollars() -> None:
    solution = work_out("Thus $$\\boxed{x^2}$$ as claimed.", "id")
    assert solution is not None
    assert "$x^2$" in solution.steps[-1]


def test_code_is_not_turned_into_steps() -> None:
    assert work_out("Run\n\n```python\nif x:\n    y\n```\n\nso the answer is 3.", "id") is None


@settings(max_examples=66, deadline=None)
@given(st.text(alphabet="ab.$\\{}()1 \n", max_size=60), st.sampled_from(["", "The answer is 5.", "\\boxed{x}"]))
def test_no_word_of_an_answer_is_lost(text: str, end: str) -> None:
    solution = work_out(f"{text}\n\n{end}", "id")
    if solution is not None:
        joined = "".join(solution.steps).replace(" ", "")
        assert all("".join(part.split()) in joined for part in text.split("\n\n"))


def test_long_answers_take_linear_time() -> None:
    for piece in ("The answer is ", "the answer is $x ", "a. B ", "\\boxed{", "\n\n", "$x$ ", "\\( "):
        work_out(piece * 20_000 + " the answer is 5", "id")

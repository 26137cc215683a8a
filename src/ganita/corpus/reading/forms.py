"""A row becomes a document. `form`, in the registry of sets or in the recipe, names the function that does it.

    text             a column of running text, as it stands
    latex, html, markdown, pretext, notebook
                     a column of text in this markup, cleaned
    by-path          the same, by the suffix in the row's `path`; source code and other types as they stand
    problem          question, steps or solution, answer, choices: your own worked problems
    gsm8k            question, and a solution with `<<48/2=24>>` marks that ends in "#### answer"
    metamath         query, and a response that ends in "The answer is: answer"
    math             question, and a LaTeX solution; the answer is a column or the last boxed expression
    rationale        question, a rationale, and the answer or the letter of a choice
    stackexchange    question, and somebody's answer in prose: a worked problem where it ends in a result (worked.py)
    question-answer  question and answer without reasoning: becomes a Text, since no step could be shown
    question-code    question and a program: becomes a Text
    question-program question and a Python solution: executed, becomes a worked problem with marks (programs.py)
    question-formula question, MathQA's formula, options and the letter of one; likewise (solved.py)
    question-calculation, question-equation
                     question, LILA's program or an equation `x=...`, and an answer; likewise (solved.py)

A row that cannot become a document raises `BadRowError`; the caller counts it as an unreadable line. One that is not
wanted raises `SkippedRowError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ganita.arithmetic import parse_number
from ganita.corpus.document import Document, Problem, Text
from ganita.corpus.reading.html import html_to_text
from ganita.corpus.reading.markups import MARKUPS, clean, form_of
from ganita.corpus.reading.programs import NotStepsError, steps_of
from ganita.corpus.reading.shape import BadRowError, RowView, Shape, SkippedRowError
from ganita.corpus.reading.solved import question_calculation, question_equation, question_formula
from ganita.corpus.reading.worked import last_boxed, work_out

__all__ = [
    "FORMS",
    "BadRowError",
    "Shape",
    "SkippedRowError",
    "as_text",
    "kind_of",
    "last_boxed",
    "letter",
    "needed",
    "to_benchmark_problem",
    "to_document",
]

QUESTION, ANSWER, CODE = "Question: ", "\nAnswer: ", "\nProgram:\n"
_PROMPTED = re.compile(r"^\s*(?:Student:|Q\d*:|Question:|-)\s*")  # what a model's prompt has left before a question
_PROBLEM_FORMS = (
    "problem",
    "gsm8k",
    "metamath",
    "math",
    "rationale",
    "stackexchange",
    "question-program",
    "question-formula",
    "question-calculation",
    "question-equation",
)
_ANSWER_MARK = re.compile(r"^\s*####\s*(.*)$", re.MULTILINE)
_METAMATH_ANSWER = re.compile(r"^\s*The answer is:?\s*(.*?)\s*$", re.MULTILINE)
_LETTER = re.compile(r"^\s*-?\s*\(?([A-Za-z])\s?\)\s*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"(])")
# MathQA writes all options into one string: "a ) 24 , b ) 120 , c ) 625", or "['a ) 24', 'b ) 120']".
_INLINE_OPTION = re.compile(r"(?:^|,)\s*['\"]?([a-h])\s*\)\s*")
_RATIONALE_ENDING = re.compile(
    r"[\s,.]*(?:so\s*,?\s*)?(?:the\s+)?(?:correct\s+)?answer\s*(?::|-|is)?\s*\(?[a-e]\)?[\s.]*$", re.IGNORECASE
)


def to_document(values: Mapping[str, Any], shape: Shape, identity: str) -> Document:
    """Turn a row into a document; `identity` names it where the row has no id of its own.

    Raises `BadRowError` if a column is missing, empty or of the wrong type, `SkippedRowError` if the row's score is too
    low or nothing is left of its text.
    """
    row = RowView(values, shape)
    if shape.min_score and not row.number(shape.score or "score") >= shape.min_score:  # NaN is no score
        raise SkippedRowError("score")
    name = row.identity() or identity
    return FORMS[shape.form](row, name, row.text("licence", default="") or shape.licence)


def to_benchmark_problem(values: Mapping[str, Any], shape: Shape, identity: str) -> Problem:
    """Turn a benchmark's row into a problem; without a solution it has no steps.

    Raises `BadRowError` as `to_document` does.
    """
    row = RowView(values, shape)
    make = {"gsm8k": _gsm8k, "math": _math}.get(shape.form, _benchmark_problem)
    return make(row, row.identity() or identity, shape.licence)


def needed(form: str) -> tuple[str, ...]:
    """Return the canonical fields without which no row of this form can be read."""
    if kind_of(form) == "text" and not form.startswith("question-"):
        return ("text", "path") if form == "by-path" else ("text",)
    second = {
        "question-answer": "answer",
        "question-code": "code",
        "question-program": "code",
        "question-formula": "code",
        "question-calculation": "code",
        "question-equation": "code",
        "problem": "question",
        "stackexchange": "question",
    }
    return ("question", second.get(form, "solution"))


def kind_of(form: str) -> str:
    """Return the kind of document that a form gives: "problem" or "text"."""
    return "problem" if form in _PROBLEM_FORMS else "text"


def as_text(problem: Problem) -> Text:
    """Return a worked problem as running text, for a source that is asked for as `kind = "text"`."""
    choices = "".join(f"\n({letter(index)}) {choice}" for index, choice in enumerate(problem.choices))
    solution = "".join(f"\n{step}" for step in problem.steps)
    text = f"{QUESTION}{problem.question}{choices}{solution}{ANSWER}{problem.answer}"
    return Text(problem.id, problem.source, text, problem.licence)


def letter(index: int) -> str:
    """Return the letter of a choice: 0 is A."""
    return chr(ord("A") + index)


def _text(row: RowView, name: str, licence: str) -> Text:
    text = row.text("text")
    return Text(name, row.shape.source, text, licence, row.language(text))


def _markup(form: str) -> Callable[[RowView, str, str], Text]:
    """Return the function for a text in this markup."""

    def read(row: RowView, name: str, licence: str) -> Text:
        text, language = clean(form, row.text("text"))
        return Text(name, row.shape.source, text, licence, language)

    return read


def _by_path(row: RowView, name: str, licence: str) -> Text:
    """Clean a text by what its path says it is; what has another type stays as it stands."""
    text, path = row.text("text"), row.text("path")
    if form := form_of(path, text):
        text, language = clean(form, text)
        return Text(name, row.shape.source, text, licence, language)
    return Text(name, row.shape.source, text, licence, row.language(text))


def _question_answer(row: RowView, name: str, licence: str) -> Text:
    """Without reasoning there is nothing to tune a solver on; as text it still teaches what answers look like."""
    return Text(name, row.shape.source, f"{QUESTION}{_question(row)}{ANSWER}{_plain(row.get('answer'), row)}", licence)


def _question_code(row: RowView, name: str, licence: str) -> Text:
    return Text(name, row.shape.source, f"{QUESTION}{row.text('question')}{CODE}{row.text('code')}", licence)


def _question_program(row: RowView, name: str, licence: str) -> Problem:
    """Execute a program and tell it as steps; one that is not straight-line arithmetic is not wanted."""
    question = _PROMPTED.sub("", row.text("question")).strip()
    try:
        steps, answer = steps_of(question, row.text("code"))
    except NotStepsError:
        raise SkippedRowError("program") from None
    return Problem(name, row.shape.source, question, steps, answer, licence=licence)


def _question_formula(row: RowView, name: str, licence: str) -> Problem:
    choices = _options("", row.get("choices"))[1]
    right = dict(zip(map(letter, range(len(choices))), choices, strict=True)).get(_letter_of(row.get("label"), choices))
    return question_formula(row, name, licence, right or "")


def _question(row: RowView) -> str:
    """Join what stands before the question (a passage, an instruction for a group of exercises) to it."""
    parts = (row.text("passage", default=""), row.text("instruction", default=""), row.text("question"))
    return "\n".join(part.strip() for part in parts if part.strip())


def _plain(value: Any, row: RowView) -> str:
    """Write an answer: several values (the roots of an equation) are joined by commas."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return row.text("answer")


def _gsm8k(row: RowView, name: str, licence: str) -> Problem:
    solution = row.text("solution")
    marks = list(_ANSWER_MARK.finditer(solution))
    if not marks:
        raise BadRowError("the solution has no line '#### answer'")
    return Problem(
        name, row.shape.source, row.text("question"), _steps(solution[: marks[-1].start()]), _number(marks[-1][1]),
        licence=licence,
    )  # fmt: skip


def _metamath(row: RowView, name: str, licence: str) -> Problem:
    solution = row.text("solution")
    ending = _METAMATH_ANSWER.search(solution)
    if ending is None:
        raise BadRowError("the response has no line 'The answer is: ...'")
    # GSM8K rows repeat the answer as "#### 72" right before it.
    steps = _steps(_ANSWER_MARK.sub("", solution[: ending.start()]))
    return Problem(name, row.shape.source, row.text("question"), steps, _number(ending[1]), licence=licence)


def _rationale(row: RowView, name: str, licence: str) -> Problem:
    row.text("solution")  # to train on, a rationale there must be
    return _benchmark_problem(row, name, licence)


def _benchmark_problem(row: RowView, name: str, licence: str) -> Problem:
    question, choices = _options(_question(row), row.get("choices"))
    answer = _letter_of(row.get("label"), choices) if row.get("label") is not None else _plain(row.get("answer"), row)
    if choices and (match := re.fullmatch(r"\(?([A-Za-z])\)?", answer.strip())):
        answer = match[1].upper()
    solution = row.text("solution", default="").strip().strip('"').strip()
    if choices:
        solution = _RATIONALE_ENDING.sub("", solution)  # "answer : c ." belongs after the answer mark
    return Problem(name, row.shape.source, question, _steps(solution), _number(answer), choices, licence=licence)


def _math(row: RowView, name: str, licence: str) -> Problem:
    solution = row.text("solution")
    answer = row.text("answer", default="") or last_boxed(solution)
    if not answer:
        raise SkippedRowError("no answer")  # neither a column nor a box: a proof, readable and no worked problem
    return Problem(name, row.shape.source, row.text("question"), _steps(solution), answer, licence=licence)


def _stackexchange(row: RowView, name: str, licence: str) -> Document:
    """Make a worked problem of an answer that ends in a result; of any other, and of one with code in it, a text."""
    question = _readable(_question(row))
    answer = _readable(row.text("solution", default="") or row.text("answer"))
    if (solution := work_out(answer, name)) is None:
        return Text(name, row.shape.source, f"{QUESTION}{question}{ANSWER}{answer}", licence)
    return Problem(name, row.shape.source, question, solution.steps, _number(solution.answer), licence=licence)


def _readable(text: str) -> str:
    return html_to_text(text) if "<p>" in text else text.strip()


def _problem(row: RowView, name: str, licence: str) -> Problem:
    """Read a user's own worked problem: steps as a list, or a solution as text; GSM8K's answer mark is understood."""
    steps, solution = row.get("steps"), row.text("solution", default="")
    marks = list(_ANSWER_MARK.finditer(solution))
    if steps is not None and not (isinstance(steps, (list, tuple)) and all(isinstance(step, str) for step in steps)):
        raise BadRowError(f"column {row.shape.column('steps')!r} must be a list of texts")
    lines = tuple(steps) if steps else _steps(solution[: marks[-1].start()] if marks else solution)
    if not lines:
        columns = row.shape.column("steps"), row.shape.column("solution")
        raise BadRowError(f"neither {columns[0]!r} nor {columns[1]!r} holds a solution")
    question, choices = _options(row.text("question"), row.get("choices"))
    given = row.get("answer")
    answer = _plain(given, row) if given not in (None, "") or not marks else marks[-1][1]
    # As rejection sampling writes it: with which question this one goes to training or to validation.
    origin = row.text("variant_of", default="")
    if not re.fullmatch(r"(?:[0-9a-f]{16}(?: [0-9a-f]{16})*)?", origin):
        raise BadRowError(f"column {row.shape.column('variant_of')!r} is no hash of a question: leave it out")
    return Problem(
        name, row.shape.source, question, lines, _number(answer), choices, licence=licence, variant_of=origin
    )


def _steps(solution: str) -> tuple[str, ...]:
    """Split a solution into steps: its lines, or the sentences of a single line."""
    lines = [line.strip() for line in solution.split("\n") if line.strip()]
    if len(lines) == 1:
        lines = [part.strip() for part in _SENTENCE.split(lines[0])]
    return tuple(lines)


def _number(answer: str) -> str:
    """Drop the thousands separators of a number, so that one value is written in one way."""
    answer = answer.strip()
    return answer.replace(",", "") if parse_number(answer) is not None else answer


def _options(question: str, given: Any) -> tuple[str, tuple[str, ...]]:
    """Return the question without its options, and the option texts without their letters."""
    if isinstance(given, str) and given:
        parts = _INLINE_OPTION.split(given.strip().removeprefix("[").removesuffix("]"))
        return question, tuple(part.strip(" '\"") for part in parts[2::2])
    if isinstance(given, (list, tuple)) and given:
        texts = [str(choice) for choice in given]
        lettered = all((match := _LETTER.match(text)) and match[1].upper() == letter(i) for i, text in enumerate(texts))
        return question, tuple(_LETTER.sub("", text, count=1) if lettered else text.strip() for text in texts)
    stem, separator, listed = question.rpartition("\nOptions:\n")
    if separator:
        lines = [line for line in listed.split("\n") if line.strip()]
        if lines and all(_LETTER.match(line) for line in lines):
            return stem, tuple(_LETTER.sub("", line, count=1) for line in lines)
    return question, ()


def _letter_of(label: Any, choices: tuple[str, ...]) -> str:
    """Return the letter that a label (a letter, or an index from 0) stands for."""
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(choices):
        return letter(label)
    if isinstance(label, str) and re.fullmatch(r"[A-Za-z]", label.strip()):
        return label.strip().upper()
    raise BadRowError(f"label {label!r} names no choice")


FORMS: dict[str, Callable[[RowView, str, str], Document]] = {
    "text": _text,
    **{form: _markup(form) for form in MARKUPS},
    "by-path": _by_path,
    "problem": _problem,
    "gsm8k": _gsm8k,
    "metamath": _metamath,
    "math": _math,
    "rationale": _rationale,
    "stackexchange": _stackexchange,
    "question-answer": _question_answer,
    "question-code": _question_code,
    "question-program": _question_program,
    "question-formula": _question_formula,
    "question-calculation": question_calculation,
    "question-equation": question_equation,
}

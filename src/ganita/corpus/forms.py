"""A row becomes a document. `form` in the registry of sets names the function that does it.

    text             a column of running text
    problem          question, steps or solution, answer, choices: your own worked problems
    gsm8k            question, and a solution with `<<48/2=24>>` marks that ends in "#### answer"
    metamath         query, and a response that ends in "The answer is: answer"
    math             question, and a LaTeX solution; the answer is a column or the last boxed expression
    rationale        question, a rationale, and the answer or the letter of a choice
    question-answer  question and answer without reasoning: becomes a Text, since no step could be shown
    question-code    question and a program: becomes a Text

A row that cannot become a document raises `BadRowError`; the caller counts it as an unreadable line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ganita.arithmetic import parse_number
from ganita.corpus.document import Document, Problem, Text

QUESTION, ANSWER, CODE = "Question: ", "\nAnswer: ", "\nProgram:\n"
_ANSWER_MARK = re.compile(r"^\s*####\s*(.*)$", re.MULTILINE)
_METAMATH_ANSWER = re.compile(r"^\s*The answer is:?\s*(.*?)\s*$", re.MULTILINE)
_LETTER = re.compile(r"^\s*-?\s*\(?([A-Za-z])\s?\)\s*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"(])")
# MathQA writes all options into one string: "a ) 24 , b ) 120 , c ) 625", or "['a ) 24', 'b ) 120']".
_INLINE_OPTION = re.compile(r"(?:^|,)\s*['\"]?([a-h])\s*\)\s*")
_RATIONALE_ENDING = re.compile(
    r"[\s,.]*(?:so\s*,?\s*)?(?:the\s+)?(?:correct\s+)?answer\s*(?::|-|is)?\s*\(?[a-e]\)?[\s.]*$", re.IGNORECASE
)


class BadRowError(ValueError):
    """The row cannot become a document; the message says why."""


@dataclass(frozen=True)
class Shape:
    """How the rows of a source become documents. `fields` maps a canonical field to the column that holds it."""

    form: str
    fields: Mapping[str, str]
    source: str
    licence: str = ""

    def column(self, name: str) -> str:
        """Return the column that holds the canonical field `name`."""
        return self.fields.get(name, name)


def to_document(values: Mapping[str, Any], shape: Shape, identity: str) -> Document:
    """Turn a row into a document; `identity` names it where the row has no id of its own.

    Raises `BadRowError` if a column is missing, empty or of the wrong type.
    """
    row = _Row(values, shape)
    name = row.identity() or identity
    return FORMS[shape.form](row, name, row.text("licence", default="") or shape.licence)


def to_benchmark_problem(values: Mapping[str, Any], shape: Shape, identity: str) -> Problem:
    """Turn a benchmark's row into a problem; without a solution it has no steps.

    Raises `BadRowError` as `to_document` does.
    """
    row = _Row(values, shape)
    make = {"gsm8k": _gsm8k, "math": _math}.get(shape.form, _benchmark_problem)
    return make(row, row.identity() or identity, shape.licence)


def needed(form: str) -> tuple[str, ...]:
    """Return the canonical fields without which no row of this form can be read."""
    if form == "text":
        return ("text",)
    second = {"question-answer": "answer", "question-code": "code", "problem": "question"}
    return ("question", second.get(form, "solution"))


def as_text(problem: Problem) -> Text:
    """Return a worked problem as running text, for a source that is asked for as `kind = "text"`."""
    choices = "".join(f"\n({letter(index)}) {choice}" for index, choice in enumerate(problem.choices))
    solution = "".join(f"\n{step}" for step in problem.steps)
    text = f"{QUESTION}{problem.question}{choices}{solution}{ANSWER}{problem.answer}"
    return Text(problem.id, problem.source, text, problem.licence)


def letter(index: int) -> str:
    """Return the letter of a choice: 0 is A."""
    return chr(ord("A") + index)


class _Row:
    """A row seen through the field map."""

    def __init__(self, values: Mapping[str, Any], shape: Shape) -> None:
        self.values, self.shape = values, shape

    def get(self, name: str) -> Any:
        return self.values.get(self.shape.column(name))

    def identity(self) -> str:
        """Return the row's own id; several columns joined by "+" in the field map make one id."""
        values = [self.values.get(column) for column in self.shape.column("id").split("+")]
        return "/".join(str(value) for value in values if isinstance(value, (str, int)) and value != "")

    def text(self, name: str, default: str | None = None) -> str:
        """Return a field as text; numbers are written out, a missing or empty one is the default or an error."""
        value = self.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            if default is not None:
                return default
            column = self.shape.column(name)
            raise BadRowError(f"column {column!r} is {'empty' if column in self.values else 'missing'}")
        if not isinstance(value, str):
            raise BadRowError(f"column {self.shape.column(name)!r} holds a {type(value).__name__}, not text")
        if not value.strip() and default is None:
            raise BadRowError(f"column {self.shape.column(name)!r} is blank")
        return value


def _text(row: _Row, name: str, licence: str) -> Text:
    return Text(name, row.shape.source, row.text("text"), licence)


def _question_answer(row: _Row, name: str, licence: str) -> Text:
    """Without reasoning there is nothing to tune a solver on; as text it still teaches what answers look like."""
    return Text(name, row.shape.source, f"{QUESTION}{_question(row)}{ANSWER}{_plain(row.get('answer'), row)}", licence)


def _question_code(row: _Row, name: str, licence: str) -> Text:
    return Text(name, row.shape.source, f"{QUESTION}{row.text('question')}{CODE}{row.text('code')}", licence)


def _question(row: _Row) -> str:
    """Join what stands before the question (a passage, an instruction for a group of exercises) to it."""
    parts = (row.text("passage", default=""), row.text("instruction", default=""), row.text("question"))
    return "\n".join(part.strip() for part in parts if part.strip())


def _plain(value: Any, row: _Row) -> str:
    """Write an answer: several values (the roots of an equation) are joined by commas."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return row.text("answer")


def _gsm8k(row: _Row, name: str, licence: str) -> Problem:
    solution = row.text("solution")
    marks = list(_ANSWER_MARK.finditer(solution))
    if not marks:
        raise BadRowError("the solution has no line '#### answer'")
    return Problem(
        name, row.shape.source, row.text("question"), _steps(solution[: marks[-1].start()]), _number(marks[-1][1]),
        licence=licence,
    )  # fmt: skip


def _metamath(row: _Row, name: str, licence: str) -> Problem:
    solution = row.text("solution")
    ending = _METAMATH_ANSWER.search(solution)
    if ending is None:
        raise BadRowError("the response has no line 'The answer is: ...'")
    # GSM8K rows repeat the answer as "#### 72" right before it.
    steps = _steps(_ANSWER_MARK.sub("", solution[: ending.start()]))
    return Problem(name, row.shape.source, row.text("question"), steps, _number(ending[1]), licence=licence)


def _rationale(row: _Row, name: str, licence: str) -> Problem:
    row.text("solution")  # to train on, a rationale there must be
    return _benchmark_problem(row, name, licence)


def _benchmark_problem(row: _Row, name: str, licence: str) -> Problem:
    question, choices = _options(_question(row), row.get("choices"))
    answer = _letter_of(row.get("label"), choices) if row.get("label") is not None else _plain(row.get("answer"), row)
    if choices and (match := re.fullmatch(r"\(?([A-Za-z])\)?", answer.strip())):
        answer = match[1].upper()
    solution = row.text("solution", default="").strip().strip('"').strip()
    if choices:
        solution = _RATIONALE_ENDING.sub("", solution)  # "answer : c ." belongs after the answer mark
    return Problem(name, row.shape.source, question, _steps(solution), _number(answer), choices, licence=licence)


def _math(row: _Row, name: str, licence: str) -> Problem:
    solution = row.text("solution")
    answer = row.text("answer", default="") or last_boxed(solution)
    if not answer:
        raise BadRowError("neither an answer nor a \\boxed{...} in the solution")
    return Problem(name, row.shape.source, row.text("question"), _steps(solution), answer, licence=licence)


def last_boxed(solution: str) -> str:
    r"""Return what the last `\boxed{...}` of a LaTeX solution holds (MATH's own convention), or an empty string."""
    start = max(solution.rfind("\\boxed{"), solution.rfind("\\fbox{"))
    if start < 0:
        return ""
    start, depth = solution.index("{", start) + 1, 1
    for position in range(start, len(solution)):
        depth += {"{": 1, "}": -1}.get(solution[position], 0)
        if not depth:
            return solution[start:position]
    return ""


def _problem(row: _Row, name: str, licence: str) -> Problem:
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
    return Problem(name, row.shape.source, question, lines, _number(answer), choices, licence=licence)


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


FORMS: dict[str, Callable[[_Row, str, str], Document]] = {
    "text": _text,
    "problem": _problem,
    "gsm8k": _gsm8k,
    "metamath": _metamath,
    "math": _math,
    "rationale": _rationale,
    "question-answer": _question_answer,
    "question-code": _question_code,
}

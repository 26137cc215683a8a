"""Questions that come with a formula, a program or an equation become worked problems with calculator marks.

MathQA's formula must give the number of the right option, an equation the given answer. The answers of LILA's programs
are what the programs print, so there only the checks of `plausible` speak for a solution.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from ganita.arithmetic import parse_number
from ganita.corpus.document import Problem
from ganita.corpus.reading.calculation import Node, NotToldError, value_of
from ganita.corpus.reading.formulas import as_asked, formula, option_value, program
from ganita.corpus.reading.linear import equation
from ganita.corpus.reading.shape import RowView, SkippedRowError
from ganita.corpus.reading.telling import tell
from ganita.corpus.reading.tokenised import MAX_LENGTH, MIN_WORDS, SpoiltTextError, plain_text
from ganita.corpus.variants.numerals import scan

Solved = tuple[str, tuple[str, ...], str]  # question, steps, answer

_PRINTED = Fraction(1, 10**6)  # relative: LILA prints binary floating point
# What MAWPS's own replacement of words by digits has spoilt.
_MENDED = (
    (r"\bw8\b", "weight"),
    (r"\bh8\b", "height"),
    (r"\b2 twice\b", "twice"),
    (r"\bdollars dollars\b", "dollars"),
    (r" {2,}", " "),
    (r"(?<=\w) - (?=\w)", "-"),
    (r"(?<![\d$])(\d[\d,]*(?:\.\d+)?) dollars?\b", r"$\1"),
)
_BROKEN = re.compile(
    r"inequality|\b[Hh]elp\b|\bwhat time\b|\b[xyz]\b|\b\d+ it\b|\b\d+\.\d+ (?:it|the)\b|\btime-and\b|\bnegative\b"
)
_SHARED = r"(?:profit|gain|loss|discount|increase[ds]?|decrease[ds]?|less|more)"
_PART_OF_PROFIT = re.compile(
    rf"{_SHARED} ?(?:percent|%)|percent(?:age)?(?: of)? (?:\w+ )?{_SHARED}|\beffect\b|net change", re.IGNORECASE
)

_TWO_THINGS = re.compile(
    r"\b(?:what|how|find|which)\b[^.?]*\band (?:(?:in|by|at|also) )?(?:how|what|which|find)\b[^.?]*[.?]?$",
    re.IGNORECASE,
)
# "24 cents for the first minute, 13 for each additional one": a 1 must be taken away somewhere.
_FIRST = re.compile(r"first (?:minute|hour|mile|day|km|one)\b.*\badditional\b", re.IGNORECASE)


def question_formula(row: RowView, name: str, licence: str, option: str) -> Problem:
    """Make a problem of a row of MathQA; `option` is the text of the right one. Raises `SkippedRowError`."""
    return _problem(row, name, licence, lambda: by_formula(row.text("question"), row.text("code"), option))


def question_calculation(row: RowView, name: str, licence: str) -> Problem:
    """Make a problem of a row of LILA's MathQA. Raises `SkippedRowError`."""
    return _problem(row, name, licence, lambda: by_program(row.text("question"), row.text("code"), row.text("answer")))


def question_equation(row: RowView, name: str, licence: str) -> Problem:
    """Make a problem of a row with an equation of one unknown. Raises `SkippedRowError`."""
    given = row.get("answer")
    answer = str(given[0]) if isinstance(given, (list, tuple)) and len(given) == 1 else ""
    if not isinstance(given, (list, tuple)):
        answer = row.text("answer")
    return _problem(row, name, licence, lambda: by_equation(row.text("question"), row.text("code"), answer))


def _problem(row: RowView, name: str, licence: str, solve: Callable[[], Solved]) -> Problem:
    """Make a problem of a calculation; one that fails a check is not wanted, and the card counts which check it was."""
    try:
        question, steps, answer = solve()
    except (NotToldError, SpoiltTextError) as error:
        raise SkippedRowError(f"not told as steps: {error}") from None
    return Problem(name, row.shape.source, question, steps, answer, licence=licence)


def by_formula(question: str, text: str, option: str) -> Solved:
    """Return question, steps and answer of a row of MathQA.

    Raises `NotToldError` and `SpoiltTextError`, whose messages are few, with the check that fails.
    """
    right = option_value(option)
    if right is None:
        raise NotToldError("the right option is no plain number")
    node = formula(text)
    if value_of(node) != right:
        raise NotToldError("its value is not the right option")
    return _told(plain_text(question), node)


def by_program(question: str, text: str, answer: str) -> Solved:
    """Return question, steps and answer of a row of LILA's MathQA; errors as `by_formula`."""
    node, given = program(text), parse_number(answer)
    if given is None or abs(value_of(node) - given) > abs(given) * _PRINTED:
        raise NotToldError("its value is not the given answer")
    return _told(plain_text(question), node)


def by_equation(question: str, text: str, answer: str) -> Solved:
    """Return question, steps and answer of a row with an equation of one unknown; errors as `by_formula`."""
    question = _mended(question)
    node = as_asked(equation(text), {Fraction(numeral.value) for numeral in scan(question)})
    # Dolphin1878 gives some answers twice: "9/10 | 0.9", "n = -2 | -2".
    given = parse_number(answer.rpartition("|")[2].rpartition("=")[2])
    if given is None or value_of(node) != given:
        raise NotToldError("its value is not the given answer")
    return _told(question, node)


def _mended(question: str) -> str:
    """Give a question of the equation collections its capital, its last sign and its dollar signs back."""
    if len(question) > MAX_LENGTH:
        raise NotToldError("a question that is not whole")
    question = question.strip()
    for pattern, put in _MENDED:
        question = re.sub(pattern, put, question)
    if _BROKEN.search(question) or len(question.split()) < MIN_WORDS - 2:
        raise NotToldError("a question that is not whole")
    asks = re.search(r"\b(?:what|how|which|find|give|estimate|calculate|determine|compute)\b", question, re.IGNORECASE)
    if not asks:
        raise NotToldError("no question at its end")
    if question[-1].isalnum() or question[-1] in ",:":
        last = re.split(r"[.?!] ", question)[-1]
        command = re.match(r"(?:find|calculate|determine|compute)\b", last, re.IGNORECASE)
        question = question.rstrip(",:") + ("." if command else "?")
    question = re.sub(r"(?<=[a-z][.?!] )([a-z])", lambda match: match[1].upper(), question)
    return question[0].upper() + question[1:]


def _told(question: str, node: Node) -> Solved:
    if _TWO_THINGS.search(question):
        raise NotToldError("asks for two things")
    steps, answer = tell(question, node)
    if _PART_OF_PROFIT.search(question) and Fraction(answer) >= 100:
        raise NotToldError("a share of more than the whole")  # as a rule 120 is written for a profit of 20 %
    if _FIRST.search(question) and not re.search(r"\b1\b", " ".join(steps)):
        raise NotToldError("the first of several is not told apart")
    return question, steps, answer

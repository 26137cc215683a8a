"""What is wrong with one problem: its marks, its answer, and sentences that were filled badly."""

from __future__ import annotations

import itertools
import re
from operator import eq

from ganita.corpus.document import Problem
from ganita.corpus.families.family import calculate_cached

_MARK = re.compile(r"<<([^<>=]+)=([^<>=]+)>>(\S*)")
_UNITS = (
    "hour|minute|second|day|week|month|year|mile|meter|liter|dollar|cent|page|point|gallon|pound|gram|egg|student|apple|box|"
    "foot|inch|child|man|woman|mouse"
)
_CASES = [
    f" {word} {pronoun}{end}" for word in ("to", "with", "from") for pronoun in ("he", "she", "they") for end in " .?"
]
_PLURALS = ("childrens", "peoples", "sheeps", "womens", "feets", "mices", "geeses")
# What a badly filled sentence looks like: a name, texts of which one must be there, and the expression. A thousand
# draws of every wording are millions of sentences, and looking for a text is thirty times faster than an expression.
_BLEMISHES = [
    ("a hole", ("{", "}", "[", "]", "|", "None"), re.compile(r"[{}\[\]|]|\bNone\b")),
    ("a stray space", ("  ", " .", " ,", " ?", " !"), re.compile(r" [ ,?!]| \.(?![\d.])")),
    (
        "stops that do not go together",
        ("..", ",,", ".,", "?,", ",."),
        re.compile(r"(?<!\.)\.\.(?!\.)|,,|[!?],|(?<!\.)\.,|,\."),
    ),
    ("a stop without a space", (".", "!", "?"), re.compile(r"[.?!][A-Za-z](?!\.)")),
    (
        "a plural after 1",
        (" 1 ", "1 "),
        re.compile(
            r"(?<![\d.,/:-])(?<!day )(?<!row )1 "
            r"(?!is\b|was\b|has\b|plus\b|times\b|does\b|goes\b|gets\b|takes\b|costs\b|less\b)"
            r"(?:[a-z]+s|(?:wo)?men|children|people|feet|mice)\b"
        ),
    ),
    (
        "a singular after a number",
        tuple(f"{digit} " for digit in range(10)),
        re.compile(rf"(?<![/:#$=.])\b(?:[2-9]|[1-9]\d+) (?:{_UNITS})(?= (?:and|of|in|for|to|than|from)\b|[.,?!])"),
    ),
    (
        "a before a vowel",
        (*(f" a {letter}" for letter in "aeio81"), "A "),
        re.compile(r"\b[Aa] (?:(?!one|once|euro|use|uni)[aeio]\w|8|11\b|18\b)\w*"),
    ),
    (
        "an before a consonant",
        (" an ", "An "),
        re.compile(r"\b[Aa]n (?!hour|honest|heir)(?:[b-df-gj-np-tv-z]\w+|(?:[2-79]|1[02-79])\b)"),
    ),
    ("a small letter at a start", (". ", "? ", "! "), re.compile(r"(?<![ap]\.m)[.?!] [a-z]")),
    ("a unit told twice", (" dollars", " percent", "$$", "%%"), re.compile(r"\$\d[\d.,]* dollars\b|% percent|\$\$|%%")),
    ("a pronoun in the wrong case", _CASES, re.compile(r" (?:to|with|from) (?:he|she|they)[ .?]")),
    ("a plural of a plural", _PLURALS, re.compile(rf"\b(?:{'|'.join(_PLURALS)})\b")),
]
_DOUBLED = frozenset(
    "a an the of is are was has have and or for to in on at with from each every per how many more".split()  # noqa: SIM905
)
# In questions alone: a mark shows what the calculator shows, which is 7.5 for $7.50.
_SHORT_CENTS = re.compile(r"\$\d+\.\d(?!\d)")
_ASKS = re.compile(
    r"\b(how|what|which|when|where|who|find|calculate|work out|determine|give|compute|tell|state|show|"
    r"express|write|name|solve|simplify|evaluate|add|multiply|divide|convert|expand|collect|differentiate|integrate)\b",
    re.IGNORECASE,
)  # fmt: skip


def language_fault(text: str) -> str:
    """Return the first blemish of a sentence with its name, empty if there is none."""
    for name, hints, expression in _BLEMISHES:
        for hint in hints:  # a loop: `any` with a generator costs as much as the search that it saves
            if hint in text:
                if match := expression.search(text):
                    return f"{name}, {match.group()!r} in {text!r}"
                break
    words = text.split()
    if any(map(eq, words, words[1:])):
        for word, after in itertools.pairwise(words):
            if word == after and word in _DOUBLED:
                return f"a doubled word, {word!r} in {text!r}"
    return f"a small letter at the start of {text!r}" if text[:1].islower() else ""


def question_faults(question: str) -> list[str]:
    """Return the faults of language of a question."""
    faults = []
    if fault := language_fault(question):
        faults.append(f"language: {fault}")
    if "$" in question and (match := _SHORT_CENTS.search(question)):
        faults.append(f"language: {match.group()!r} for an amount of money; write {{name.money}}")
    if question.count("?") > 1 or not question.endswith(("?", ".", '"')):
        faults.append(f"language: no single question in {question!r}")
    elif "?" not in question and not _ASKS.search(question):
        faults.append(f"language: nothing is asked in {question!r}")
    return faults


def solution_faults(steps: tuple[str, ...], answer: str) -> list[str]:
    """Return what is wrong with the lines of a solution: marks, answer, language."""
    faults = []
    result = ""
    for step in steps:
        marks = _MARK.findall(step)
        if len(marks) != 1:
            faults.append(f"marks: {step!r} has {len(marks)}")
            continue
        arithmetic, result, shown = marks[0]
        if calculate_cached(arithmetic) != result or not shown.startswith(result):
            faults.append(f"arithmetic: {step!r}")
        if fault := language_fault(_MARK.sub(r"\3", step)):
            faults.append(f"language: {fault}")
    if result != answer:
        faults.append(f"answer: {answer!r} is not the last result {result!r}")
    if result.startswith("-") or result == "0":
        faults.append(f"answer: {result} is not positive")
    return faults


def problem_faults(problem: Problem) -> list[str]:
    """Return what is wrong with one problem: marks, answer, and sentences that were filled badly."""
    return solution_faults(problem.steps, problem.answer) + question_faults(problem.question)

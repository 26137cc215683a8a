"""An answer in prose becomes a worked solution: steps, through a template of a chain of thought, up to a result.

The paper's authors rewrote answers of StackExchange through such templates; theirs are not published. Ours are few and
plain (worked.toml): an opening, a way to write a step, a closing that names the answer.
"""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from importlib import resources

from ganita.corpus.hashes import hash64

MAX_ANSWER = 200  # characters: what is longer is no result but an argument

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"(\\$])")
_EXPRESSION = r"(\$\$[^$]+\$\$|\$[^$\n]+\$|\\\([^$\n]{1,200}?\\\)|-?\d[\d,]*(?:\.\d+)?(?:/\d+)?\s?%?)"
# Only what says in so many words that it is the result: "the sum is 5" may be a step on the way.
_RESULT = re.compile(
    r"\b(?:the|our|your|final|correct)\s+(?:final\s+|correct\s+|desired\s+|required\s+)?(?:answer|result|solution)"
    r"(?:\s+(?:is|equals|becomes)(?:\s+(?:then|thus|therefore|simply|just|indeed|exactly|equal\s+to|given\s+by))?"
    rf"\s*:?|\s*[:=])\s*{_EXPRESSION}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Solution:
    """Steps, one line each, and the answer they end in."""

    steps: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class _Template:
    opening: str
    step: str
    closing: str


def work_out(answer: str, identity: str) -> Solution | None:
    """Turn an answer into a worked solution, by the template that `identity` draws.

    Steps are its paragraphs, or the sentences of a single one. None if it does not say its result, or if it holds code,
    whose lines mean something.
    """
    if "```" in answer or (result := find_result(answer)) is None:
        return None
    template = _templates()[hash64(identity) % len(_templates())]
    lines = [template.step.format(number=number, step=step) for number, step in enumerate(_steps(answer), 1)]
    if not _RESULT.search(lines[-1]):
        shown = result if re.fullmatch(r"[\w ,./%-]*", result) and "_" not in result else f"${result}$"
        lines.append(template.closing.format(answer=shown))
    return Solution((template.opening, *lines) if template.opening else tuple(lines), result)


def find_result(answer: str) -> str | None:
    r"""Return the result that a solution ends in: its last `\boxed{..}`, or what its end calls the answer."""
    result = last_boxed(answer)
    if not result:
        # Only in the last two paragraphs: further up an answer may quote another one.
        matches = list(_RESULT.finditer("\n\n".join(_PARAGRAPH.split(answer.strip())[-2:])))
        if not matches:
            return None
        result = re.sub(r"^(?:\$+|\\\()|(?:\$+|\\\))$", "", matches[-1][1])
    result = " ".join(result.strip().rstrip(".,;").split())
    return result if 0 < len(result) <= MAX_ANSWER and "\\begin" not in result else None


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


def _steps(answer: str) -> list[str]:
    steps = [" ".join(paragraph.split()) for paragraph in _PARAGRAPH.split(answer.strip())]
    return _sentences(steps[0]) if len(steps) == 1 else steps


def _sentences(paragraph: str) -> list[str]:
    """Split a paragraph at the ends of sentences, but not inside a formula."""
    found, start, num_dollars, counted = [], 0, 0, 0
    for match in _SENTENCE_END.finditer(paragraph):
        num_dollars += paragraph.count("$", counted, match.start())
        counted = match.start()
        if num_dollars % 2 == 0:
            found.append(paragraph[start : match.start()])
            start = match.end()
    return [*found, paragraph[start:]]


@functools.cache
def _templates() -> tuple[_Template, ...]:
    tree = tomllib.loads(resources.files("ganita.corpus.reading").joinpath("worked.toml").read_text(encoding="utf-8"))
    return tuple(_Template(**row) for row in tree["template"])

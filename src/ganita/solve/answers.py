"""The answer in a text, and whether two answers are the same number.

Two readings, reported side by side because they differ on weak models. Both follow the task `gsm8k` of
lm-evaluation-harness: *strict* is the first number after the answer mark `#### `, *flexible* the last
number anywhere. Numbers are compared exactly as rationals, where the harness compares strings after
removing `,`, `$` and a final `.`; so `18.00` is 18 here and wrong there.
"""

from __future__ import annotations

import re

from ganita.arithmetic import parse_number

ANSWER_MARK = "#### "
_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_MARK = re.compile(r"<<([^<>\n]*)>>")


def strict_answer(text: str) -> str | None:
    """Return the number after the first answer mark as written, or None."""
    match = _STRICT.search(text)
    return match.group(1) if match else None


def flexible_answer(text: str) -> str | None:
    """Return the last number of the text as written, or None.

    The harness takes the last match of its pattern even where that is `...`; here it must be a number.
    """
    matches = [match.group() for match in _FLEXIBLE.finditer(text)]
    return next((match for match in reversed(matches) if parse_number(match) is not None), None)


def stated_answer(text: str) -> str | None:
    """Return what follows the first answer mark, up to the end of its line; not only numbers. None: no answer."""
    _, mark, rest = text.partition(ANSWER_MARK)
    return (rest.split("\n", 1)[0].strip() or None) if mark else None


def same_number(first: str | None, second: str | None) -> bool:
    """Say whether both texts are numbers and equal: exactly, with no tolerance."""
    if first is None or second is None:
        return False
    value = parse_number(first)
    return value is not None and value == parse_number(second)


def split_steps(text: str) -> tuple[str, ...]:
    """Return the lines before the answer mark; blank ones are left out."""
    worked, _, _ = text.partition(ANSWER_MARK)
    return tuple(line.strip() for line in worked.split("\n") if line.strip())


def readable_step(step: str) -> str:
    """Write a step for people: `<<48/2=24>>` alone becomes `48/2 = 24`; inside a sentence the mark goes."""
    alone = _MARK.fullmatch(step.strip())
    if alone is None:
        return _MARK.sub("", step).strip()
    return " = ".join(part.strip() for part in alone.group(1).split("="))

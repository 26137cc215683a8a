"""Problems of public sets that were read one by one and found faulty.

`faulty.txt` has one line for each: the key of its question and a letter. No text of a set is in it, and the key is the
same wherever the problem is found. Variants are made of none of them; a source with `sound = true` leaves out those
that are wrong in themselves. docs/sets.md says which sets were read, and how many were found.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources

from ganita.corpus.document import Problem
from ganita.corpus.hashes import question_key

FAULTS: Mapping[str, str] = {
    "A": "the answer is wrong",
    "B": "cannot be answered",
    "C": "ambiguous",
    "D": "a step says something false",
    "E": "absurd",
    "F": "numbers tied to each other or to the world",
}
TIED = "F"  # sound as it stands, but other numbers would make it false


def fault_of(problem: Problem, *, varied: bool = False) -> str:
    """Return what is wrong with a problem in a few words, empty if nothing is known.

    `varied`: that its numbers cannot be changed counts as well.
    """
    letter = _letters().get(question_key(problem.question), "")
    return FAULTS[letter] if letter and (varied or letter != TIED) else ""


@functools.cache
def _letters() -> dict[int, str]:
    """Return the letter of each faulty question, by its key."""
    text = (resources.files("ganita.corpus") / "faulty.txt").read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {int(key, 16): letter for key, letter in rows}

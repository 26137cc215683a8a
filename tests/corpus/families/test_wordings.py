"""No training wording is a held-out one in other words: the test split measures sentences of new shape."""

from __future__ import annotations

import difflib
import itertools
import random
import re

import pytest

from ganita.corpus.families import library
from ganita.corpus.families.family import Family

LIBRARY = library()
# Above this share of common words, in order, two sentences count as one.
TOO_CLOSE = 0.92
# Wordings with more expansions than this are sampled.
MAX_EXPANSIONS = 24

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_HOLE = re.compile(r"\{[^{}]*\}|\d+(?:[.,:/]\d+)*")
_WORD = re.compile(r"#|[a-z]+(?:'[a-z]+)?")


def expansions(text: str) -> list[tuple[str, ...]]:
    """Return the words of every expansion of the alternatives, lower-cased, with # for slots and numbers."""
    # Holes first, so that no name in a hole looks like a word.
    text = _HOLE.sub("#", text.lower())
    done: list[str] = []
    pending = [text]
    rng = random.Random(0)
    while pending:
        current = pending.pop()
        match = _CHOICE.search(current)
        if match is None:
            done.append(current)
            continue
        options = match.group(1).split("|")
        if len(pending) + len(done) + len(options) > MAX_EXPANSIONS:
            options = [rng.choice(options)]
        pending.extend(current[: match.start()] + option + current[match.end() :] for option in options)
    return [tuple(_WORD.findall(option)) for option in done]


def close_pairs(family: Family) -> list[tuple[float, str, str]]:
    """Return (ratio, training wording, held-out wording) for the pairs that are too close."""
    pairs = []
    held_out = [(template.text, expansions(template.text)) for template in family.wordings["held-out"]]
    for template in family.wordings["train"]:
        mine = expansions(template.text)
        for text, theirs in held_out:
            ratio = max(closeness(a, b) for a, b in itertools.product(mine, theirs))
            if ratio > TOO_CLOSE:
                pairs.append((round(ratio, 3), template.text, text))
    return pairs


def closeness(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    """Return difflib's ratio over words; 0 where its upper bounds already show that it is not too close."""
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.real_quick_ratio() <= TOO_CLOSE or matcher.quick_ratio() <= TOO_CLOSE:
        return 0.0
    return matcher.ratio()


def test_expansions_and_closeness() -> None:
    assert expansions("[Tom|{p}] has [{n:box} or |]{n/2} left") == [
        ("#", "has", "#", "left"),
        ("#", "has", "#", "or", "#", "left"),
        ("tom", "has", "#", "left"),
        ("tom", "has", "#", "or", "#", "left"),
    ]
    (words,) = expansions("{p} has 12 marbles and gives {n} of them to {q}. How many marbles are left?")
    assert closeness(words, words) == 1
    assert words == expansions("{q} has {total} marbles and gives 3 of them to {p}; how many marbles are left?")[0]
    assert closeness(words, (*words[:-2], "remain")) == 0
    assert len(expansions("[a|b|c]" * 9)) <= MAX_EXPANSIONS


@pytest.mark.parametrize("family", LIBRARY.families, ids=lambda family: family.id)
def test_training_wordings_are_not_the_held_out_ones(family: Family) -> None:
    pairs = close_pairs(family)
    assert not pairs, "\n".join(f"{ratio} {train!r}\n  ~ held out {held!r}" for ratio, train, held in pairs)

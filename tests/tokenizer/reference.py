"""What the library is compared with: the plainest code that could be right."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence

Merge = tuple[str, str]
SIGHT = 102  # digits: runs up to here are cut from the right exactly


def encode_word(word: str, merges: Sequence[Merge]) -> list[str]:
    """Apply the best-ranked merge that applies, at its leftmost place, until none does."""
    ranks = {pair: rank for rank, pair in reversed(list(enumerate(merges)))}
    tokens = list(word)
    while found := [(ranks[pair], i) for i, pair in enumerate(itertools.pairwise(tokens)) if pair in ranks]:
        _, i = min(found)
        tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
    return tokens


def digit_runs(text: str) -> list[str]:
    """The maximal runs of decimal digits, of whatever script."""
    parts = itertools.groupby(text, key=lambda character: unicodedata.category(character) == "Nd")
    return ["".join(part) for is_digits, part in parts if is_digits]


def threes(run: str) -> list[str]:
    """Cut a run of digits into groups of three from its right end."""
    groups = []
    while run:
        run, group = run[:-3], run[-3:]
        groups.insert(0, group)
    return groups

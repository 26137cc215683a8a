"""A table of n-grams that turns away nearly all foreign ones before it is searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ganita.corpus.contamination.letters import Numbers, Places, Words
from ganita.corpus.selection.words import runs

_PIECE = 1 << 15  # n-grams hashed and looked up at once


@dataclass(frozen=True)
class Grams:
    """N-grams in order of their numbers, each with its owner and its place (in words) there.

    Shapes (num_grams,): numbers uint64, owners and places int32. An n-gram of several owners stands several times.
    """

    num_words: int
    numbers: Numbers
    owners: NDArray[np.int32]
    places: NDArray[np.int32]

    @classmethod
    def of(cls, words: Words, owners: NDArray[np.int32], parts: Places, num_words: int, min_telling: int) -> Grams:
        """Collect the telling n-grams of many short texts, the words of all of them one after the other.

        `owners` (num_words,) says who each word belongs to and `parts` (num_parts,) where each text begins. An
        n-gram tells something if it holds at least `min_telling` different words of three letters or more.
        """
        part_of = np.searchsorted(parts, np.arange(len(words)), side="right") - 1
        count = max(0, len(words) - num_words + 1)
        inside = part_of[:count] == part_of[num_words - 1 :]  # none reaches from one text into the next
        starts = np.flatnonzero(inside)
        starts = starts[_telling(words, starts, num_words) >= min_telling]
        numbers = ngrams(words.numbers, num_words)[starts]
        order = np.argsort(numbers, kind="stable")
        starts = starts[order]
        places = (starts - parts[part_of[starts]]).astype(np.int32)
        return cls(num_words, numbers[order], owners[starts], places)

    def without_phrases(self, question_of: Places, most: int) -> Grams:
        """Leave out the n-grams that stand in more than `most` different questions.

        `question_of` (num_owners,) numbers the question of each owner.
        """
        questions = question_of[self.owners]
        order = np.lexsort((questions, self.numbers))
        numbers, questions = self.numbers[order], questions[order]
        first = np.ones(len(numbers), np.bool_)  # of its n-gram and question
        first[1:] = (numbers[1:] != numbers[:-1]) | (questions[1:] != questions[:-1])
        grams, counts = np.unique(numbers[first], return_counts=True)
        kept = ~np.isin(self.numbers, grams[counts > most])
        return Grams(self.num_words, self.numbers[kept], self.owners[kept], self.places[kept])

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the columns under names that begin with `name`, to be saved."""
        return {f"{name}_numbers": self.numbers, f"{name}_owners": self.owners, f"{name}_places": self.places}

    @classmethod
    def from_arrays(cls, num_words: int, arrays: Mapping[str, NDArray[Any]], name: str) -> Grams:
        """Take the columns from what `arrays` made. Raises `KeyError`."""
        return cls(num_words, *(arrays[f"{name}_{column}"] for column in ("numbers", "owners", "places")))

    @cached_property
    def _bits(self) -> tuple[NDArray[np.uint8], np.uint64]:
        # 32 slots of one bit per n-gram: three in a hundred foreign n-grams pass on to the exact look-up.
        bits = max(16, (32 * len(self.numbers)).bit_length())
        shift = np.uint64(64 - bits)
        slots = np.zeros(1 << bits, np.uint8)
        slots[self.numbers >> shift] = 1
        return np.packbits(slots, bitorder="little"), shift

    def find(self, numbers: Numbers) -> tuple[Places, Places, Places]:
        """Return where the n-grams of `numbers` (of words) that are in the table begin, and their rows `first:last`."""
        pieces = []
        for start in range(0, max(1, len(numbers)), _PIECE):
            piece = runs(numbers[start : start + _PIECE + self.num_words - 1], self.num_words)
            places, first, last = self._find(piece)
            pieces.append((places + start, first, last))
        if len(pieces) == 1:
            return pieces[0]
        places, first, last = (np.concatenate(column) for column in zip(*pieces, strict=True))
        return places, first, last

    def _find(self, grams: Numbers) -> tuple[Places, Places, Places]:
        table, shift = self._bits
        slots = grams >> shift
        passed = np.flatnonzero(table[slots >> np.uint64(3)] >> (slots & np.uint64(7)).astype(np.uint8) & 1)
        grams = grams[passed]
        first = np.searchsorted(self.numbers, grams, side="left")
        last = np.searchsorted(self.numbers, grams, side="right")
        found = first < last
        return passed[found], first[found], last[found]


def ngrams(numbers: Numbers, num_words: int) -> Numbers:
    """Return the number of each n-gram of words, in order; shape (max(0, len(numbers) - num_words + 1),)."""
    starts = range(0, max(1, len(numbers)), _PIECE)
    return np.concatenate([runs(numbers[start : start + _PIECE + num_words - 1], num_words) for start in starts])


def _telling(words: Words, starts: Places, num_words: int) -> Places:
    """Count the different words of three letters or more in each n-gram; shape of `starts`."""
    counts = np.zeros(len(starts), np.int64)
    if not len(starts):
        return counts
    windows = sliding_window_view(words.long, num_words)
    for at in range(0, len(starts), _PIECE):
        sorted_ = np.sort(windows[starts[at : at + _PIECE]], axis=1)
        counts[at : at + _PIECE] = (np.diff(sorted_, axis=1) != 0).sum(axis=1) + (sorted_[:, 0] != 0)
    return counts

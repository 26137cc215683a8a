"""The words of a text by which benchmark items are known again: letters alone, in lower case, as 64-bit numbers.

Digits and punctuation part words and are gone, apostrophes within a word too: "Farmer's" and "farmers" are one word,
"x_1" and "x^2" both x. A reworded item differs from the original in what is left out here (`words.py`, for
duplicates and repetition, keeps numbers and signs: there they make the difference). Positions are characters of the
text, so what is found can be cut out.

Array operations over stretches of the text, some ten times as fast as a regular expression and a dictionary.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganita.corpus.selection.words import constants, mix, stretches

Numbers = NDArray[np.uint64]
Places = NDArray[np.int64]

LONG = 3  # letters of a word that can tell something
_APOSTROPHES = "'’"
_APOSTROPHE = 1  # folded characters: 0 no part of a word, 1 an apostrophe, else the lower-case letter
_TABLED = 0x323B0  # no letters from here on
_POSITIONS = 64  # letters of a word with a factor of their own; the 65th has that of the first again


@dataclass(frozen=True)
class Words:
    """The words of a text in order: number, first character, end (exclusive), letters. Each of shape (num_words,)."""

    numbers: Numbers
    starts: Places
    stops: Places
    sizes: Places

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, places: Places | slice) -> Words:
        return Words(self.numbers[places], self.starts[places], self.stops[places], self.sizes[places])

    @property
    def long(self) -> Numbers:
        """Return the words that can tell something, and 0 for each other."""
        return np.where(self.sizes >= LONG, self.numbers, np.uint64(0))


def read_words(text: str) -> Words:
    """Return the words of `text`. A run of thousands of characters without white space may be parted anywhere."""
    parts, offset = [], 0
    for stretch in stretches(text):
        parts.append(_words(stretch, offset))
        offset += len(stretch)
    if len(parts) == 1:
        return parts[0]
    parts.append(_words("", 0))
    columns = ("numbers", "starts", "stops", "sizes")
    return Words(*(np.concatenate([getattr(part, column) for part in parts]) for column in columns))


def _words(stretch: str, offset: int) -> Words:
    folded = _fold(stretch)
    places = np.flatnonzero(folded > _APOSTROPHE)  # (num_letters,)
    if not len(places):
        return Words(np.empty(0, np.uint64), *(np.empty(0, np.int64) for _ in range(3)))
    gaps = np.flatnonzero(places[1:] - places[:-1] > 1) + 1
    # A letter after a gap starts a word, unless the gap is one apostrophe ("farmer's").
    joined = (places[gaps] - places[gaps - 1] == 2) & (folded[places[gaps] - 1] == _APOSTROPHE)
    firsts = np.concatenate([np.zeros(1, np.int64), gaps[~joined]])  # (num_words,) indices into places
    sizes = np.diff(firsts, append=len(places))
    # A multilinear hash: each letter's value times the factor of its position in the word.
    positions = np.arange(len(places)) - np.repeat(firsts, sizes)
    letters = _values(folded[places]) * _factors()[positions & (_POSITIONS - 1)]
    numbers: Numbers = mix(np.add.reduceat(letters, firsts))
    return Words(numbers, places[firsts] + offset, places[firsts + sizes - 1] + (offset + 1), sizes)


def _fold(text: str) -> NDArray[np.unsignedinteger]:
    """Return the folded character of each character."""
    if text.isascii():  # the string knows; no pass over it
        return np.frombuffer(text.encode("ascii").translate(_ascii_letters()), np.uint8)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    folded: NDArray[np.uint32] = _letters()[np.minimum(codes, _TABLED)]
    return folded


def _values(folded: NDArray[np.unsignedinteger]) -> Numbers:
    values: Numbers = _ascii_values()[folded] if folded.dtype == np.uint8 else mix(folded.astype(np.uint64))
    return values


@functools.cache
def _letters() -> NDArray[np.uint32]:
    """Return the folded character of each code point; the last entry stands for all others."""
    table = np.zeros(_TABLED + 1, np.uint32)
    for code, character in enumerate(map(chr, range(_TABLED))):
        if character.isalnum() and not character.isdecimal():  # what \w is without \d and the underscore
            lower = character.lower()
            table[code] = ord(lower) if len(lower) == 1 else code
    for character in _APOSTROPHES:
        table[ord(character)] = _APOSTROPHE
    return table


@functools.cache
def _ascii_letters() -> bytes:
    return _letters()[:128].astype(np.uint8).tobytes() + bytes(128)


@functools.cache
def _ascii_values() -> Numbers:
    return mix(np.arange(128, dtype=np.uint64))


@functools.cache
def _factors() -> Numbers:
    return constants(_POSITIONS, seed=1)

r"""The words of a text as 64-bit hashes, by array operations over its characters: tens of megabytes a second.

What is a word is decided once, here, for near duplicates, repetition and the quality score: a run of letters and
digits (of any script) in lower case, so that `\frac{a}{b}` and `x_1` are the words frac a b and x 1. Chinese, Japanese
and Korean characters are words of their own. Signs of operation and relation (+ - * / ^ < = > and the rest of
Unicode's mathematical symbols) are words too where a caller wants them: `a < b` and `a > b` say different things.
White space, brackets, quotes, `$`, `&` and `\` are only layout and never count: copies of a formula differ in them.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRETCH = 1 << 15  # characters worked on at once: their arrays fit the second-level cache
_BORDER, _LETTER, _SINGLE, _SIGN = 0, 1, 2, 3  # kinds of characters; _SINGLE: a word by itself
_OPERATORS = frozenset("-*/^!")  # not among Unicode's mathematical symbols (Sm), as + < = > | ~ are
_TABLED = 0x20000  # code points above are ideographs
_NEWLINE = 10
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Words:
    """The words of a stretch of text, in order."""

    hashes: Hashes  # (num_words,)
    starts: NDArray[np.intp]  # (num_words,) index of the first character of each
    codes: NDArray[np.uint32] | NDArray[np.uint8]  # (num_characters,) the lower-cased stretch as code points
    inside: NDArray[np.bool_]  # (num_characters,) whether a character belongs to a word

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Return the characters in each word, (num_words,)."""
        if not len(self.starts):
            return np.empty(0, dtype=np.int64)
        return np.add.reduceat(self.inside, self.starts, dtype=np.int64)

    @property
    def lines(self) -> NDArray[np.int64]:
        """Return the number of the line that each word stands on, (num_words,)."""
        return np.cumsum(self.codes == _NEWLINE, dtype=np.int64)[self.starts]


def stretches(text: str, size: int = STRETCH) -> Iterator[str]:
    """Cut `text` into stretches of at most `size` characters, at white space where there is any."""
    start = 0
    while start < len(text):
        stop = start + size
        if stop < len(text):
            border = max(text.rfind("\n", start, stop), text.rfind(" ", start, stop))
            stop = border + 1 if border >= start else stop
        yield text[start:stop]
        start = stop


def split(stretch: str, *, signs: bool) -> Words:
    """Return the words of a stretch of at most `STRETCH` characters; `signs`: mathematical symbols are words too.

    The hash of a word is the polynomial of its code points in `_BASE` modulo 2**64, mixed. All words are hashed at
    once: each character counts with the power that belongs to its place in the stretch, and the inverse power at the
    start of a word takes the place out again.
    """
    low = stretch.lower()  # U+0130 becomes two characters: hence tables of twice the length
    codes: NDArray[np.uint32] | NDArray[np.uint8]
    if low.isascii():
        codes = np.frombuffer(low.encode("ascii"), dtype=np.uint8)
    else:
        codes = np.frombuffer(low.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    kinds = _kinds_of(codes)
    inside = kinds != _BORDER if signs else (kinds == _LETTER) | (kinds == _SINGLE)
    letters = kinds == _LETTER
    begins = inside.copy()
    begins[1:] &= ~(letters[1:] & letters[:-1])
    starts = np.flatnonzero(begins)
    if not len(starts):
        return Words(np.empty(0, dtype=np.uint64), starts, codes, inside)
    powers, inverses = _powers()
    hashes = np.add.reduceat((codes * inside) * powers[: len(codes)], starts)
    hashes *= inverses[starts]
    return Words(mix(hashes), starts, codes, inside)


def runs(hashes: Hashes, length: int) -> Hashes:
    """Return the hash of each run of `length` words, (num_words - length + 1,); too few words: an empty array."""
    starts = np.arange(max(0, len(hashes) - length + 1))
    return spans(hashes, starts, starts + length)


def spans(hashes: Hashes, starts: NDArray[np.intp], stops: NDArray[np.intp]) -> Hashes:
    """Return the hash of the words from each of `starts` up to the one of `stops`, at most 2 * STRETCH words in all.

    By sums of prefixes, so that the cost does not depend on the lengths.
    """
    powers, inverses = _powers()
    sums = np.zeros(len(hashes) + 1, dtype=np.uint64)
    np.cumsum(hashes * powers[: len(hashes)], out=sums[1:])
    return mix((sums[stops] - sums[starts]) * inverses[starts])


def mix(values: Hashes) -> Hashes:
    """Spread every bit of `values` over the whole word, in place (a bijection: multiply, fold, multiply, fold)."""
    values ^= values >> _HALF
    values *= _MULTIPLIER
    values ^= values >> _HALF
    values *= _MULTIPLIER
    values ^= values >> _HALF
    return values


def constants(count: int, seed: int) -> Hashes:
    """Return `count` odd random numbers, the same on every machine and with every version of numpy."""
    steps = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)
    return mix(steps * np.uint64(_BASE)) | np.uint64(1)


def _kinds_of(codes: NDArray[np.uint32] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if codes.dtype == np.uint8:
        return _ascii_kinds()[codes]
    return _all_kinds()[np.minimum(codes, _TABLED)]


def _kind(code: int) -> int:
    character = chr(code)
    category = unicodedata.category(character)
    if category[0] in "LMN":
        # No spaces between words there: a sentence would be one word, and no text would have fifty.
        return _SINGLE if category == "Lo" and unicodedata.east_asian_width(character) in "WF" else _LETTER
    return _SIGN if category in ("Sm", "So") or character in _OPERATORS else _BORDER


@functools.cache
def _ascii_kinds() -> NDArray[np.uint8]:
    return np.array([_kind(code) for code in range(128)], dtype=np.uint8)


@functools.cache
def _all_kinds() -> NDArray[np.uint8]:
    return np.array([*map(_kind, range(_TABLED)), _SINGLE], dtype=np.uint8)


@functools.cache
def _powers() -> tuple[Hashes, Hashes]:
    """Return the powers of `_BASE` and of its inverse modulo 2**64, (2 * STRETCH + 1,) each."""
    both = []
    for base in (_BASE, pow(_BASE, -1, 1 << 64)):
        powers = np.full(2 * STRETCH + 1, base, dtype=np.uint64)
        powers[0] = 1
        both.append(np.multiply.accumulate(powers))
    return both[0], both[1]

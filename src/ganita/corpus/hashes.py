"""Eight-byte hashes of documents, and a set of millions of them in little memory."""

from __future__ import annotations

import hashlib
import re

import numpy as np

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")


def hash64(text: str) -> int:
    """Return the first 8 bytes of the SHA-256 of `text` as an integer in [0, 2**64)."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little")


def duplicate_key(text: str) -> int:
    """Hash `text` with white space and case apart."""
    return hash64(" ".join(text.split()).lower())


def question_key(text: str) -> int:
    """Hash the letters and digits of `text`, case ignored: punctuation and LaTeX spacing do not hide a match."""
    return hash64(alphanumeric(text))


def alphanumeric(text: str) -> str:
    """Return the letters and digits of `text` in lower case."""
    return _NOT_ALPHANUMERIC.sub("", text.lower())


class HashSet:
    """A set of 64-bit hashes at 8 bytes each, plus a bounded number in a Python set.

    Ten million documents cost 80 MB here and about 700 MB as Python integers. New hashes gather in a Python
    set and are merged into a sorted array when there are `merge_at` of them, later a quarter of all.
    """

    def __init__(self, merge_at: int = 1 << 16) -> None:
        self._merge_at = merge_at
        self._sorted = np.empty(0, dtype=np.uint64)
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, value: int) -> bool:
        """Add `value`; return False if it was there already."""
        if value in self._recent or self._in_sorted(value):
            return False
        self._recent.add(value)
        # Merging costs a pass over everything: doing it at growing intervals keeps the total near n log n.
        if len(self._recent) >= max(self._merge_at, len(self._sorted) // 4):
            new = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, new]))
            self._recent.clear()
        return True

    def _in_sorted(self, value: int) -> bool:
        if not len(self._sorted):
            return False
        key = np.uint64(value)
        at = int(np.searchsorted(self._sorted, key))
        return at < len(self._sorted) and bool(self._sorted[at] == key)

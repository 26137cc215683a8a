"""Eight-byte hashes of documents: what counts as the same."""

from __future__ import annotations

import hashlib
import re

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

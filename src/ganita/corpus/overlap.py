"""No benchmark item is in training (promise 7): every document is compared with every benchmark item.

Two rules, both on what a light rewording leaves alone:

exact     the letters and digits of a question, case ignored, are those of a benchmark question. Checked for the
          question of a problem, and for each paragraph of a text.
13-gram   13 words in a row, lower-cased, without punctuation and numbers (Brown et al. 2020, appendix C;
          the protocol of Paramanu-Ganita's reviewers), stand in the question, a choice or the solution of an item.
          Changed numbers do not hide an item; items of fewer than 13 words are covered by the exact rule only.
          An n-gram must hold 4 different words of 3 letters or more: without its numbers, any polynomial is
          "x x x x ...", and "x x x" was nine in ten of the hits of MATH in textbooks and code.

What happens to a document that is hit: a problem, and a text of up to `LONG_TEXT` characters, is dropped. From a
longer text (a chapter, a source file) only the paragraphs that hold the overlap are cut out: dropping a book for
one sentence would lose what nobody tests. If that leaves less than half of the text, it is dropped as well.

Speed: a word becomes a 64-bit number, the hash of an n-gram is a polynomial of 13 of them, computed for a whole
document by 13 vector operations; a bit table turns away nearly all n-grams before the exact look-up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ganita.corpus.document import Document, Problem, Text
from ganita.corpus.forms import ANSWER, QUESTION
from ganita.corpus.hashes import alphanumeric, hash64

NUM_WORDS = 13
LONG_TEXT = 4_000  # characters
MIN_TELLING = 4  # different words of 3 letters or more in an n-gram that counts
MIN_PARAGRAPH = 24  # letters and digits; "What is 5!?" as a paragraph of a book is no leak
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_APOSTROPHES = str.maketrans("", "", "'’")
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so multiplying by it loses nothing modulo 2**64


@dataclass(frozen=True)
class Hit:
    """One benchmark item that a document shares something with; `start`, `stop` are characters of the text."""

    item: str
    rule: str
    hash: str
    start: int
    stop: int


@dataclass(frozen=True)
class Verdict:
    """What is left of a document (None: dropped), what hit it, and how many paragraphs were cut out."""

    document: Document | None
    hits: tuple[Hit, ...] = ()
    num_cut: int = 0


class _Words(dict[str, int]):
    """Number the words of the benchmarks; 0 for every other word.

    Spellings ("Farmer's", "farmers") are looked up once and remembered, so the common case is one dictionary access.
    Unknown words are not remembered: a corpus has no end of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[str, int] = {}

    def __missing__(self, word: str) -> int:
        number = self.numbers.get(canonical_word(word), 0)
        if number:
            self[word] = number
        return number

    def learn(self, words: Iterable[str]) -> None:
        for word in words:
            self.numbers.setdefault(canonical_word(word), len(self.numbers) + 1)

    def values(self) -> NDArray[np.uint64]:  # type: ignore[override]
        """Return the 64-bit value of each number; that of unknown words is 0. Shape (1 + num_words,)."""
        digests = (hashlib.blake2b(word.encode(), digest_size=8).digest() for word in self.numbers)
        return np.frombuffer(bytes(8) + b"".join(digests), dtype="<u8")


def _telling(words: Sequence[str], num_words: int) -> NDArray[np.bool_]:
    """Say of each n-gram of `words` whether it holds enough different words to mean something."""
    long_words = [word if len(word) >= 3 else "" for word in map(canonical_word, words)]
    grams = (set(long_words[start : start + num_words]) - {""} for start in range(len(words) - num_words + 1))
    return np.array([len(gram) >= MIN_TELLING for gram in grams], dtype=np.bool_)


def canonical_word(word: str) -> str:
    """Return a word in lower case and without apostrophes."""
    return word.lower().translate(_APOSTROPHES)


class Index:
    """The n-grams and questions of the benchmarks. Memory: about 12 bytes per n-gram."""

    def __init__(self, benchmarks: Iterable[tuple[str, Sequence[Problem]]], num_words: int = NUM_WORDS) -> None:
        self.num_words = num_words
        self.items: list[str] = []
        self._exact: dict[str, int] = {}
        self._longest = 0
        parts: list[tuple[int, list[str]]] = []
        self._words = _Words()
        for set_id, problems in benchmarks:
            for problem in problems:
                number = len(self.items)
                self.items.append(f"{set_id}:{problem.id}")
                self._exact.setdefault(alphanumeric(problem.question), number)
                self._longest = max(self._longest, len(problem.question))
                for text in (problem.question, *problem.choices, "\n".join(problem.steps)):
                    found = _WORD.findall(text)
                    self._words.learn(found)
                    parts.append((number, found))
        self._values = self._words.values()
        self._build_table(parts)

    def __len__(self) -> int:
        return len(self.items)

    def _build_table(self, parts: list[tuple[int, list[str]]]) -> None:
        hashes = [self._hash(words)[_telling(words, self.num_words)] for _, words in parts]
        owners = [np.full(len(h), number, dtype=np.int32) for h, (number, _) in zip(hashes, parts, strict=True)]
        grams = np.concatenate([*hashes, np.empty(0, dtype=np.uint64)])
        order = np.argsort(grams, kind="stable")
        self._grams, self._owners = grams[order], np.concatenate([*owners, np.empty(0, dtype=np.int32)])[order]
        # 32 slots per n-gram: three in a hundred foreign n-grams pass on to the exact look-up.
        self._shift = np.uint64(64 - max(16, (32 * len(grams)).bit_length()))
        self._table = np.zeros(1 << (64 - int(self._shift)), dtype=np.bool_)
        self._table[self._grams >> self._shift] = True

    def _hash(self, words: Sequence[str]) -> NDArray[np.uint64]:
        """Return the hash of each n-gram of `words`, in order; shape (max(0, len(words) - num_words + 1),)."""
        count = len(words) - self.num_words + 1
        if count <= 0:
            return np.empty(0, dtype=np.uint64)
        numbers = np.fromiter(map(self._words.__getitem__, words), dtype=np.int64, count=len(words))
        values = self._values[numbers]
        result = np.zeros(count, dtype=np.uint64)
        for offset in range(self.num_words):
            result = result * _BASE + values[offset : offset + count]
        return result

    def ngram_hits(self, text: str) -> list[Hit]:
        """Return each run of shared n-grams per benchmark item, in the order of the text."""
        words = _WORD.findall(text)
        if len(words) < self.num_words:  # most questions with a short answer: not worth a vector operation
            return []
        grams = self._hash(words)
        candidates = np.flatnonzero(self._table[grams >> self._shift])
        first = np.searchsorted(self._grams, grams[candidates], side="left")
        last = np.searchsorted(self._grams, grams[candidates], side="right")
        found = np.flatnonzero(first < last)
        if not len(found):
            return []
        spans = [match.span() for match in _WORD.finditer(text)]
        runs: dict[int, list[Hit]] = {}
        for index in found.tolist():
            position, value = int(candidates[index]), int(grams[candidates[index]])
            start, stop = spans[position][0], spans[position + self.num_words - 1][1]
            for owner in sorted(set(self._owners[first[index] : last[index]].tolist())):
                hits = runs.setdefault(owner, [])
                if hits and start < hits[-1].stop:  # overlapping n-grams are one passage
                    hits[-1] = replace(hits[-1], stop=stop)
                else:
                    hits.append(Hit(self.items[owner], f"{self.num_words}-gram", f"{value:016x}", start, stop))
        return sorted((hit for hits in runs.values() for hit in hits), key=lambda hit: (hit.start, hit.item))

    def exact_hits(self, document: Document) -> list[Hit]:
        """Return the benchmark question that the document, or a paragraph of it, repeats."""
        if isinstance(document, Problem):
            return self._exact_hit(document.question, 0)
        text = document.text
        if text.startswith(QUESTION) and ANSWER in text:
            stop = text.rindex(ANSWER)
            if hits := self._exact_hit(text[len(QUESTION) : stop], len(QUESTION)):
                return hits
        hits, start = [], 0
        for paragraph in text.split("\n\n"):
            # White space and punctuation lengthen a paragraph, but not without end.
            if MIN_PARAGRAPH <= len(paragraph) <= 2 * self._longest:
                hits += self._exact_hit(paragraph, start, MIN_PARAGRAPH)
            start += len(paragraph) + 2
        return hits

    def _exact_hit(self, question: str, start: int, least: int = 1) -> list[Hit]:
        key = alphanumeric(question)
        if len(key) < least or key not in self._exact:
            return []
        return [Hit(self.items[self._exact[key]], "exact", f"{hash64(key):016x}", start, start + len(question))]

    def check(self, document: Document) -> Verdict:
        """Compare a document with every benchmark item and drop or cut it as the module's docstring says."""
        if not self.items:
            return Verdict(document)
        hits = self.exact_hits(document)
        if isinstance(document, Problem):
            hits += self.ngram_hits("\n".join((document.question, *document.choices, *document.steps)))
            return Verdict(None, tuple(hits)) if hits else Verdict(document)
        hits += self.ngram_hits(document.text)
        return cut(document, tuple(hits)) if hits else Verdict(document)


def cut(document: Text, hits: tuple[Hit, ...]) -> Verdict:
    """Take the paragraphs that hold a hit out of a long text; drop a short one, or one that would lose half."""
    text = document.text
    if len(text) <= LONG_TEXT:
        return Verdict(None, hits)
    kept, end, num_cut = [], 0, 0
    for hit in sorted(hits, key=lambda hit: hit.start):
        if hit.stop <= end:
            continue
        start = text.rfind("\n\n", 0, hit.start + 1)
        kept.append(text[end : max(end, 0 if start < 0 else start)])
        border = text.find("\n\n", hit.stop)
        end, num_cut = len(text) if border < 0 else border, num_cut + 1
    kept.append(text[end:])
    rest = "".join(kept).strip("\n")
    if 2 * len(rest) < len(text):
        return Verdict(None, hits)
    return Verdict(replace(document, text=rest), hits, num_cut)

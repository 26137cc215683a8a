"""Normalisation and cutting: what may be changed in a document, and nothing else.

LaTeX, source code and numbers are kept to the character. Only what no reader can see is touched: Unicode
composition, line ends, control characters, empty lines at the ends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from ganita.corpus.document import Document, Problem, Text

# Control characters but tab and newline, lone surrogates (JSON can carry them, UTF-8 cannot), and code points that are
# no characters. Unicode format characters stay: joiners belong to the spelling of Indic scripts.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def normalise(text: str) -> str:
    """Return `text` in Unicode normal form C, with newlines as line ends and without control characters."""
    if not text.isascii() or "\r" in text or "\x0b" in text or "\x0c" in text:
        text = _LINE_END.sub("\n", text)
    text = _UNPRINTABLE.sub("", text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return text.strip("\n").rstrip()


def normalise_document(document: Document) -> Document:
    """Return the document with every text in it normalised."""
    if isinstance(document, Text):
        return replace(document, text=normalise(document.text))
    return normalise_problem(document)


def normalise_problem(problem: Problem) -> Problem:
    """Return the problem with every text in it normalised; empty lines of the solution go, a step is one line."""
    steps = (line for step in problem.steps for line in normalise(step).split("\n"))
    return replace(
        problem,
        question=normalise(problem.question).strip(),
        steps=tuple(line.strip() for line in steps if line.strip()),
        answer=normalise(problem.answer).strip(),
        choices=tuple(normalise(choice).strip() for choice in problem.choices),
    )


def size(document: Document) -> int:
    """Return the number of characters of a document."""
    if isinstance(document, Text):
        return len(document.text)
    return (
        len(document.question) + sum(map(len, document.steps)) + len(document.answer) + sum(map(len, document.choices))
    )


def contents(document: Document) -> str:
    """Return all that makes a document what it is, as one text: two documents with equal contents are duplicates.

    Two solutions of one question are two documents: rejection sampling lives on them.
    """
    if isinstance(document, Text):
        return document.text
    return "\n".join((document.question, *document.choices, *document.steps, document.answer))


def split_key(document: Document) -> str:
    """Return what decides between training and validation: the question, so that its solutions stay together."""
    return document.question if isinstance(document, Problem) else document.text


def pieces(text: str, max_characters: int) -> Iterator[str]:
    """Cut `text` into pieces of at most `max_characters`: at a paragraph, else a line, else a space, else anywhere.

    Only blank lines at a cut are lost. A border in the first half of a piece is passed over, so that there are
    at most about twice as many pieces as needed.
    """
    start = 0
    while len(text) - start > max_characters:
        stop = start + max_characters
        for border in ("\n\n", "\n", " "):
            found = text.rfind(border, start + max_characters // 2, stop)
            if found > 0:
                stop = found + len(border)
                break
        if piece := text[start:stop].strip("\n"):
            yield piece
        start = stop
    if rest := text[start:].strip("\n"):
        yield rest

r"""How much of a text says over again what it has said.

Gopher's rules (Rae et al. 2021, "Scaling language models: methods, analysis and insights from training Gopher", table
A1) drop a page when over 0.30 of its lines or paragraphs are repeats, or over 0.20 of its characters stand in such;
when over 0.15 (5 words) to 0.10 (10 words) of them stand in repeated runs of words; or when one pair to quadruple of
words makes up 0.20 to 0.16. Mathematics repeats more than that by nature: of 10,865 chapters, proofs and programs of
open textbooks and libraries they would drop 18 in a hundred (a sample of 544). What is kept of them, and why:

one measure   the share of the text's words, weighed by their characters, that stand in repeated lines or runs. A
              paragraph that comes again is lines or a run that come again. 0.30 is the recipe's and Gopher's largest.
fourth time   only what comes for the fourth time counts, and after. A theorem is stated for the left and for the right
              and proved in parts, a formula is in the text and its docstring; junk says a thing ten times.
runs of 20    words instead of 5 to 10. Ten words of LaTeX or of a program are one formula or one statement.
lines         only of prose and markup, and from five words up: in a program, and in `\end{align}`, a line is syntax.
no top pairs  `\mathcal O` and `of the` are a fifth of many a chapter.
nearby        within 32,768 characters, so that a long book is no worse than its chapters, and memory stays bounded.

Licence headers, tables, lists of exercises and proofs by cases pass: of those 10,865 documents, 2 are dropped, both
tests that a program wrote. No rule looks at braces, symbols, line ends or particular words. datatrove has Gopher's
rules as a filter, with the paper's constants and spaCy's words, at a twentieth of the speed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganita.corpus.selection.words import Hashes, Words, runs, spans, split, stretches

RUN = 20  # words in a row
LINE = 5  # least words of a line that counts
TIMES = 3  # a line or a run may come this often


def repetition(text: str, *, lines: bool) -> float:
    """Return the share of `text` that repeats it, from 0 to 1; `lines`: repeated lines count, besides runs of words."""
    repeated = total = 0
    for stretch in stretches(text):
        words = split(stretch, signs=False)
        sizes = words.sizes
        again = _in_runs(words.hashes)
        if lines:
            again |= _in_lines(words)
        repeated += int(sizes[again].sum())
        total += int(sizes.sum())
    return repeated / total if total else 0.0


def _in_runs(hashes: Hashes) -> NDArray[np.bool_]:
    """Return which words stand in a run that came `TIMES` times before, (num_words,)."""
    starts = np.flatnonzero(_come_again(runs(hashes, RUN)))
    depth = np.zeros(len(hashes) + 1, dtype=np.int64)
    depth[starts] = 1  # one run starts at a word, and one ends
    depth[starts + RUN] -= 1
    return np.cumsum(depth[:-1]) > 0


def _in_lines(words: Words) -> NDArray[np.bool_]:
    """Return which words stand in a line of `LINE` words or more that came `TIMES` times before, (num_words,)."""
    lines = words.lines
    borders = np.flatnonzero(np.diff(lines, prepend=-1, append=-1))
    starts, stops = borders[:-1], borders[1:]
    lengths = stops - starts
    again = _come_again(spans(words.hashes, starts, stops)) & (lengths >= LINE)
    return np.repeat(again, lengths)


def _come_again(keys: Hashes) -> NDArray[np.bool_]:
    """Return which of `keys` came `TIMES` times before, (num_keys,)."""
    # The place of a key takes the room of its last bits: one sort of plain numbers then orders keys and places.
    bits = np.uint64(len(keys).bit_length())
    packed = np.sort((keys >> bits << bits) | np.arange(len(keys), dtype=np.uint64))
    same = packed[TIMES:] >> bits == packed[:-TIMES] >> bits
    again = np.zeros(len(keys), dtype=np.bool_)
    again[(packed[TIMES:][same] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.intp)] = True
    return again

"""Which pieces of which documents make row k of a stream.

Documents are counted in pairs: one of L tokens has L - 1 pairs of (token, next token). A row has room for
`context_length` pairs. Each epoch takes the documents in a fresh order, a function of (seed, stream, epoch):

    cut    (text)      documents end to end, cut every `context_length` pairs; the last row of an epoch is
                       filled up with padding. Every pair occurs exactly once in an epoch.
    whole  (problems)  whole documents; what is left of a row is padding. A row begins with the first document that
                       waits and takes, while one fits, the longest that fits of the next 64 (best-fit). A document of
                       more than context_length + 1 tokens is left out, and counted.

No pair crosses a document border, and `<|end|>`, after which nothing comes, is a target but never an input.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganita.shards.mixture import shuffled

# Documents that a row is chosen from. On problems of about 110 tokens in rows of 320, 81 % of a row is used if rows
# take documents as they come, 95 % with 16 to choose from, 97.5 % with 64, 98 % with 256.
_WAITING = 64
_KEPT_EPOCHS = 2  # a batch lies in one epoch or across the border of two


class Piece(NamedTuple):
    """Part of a document in a row: `length` pairs from pair `begin` of `document`, put at `column`."""

    document: int
    begin: int
    length: int
    column: int


@dataclass(frozen=True)
class _Epoch:
    order: NDArray[np.int64]  # (num_documents,) documents in the order of their rows
    ends: NDArray[np.int64]  # (num_documents,) pairs up to the end of each
    num_rows: int
    # Whole mode; places are those in the order, before packing, of all documents that fit `longest`.
    starts: list[int]  # (num_rows + 1) first document of each row and one past the last
    passed: NDArray[np.int64]  # (num_rows,) place after all documents of the rows before
    waiting: NDArray[np.int64]  # (num_rows,) least place of a document in this row or a later one


class Packer:
    """Rows of one stream. Keeps nothing but caches: `pieces(k)` is a pure function.

    `longest` is the longest context length of the stage, where rows of several are drawn: packers of the same stream
    then take documents in one order, and one can go on where another stopped (`position`, `row_from`).
    """

    def __init__(
        self,
        lengths: NDArray[np.int64],
        context_length: int,
        *,
        mode: str,
        seed: int,
        name: str,
        longest: int = 0,
    ) -> None:
        assert mode in ("cut", "whole")
        self.context_length, self.mode, self.seed, self.name = context_length, mode, seed, name
        self._pairs = np.maximum(lengths - 1, 0)  # (num_documents,)
        fits = self._pairs > 0
        if mode == "whole":
            self._ordered = np.flatnonzero(fits & (self._pairs <= max(longest, context_length)))
            fits &= self._pairs <= context_length
        self._kept = np.flatnonzero(fits)
        if mode == "cut":
            self._ordered = self._kept
        self.num_left_out = len(lengths) - len(self._kept)
        self.num_pairs = int(self._pairs[self._kept].sum())  # per epoch
        self._first_rows = [0]  # first row of each epoch known so far
        self._cache: OrderedDict[int, _Epoch] = OrderedDict()

    def rows_of_epoch(self, epoch: int) -> int:
        """Return the number of rows in an epoch; in `whole` mode it varies a little with the order."""
        if self.mode == "cut":
            return -(-self.num_pairs // self.context_length)
        return self._epoch(epoch).num_rows

    def locate(self, row: int) -> tuple[int, int]:
        """Return (epoch, row within it) of row `row` of the stream. There must be a document that fits."""
        assert self.num_pairs > 0, f"stream {self.name} has no row"
        if self.mode == "cut":
            return divmod(row, self.rows_of_epoch(0))
        while self._first_rows[-1] <= row:
            self._first_rows.append(self._first_rows[-1] + self.rows_of_epoch(len(self._first_rows) - 1))
        epoch = bisect.bisect_right(self._first_rows, row) - 1
        return epoch, row - self._first_rows[epoch]

    def rows_within(self, epochs: float) -> int:
        """Return the number of whole rows in the first `epochs` epochs, which need not be a whole number."""
        whole = int(epochs)
        rows = whole * self.rows_of_epoch(0) if self.mode == "cut" else sum(map(self.rows_of_epoch, range(whole)))
        # 0.29 of 100 rows are 29, not 28.999...
        return rows + int((epochs - whole) * self.rows_of_epoch(whole) + 1e-6) if epochs > whole else rows

    @property
    def tokens_per_row(self) -> float:
        """Return the mean number of tokens with a next token in a row of the first epoch; the rest is padding."""
        return self.num_pairs / self.rows_of_epoch(0)

    def tokens_before(self, row: int) -> int:
        """Return the exact number of tokens with a next token in the rows before `row`."""
        number, position = self.locate(row)
        if self.mode == "cut":
            return number * self.num_pairs + position * self.context_length
        epoch = self._epoch(number)
        first = epoch.starts[position]
        return number * self.num_pairs + (int(epoch.ends[first - 1]) if first else 0)

    def position(self, row: int) -> int:
        """Return how far the stream is gone through before `row`, in a measure that all context lengths share.

        In pairs (cut) or places in the order of the documents that fit `longest` (whole), over all epochs.
        """
        number, index = self.locate(row)
        if self.mode == "cut":
            return number * self.num_pairs + index * self.context_length
        return number * len(self._ordered) + int(self._epoch(number).passed[index])

    def row_from(self, position: int) -> int:
        """Return the first row from which on nothing lies before `position`."""
        if self.mode == "cut":
            number, pairs = divmod(position, self.num_pairs)
            return number * self.rows_of_epoch(0) + -(-pairs // self.context_length)
        number, place = divmod(position, len(self._ordered))
        row = int(np.searchsorted(self._epoch(number).waiting, place))
        return sum(map(self.rows_of_epoch, range(number))) + row

    def pieces(self, row: int) -> list[Piece]:
        """Return the pieces of row `row` of the stream, left to right."""
        epoch_number, position = self.locate(row)
        epoch = self._epoch(epoch_number)
        if self.mode == "whole":
            first, last = epoch.starts[position], epoch.starts[position + 1]
            start = int(epoch.ends[first - 1]) if first else 0
            stop = int(epoch.ends[last - 1])
        else:
            start = position * self.context_length
            stop = min(start + self.context_length, self.num_pairs)
            first = int(np.searchsorted(epoch.ends, start, side="right"))
            last = int(np.searchsorted(epoch.ends, stop, side="left")) + 1
        pieces, at = [], start
        for document, end in zip(epoch.order[first:last].tolist(), epoch.ends[first:last].tolist(), strict=True):
            length = min(end, stop) - at
            begin = int(self._pairs[document]) - (end - at)
            pieces.append(Piece(document, begin, length, at - start))
            at += length
        return pieces

    def _epoch(self, number: int) -> _Epoch:
        if number not in self._cache:
            self._cache[number] = self._arrange(number)
            if len(self._cache) > _KEPT_EPOCHS:
                self._cache.popitem(last=False)
        self._cache.move_to_end(number)
        return self._cache[number]

    def _arrange(self, number: int) -> _Epoch:
        order = self._ordered[shuffled(len(self._ordered), "documents", self.seed, self.name, number)]
        if self.mode == "cut":
            none = order[:0]
            return _Epoch(order, np.cumsum(self._pairs[order]), self.rows_of_epoch(number), [], none, none)
        places = np.flatnonzero(self._pairs[order] <= self.context_length)
        chosen, starts = best_fit(self._pairs[order[places]].tolist(), self.context_length)
        places = places[chosen]
        order = order[places]
        firsts = np.array(starts[:-1], dtype=np.int64)
        passed = np.concatenate([[0], np.maximum.accumulate(places) + 1])[firsts]
        waiting = np.minimum.accumulate(places[::-1])[::-1][firsts]
        return _Epoch(order, np.cumsum(self._pairs[order]), len(firsts), starts, passed, waiting)


def best_fit(sizes: Sequence[int], room: int, num_waiting: int = _WAITING) -> tuple[list[int], list[int]]:
    """Pack documents of `sizes`, at most `room` each, into rows that hold `room`.

    Returns the numbers of the documents in the order of their rows, and where in it each row begins, with the end. A
    row begins with the first document that waits; of the `num_waiting` documents that wait it then takes the longest
    that fits (of equal ones the last), again and again. So no document comes much later than it would unpacked.
    """
    waiting: list[tuple[int, int]] = []  # (size, document), sorted
    placed = bytearray(len(sizes))
    order: list[int] = []
    starts = [0]
    following = first = 0
    while len(order) < len(sizes):
        while following < len(sizes) and len(waiting) < num_waiting:
            bisect.insort(waiting, (sizes[following], following))
            following += 1
        while placed[first]:
            first += 1
        place, left = bisect.bisect_left(waiting, (sizes[first], first)), room
        while place >= 0:
            size, document = waiting.pop(place)
            placed[document] = 1
            order.append(document)
            left -= size
            place = bisect.bisect_right(waiting, (left, len(sizes))) - 1
        starts.append(len(order))
    return order, starts

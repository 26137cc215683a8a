"""Which row of a training run comes from which stream: by weight, in closed form.

Rows are dealt in blocks of 1,024. Each block holds the same number of rows of each stream, by largest
remainder of its weight (Hamilton's method), in an order shuffled by (seed, block). So row number g of the run
is row b * n_s + i of stream s, where b is its block and i counts the rows of s before it in the block: a
function of (seed, g), with nothing to save or to replay.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ganita.errors import GanitaError

BLOCK = 1024  # rows; weights are met to half a row in a block, and a run of a few blocks is mixed well


def shuffled(count: int, *key: object) -> NDArray[np.int64]:
    """Return a permutation of range(count) that depends on `key` only.

    Sorting raw Philox output instead of calling Generator.permutation: numpy keeps the bit streams of its
    generators for good, but not what Generator makes of them (NEP 19).
    """
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    bits = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(count)
    return np.argsort(bits, kind="stable")


def apportion(weights: Mapping[str, float], rows: int = BLOCK) -> dict[str, int]:
    """Share `rows` over streams by largest remainder; ties go to the stream named first.

    A stream whose share is below one row still gets one: a weight that was given is never ignored.
    Raises `GanitaError` for no positive weight, or more streams than rows.
    """
    total = sum(weights.values())
    if not weights or total <= 0:
        raise GanitaError("no source has a positive weight here; set corpus.sources.NAME.weight (or finetune_weight)")
    if len(weights) > rows:
        raise GanitaError(f"{len(weights)} streams are more than a block of {rows} rows can mix; give fewer sources")
    exact = {name: rows * weight / total for name, weight in weights.items()}
    counts = {name: max(1, int(share)) for name, share in exact.items()}
    while (left := rows - sum(counts.values())) != 0:
        # More than one round only when rows given to tiny streams have to be taken back from large ones.
        step = 1 if left > 0 else -1
        able = [name for name in counts if step > 0 or counts[name] > 1]
        able.sort(key=lambda name: (counts[name] - exact[name]) * step)
        for name in able[: abs(left)]:
            counts[name] += step
    return counts


class Mixture:
    """Deals the rows of a run over streams."""

    def __init__(self, weights: Mapping[str, float], seed: int) -> None:
        self.seed = seed
        self.names = tuple(weights)
        self.counts = apportion(weights)
        self._labels = np.repeat(np.arange(len(self.names)), list(self.counts.values()))  # (BLOCK,)
        # The last few blocks: a batch touches one or two, and validation goes back to the first.
        self._block = functools.lru_cache(maxsize=4)(self._deal)

    def locate(self, row: int) -> tuple[str, int]:
        """Return (stream, row of that stream) for a row of the run."""
        block, offset = divmod(row, BLOCK)
        labels, ranks = self._block(block)
        name = self.names[labels[offset]]
        return name, block * self.counts[name] + int(ranks[offset])

    def used(self, rows: int) -> dict[str, int]:
        """Return how many rows of each stream the first `rows` rows of a run take."""
        block, offset = divmod(rows, BLOCK)
        labels, _ = self._block(block)
        partial = np.bincount(labels[:offset], minlength=len(self.names))
        return {name: block * self.counts[name] + int(partial[index]) for index, name in enumerate(self.names)}

    def _deal(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the stream of each row of a block, and how many rows of that stream come before it: (BLOCK,) both."""
        order = self._labels[shuffled(BLOCK, "mixture", self.seed, block)]
        ranks = np.empty(BLOCK, dtype=np.int64)
        for label in range(len(self.names)):
            places = np.flatnonzero(order == label)
            ranks[places] = np.arange(len(places))
        return order, ranks

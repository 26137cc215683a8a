"""Which row of a training stage comes from which stream, in closed form.

A stage deals its rows in phases (one, unless the recipe has a curriculum), and a phase gives each stream a fixed
number of rows. Within a phase rows are dealt in blocks of 1,024. How many of the first n rows each stream has
follows from n alone (`apportion`), so the streams keep to their shares all along; the order inside a block is
shuffled by (seed, phase, block). Row g of the stage is therefore a known row of a known stream: a function of
(seed, g), with nothing to save or to replay. A stream goes on in a phase where the phase before left it.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ganita.errors import GanitaError, nearest
from ganita.recipe import Phase

BLOCK = 1024  # rows: short enough for streams to be mixed well, long enough to shuffle seldom
NO_LIMIT = 1 << 62  # rows of a stream without a cap


def shuffled(count: int, *key: object) -> NDArray[np.int64]:
    """Return a permutation of range(count) that depends on `key` only.

    Sorting raw Philox output instead of calling Generator.permutation: numpy keeps the bit streams of its
    generators for good, but not what Generator makes of them (NEP 19).
    """
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    bits = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(count)
    return np.argsort(bits, kind="stable")


def apportion(weights: NDArray[np.float64], rows: int) -> NDArray[np.int64]:
    """Share `rows` over streams by the method of Webster (Sainte-Lague); zeros where no weight is positive.

    The method is house-monotone (M. L. Balinski and H. P. Young, Fair Representation, 1982): the shares of
    n + 1 rows are those of n rows and one row more. The largest remainders are not, and could take a row back.
    """
    total = float(weights.sum())
    if total <= 0:
        return np.zeros(len(weights), dtype=np.int64)
    quota = weights / total
    # Stream s has its row i when n rows reach the divisor (i + 1/2) / quota. The n-th row comes within half a row per
    # stream of divisor n: what is due before that is counted at once, the few rows around it one by one.
    certain = rows - len(weights) / 2 - 1
    counts = np.maximum(0, np.floor(quota * certain + 0.5)).astype(np.int64)
    with np.errstate(divide="ignore"):
        for _ in range(rows - int(counts.sum())):
            # By weights, not quotas: whole weights then tie exactly, and a tie goes to the stream named first.
            counts[np.argmin((counts + 0.5) / weights)] += 1
    return counts


def fill(
    weights: NDArray[np.float64], rows: Sequence[int], most: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Share the rows of each phase by its weights, with at most `most` rows of a stream over all phases.

    weights: (phases, streams), rows: (phases,), most: (streams,). Returns the rows of each stream in each phase,
    (phases, streams), and which streams were lowered, (streams,). A stream above its limit is lowered by one factor
    in every phase, and the others share what it leaves by their weights until none is above (water-filling). A
    phase all of whose streams are at their limits comes back short of its rows.
    """
    counts = np.zeros(weights.shape, dtype=np.int64)
    free = np.ones(weights.shape[1], dtype=bool)
    while True:
        for phase, num_rows in enumerate(rows):
            left = num_rows - int(counts[phase, ~free].sum())
            counts[phase, free] = apportion(weights[phase, free], left)
        drawn = counts.sum(axis=0)
        over = free & (drawn > most)
        if not over.any():
            return counts, ~free
        # Rounded down, so that the parts of a limit never come to more than the limit.
        counts[:, over] = counts[:, over] * most[over] // drawn[over]
        free &= ~over


def phase_weights(weights: Mapping[str, float], phases: Sequence[Phase], where: str) -> list[dict[str, float]]:
    """Return the weight of each source in each phase; without phases there is one, of the sources' own weights.

    `where` names the stage in errors. Raises `GanitaError` for an unknown source, a share or weight that is not a
    number above (or at) zero, and a phase in which no source has a weight.
    """
    _check_weights(weights, where)
    found = []
    for number, phase in enumerate(phases):
        place = f"{where}.phases[{number}]"
        for name in phase.weights:
            if name not in weights:
                raise GanitaError(
                    f"{place}: no source {name!r}{nearest(name, weights)}; there are {', '.join(weights)}"
                )
        _check_weights(phase.weights, place)
        if not 0 < phase.share < math.inf:
            raise GanitaError(f"{place}.share = {phase.share}: must be a number above 0")
        found.append({**weights, **phase.weights})
        if not any(found[-1].values()):
            raise GanitaError(f"{place}: no source has a weight above 0; give one in {place}.weights")
    return found or [dict(weights)]


def _check_weights(weights: Mapping[str, float], where: str) -> None:
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise GanitaError(f"{where}: weight of {name!r} = {weight}: must be a number, 0 or above")


def phase_steps(phases: Sequence[Phase], num_steps: int, where: str) -> list[int]:
    """Share the steps of a stage over its phases. Raises `GanitaError` where a phase would have none."""
    steps = split_steps(phases, num_steps)
    if 0 in steps:
        raise GanitaError(f"{where}.phases[{steps.index(0)}]: less than one of the {num_steps} steps; raise its share")
    return steps


def split_steps(phases: Sequence[Phase], num_steps: int) -> list[int]:
    """Share steps over phases, of which some may have none."""
    if not phases:
        return [num_steps]
    # Borders are rounded, not shares: phase k ends where the shares up to it end.
    ends = np.cumsum([phase.share for phase in phases])
    return [int(steps) for steps in np.diff(np.floor(num_steps * ends / ends[-1] + 0.5), prepend=0)]


def mean_weights(weights: Mapping[str, float], phases: Sequence[Phase], where: str) -> dict[str, float]:
    """Return the weights that validation draws by: the stage's own, or the mean over its phases.

    The held-out rows are the same all through a stage, so they follow what the stage trains on as a whole.
    """
    if not phases:
        return dict(weights)
    by_phase = phase_weights(weights, phases, where)
    whole = sum(phase.share for phase in phases)
    # Weights of one phase are no measure for those of another: each phase's are brought to a sum of 1 first.
    parts = [phase.share / whole / sum(mix.values()) for phase, mix in zip(phases, by_phase, strict=True)]
    return {name: sum(part * mix[name] for part, mix in zip(parts, by_phase, strict=True)) for name in weights}


class Mixture:
    """Deals the rows of a stage: `counts[k, s]` rows of stream `names[s]` in phase k."""

    def __init__(self, names: Sequence[str], counts: NDArray[np.int64], seed: int) -> None:
        self.names, self.counts, self.seed = tuple(names), counts, seed
        self._sizes: list[int] = counts.sum(axis=1).tolist()  # rows of each phase
        self._first_rows = [0, *np.cumsum(self._sizes).tolist()]
        self._before = np.vstack([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])  # rows before each phase
        # The last few blocks: a batch touches one or two.
        self._block = functools.lru_cache(maxsize=4)(self._deal)

    @property
    def num_rows(self) -> int:
        """Rows of the whole stage."""
        return int(self._first_rows[-1])

    def locate(self, row: int) -> tuple[str, int]:
        """Return (stream, row of that stream) for a row of the stage."""
        phase, block, offset = self._place(row)
        labels, numbers = self._block(phase, block)
        return self.names[labels[offset]], int(numbers[offset])

    def used(self, rows: int) -> NDArray[np.int64]:
        """Return how many rows of each stream the first `rows` rows of the stage take: (streams,)."""
        if rows == 0:
            return np.zeros(len(self.names), dtype=np.int64)
        # As far as the last of these rows, which lies in a block even where they are all the rows there are.
        phase, block, offset = self._place(rows - 1)
        labels, _ = self._block(phase, block)
        return self._dealt(phase, block * BLOCK) + np.bincount(labels[: offset + 1], minlength=len(self.names))

    def _place(self, row: int) -> tuple[int, int, int]:
        """Return (phase, block in it, row in the block)."""
        assert 0 <= row < self.num_rows, (row, self.num_rows)
        phase = bisect.bisect_right(self._first_rows, row) - 1
        return phase, *divmod(row - self._first_rows[phase], BLOCK)

    def _dealt(self, phase: int, rows: int) -> NDArray[np.int64]:
        """Return the rows of each stream before row `rows` of a phase, earlier phases included."""
        before: NDArray[np.int64] = self._before[phase]
        return before + apportion(self.counts[phase].astype(np.float64), rows)

    def _deal(self, phase: int, block: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the stream of each row of a block and the number of the row in its stream, (rows of the block,)."""
        stop = min((block + 1) * BLOCK, self._sizes[phase])
        first, last = self._dealt(phase, block * BLOCK), self._dealt(phase, stop)
        labels = np.repeat(np.arange(len(self.names)), last - first)
        labels = labels[shuffled(len(labels), "mixture", self.seed, phase, block)]
        numbers = np.empty(len(labels), dtype=np.int64)
        for label in range(len(self.names)):
            numbers[labels == label] = np.arange(first[label], last[label])
        return labels, numbers

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.errors import GanitaError
from ganita.recipe import Phase
from ganita.shards.mixture import (
    BLOCK,
    NO_LIMIT,
    Mixture,
    apportion,
    fill,
    mean_weights,
    phase_steps,
    phase_weights,
    shuffled,
)

WEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(any)


def webster(weights: list[int], rows: int) -> list[int]:
    """Deal one row after the other to the stream with the largest weight / (its rows + 1/2), in exact fractions."""
    counts = [0] * len(weights)
    for _ in range(rows):
        claims = [Fraction(2 * weight, 2 * count + 1) for weight, count in zip(weights, counts, strict=True)]
        counts[claims.index(max(claims))] += 1
    return counts


def water_fill(weights: list[int], rows: int, most: list[int]) -> list[Fraction]:
    """Share rows exactly: give everyone min(weight * level, most) at the level where the rows run out."""
    order = sorted(range(len(weights)), key=lambda s: Fraction(most[s], weights[s]) if weights[s] else NO_LIMIT)
    shares = [Fraction(0)] * len(weights)
    left, pull = Fraction(rows), sum(weights)
    for s in order:
        shares[s] = min(Fraction(most[s]), left * weights[s] / pull) if pull else Fraction(0)
        left, pull = left - shares[s], pull - weights[s]
    return shares


@given(WEIGHTS, st.integers(0, 300))
@settings(max_examples=60)
def test_apportion_is_websters_method(weights: list[int], rows: int) -> None:
    assert apportion(np.array(weights, dtype=float), rows).tolist() == webster(weights, rows)


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=9), st.integers(0, 10**9))
def test_one_row_more_is_never_taken_from_another(weights: list[float], rows: int) -> None:
    before, after = (apportion(np.array(weights), count) for count in (rows, rows + 1))
    assert before.sum() == rows and (before >= 0).all()
    assert sorted((after - before).tolist()) == [0] * (len(weights) - 1) + [1]


def test_apportion_by_hand() -> None:
    assert apportion(np.array([2.0, 1.0, 1.0]), 9).tolist() == [5, 2, 2]
    assert apportion(np.array([1.0, 0.0]), 7).tolist() == [7, 0]
    assert apportion(np.array([0.0, 0.0]), 7).tolist() == [0, 0]
    # Counts that sum to the rows are given back as they are: what a phase was given it draws to the row.
    assert apportion(np.array([17.0, 1.0, 982.0, 3e8]), 300_001_000).tolist() == [17, 1, 982, 300_000_000]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 400)), min_size=1, max_size=6), st.integers(1, 900))
def test_fill_is_water_filling(streams: list[tuple[int, int]], rows: int) -> None:
    weights, most = [list(column) for column in zip(*streams, strict=True)]
    counts, lowered = fill(np.array([weights], dtype=float), [rows], np.array(most))
    assert counts.sum() == min(rows, sum(most)) and (counts[0] <= most).all()
    for count, share in zip(counts[0].tolist(), water_fill(weights, rows, most), strict=True):
        assert abs(count - share) < 2  # rows are whole
    assert all(count == limit for count, limit, low in zip(counts[0], most, lowered, strict=True) if low)


@given(
    st.lists(st.tuples(st.integers(0, 300), *[st.integers(0, 9)] * 3), min_size=2, max_size=5),
    st.tuples(*[st.integers(1, 200)] * 3),
)
def test_limits_count_over_all_phases(streams: list[tuple[int, ...]], rows: tuple[int, ...]) -> None:
    most, *weights = (list(column) for column in zip(*streams, strict=True))
    weights = [[*row, 1] for row in weights]  # one stream that takes what is left everywhere
    counts, _ = fill(np.array(weights, dtype=float), rows, np.array([*most, NO_LIMIT]))
    assert counts.sum(axis=1).tolist() == list(rows)
    assert (counts.sum(axis=0)[:-1] <= most).all()
    assert (counts[np.array(weights) == 0] == 0).all()


def test_a_limited_stream_keeps_its_proportions_over_phases() -> None:
    counts, lowered = fill(np.array([[1.0, 1.0], [3.0, 1.0]]), [400, 400], np.array([250, NO_LIMIT]))
    assert counts.tolist() == [[100, 300], [150, 250]] and lowered.tolist() == [True, False]


@given(st.lists(st.lists(st.integers(0, 900), min_size=3, max_size=3).filter(any), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_each_stream_is_read_in_order_without_gaps_over_phases(counts: list[list[int]]) -> None:
    mixture = Mixture("abc", np.array(counts), seed=1)
    assert mixture.num_rows == sum(map(sum, counts))
    seen: Counter[str] = Counter()
    first = 0
    for phase in counts:
        for row in range(first, first + sum(phase)):
            assert row % 97 or mixture.used(row).tolist() == [seen[name] for name in "abc"]
            name, number = mixture.locate(row)
            assert number == seen[name]
            seen[name] += 1
        first += sum(phase)
    assert mixture.used(first).tolist() == [seen[name] for name in "abc"] == np.sum(counts, axis=0).tolist()


def test_streams_keep_to_their_shares_all_along() -> None:
    """Even a stream of less than a row a block: 1 of 5,000 rows comes at most one row too early or too late."""
    counts = np.array([[9, 5_000, 39_991]])
    mixture = Mixture("abc", counts, seed=1)
    for block in range(1, 43):
        due = counts[0] * block * BLOCK / 45_000
        assert (np.abs(mixture.used(block * BLOCK) - due) <= 1).all()


def test_any_row_can_be_asked_for_first() -> None:
    counts = np.array([[3000, 500], [100, 900]])
    mixture = Mixture("ab", counts, seed=5)
    forward = [mixture.locate(row) for row in range(4500)]
    assert [mixture.locate(row) for row in reversed(range(4500))] == forward[::-1]
    for row in range(0, 4500, 99):
        assert Mixture("ab", counts, seed=5).locate(row) == forward[row]


def test_order_differs_between_blocks_phases_and_seeds() -> None:
    def order(seed: int, first: int) -> list[str]:
        mixture = Mixture("ab", np.array([[BLOCK, BLOCK], [BLOCK, BLOCK]]), seed)
        return [mixture.locate(row)[0] for row in range(first, first + BLOCK)]

    blocks = [order(1, block * BLOCK) for block in range(4)]
    assert all(block.count("a") == BLOCK / 2 for block in blocks)
    assert len({tuple(block) for block in [*blocks, order(2, 0)]}) == 5
    assert order(1, 0) == blocks[0]


def test_shuffle_is_a_fixed_function_of_its_key() -> None:
    # The order of a run may not change with the version of numpy: these come from Philox's raw bits.
    assert shuffled(8, "documents", 1, "x", 0).tolist() == GOLDEN
    assert sorted(shuffled(1000, "k").tolist()) == list(range(1000))
    assert not np.array_equal(shuffled(1000, "k", 1), shuffled(1000, "k", 2))


GOLDEN = [6, 2, 1, 4, 7, 5, 3, 0]


def test_phases_replace_the_weights_they_name() -> None:
    weights = {"web": 2.0, "books": 1.0, "sums": 0.0}
    phases = (Phase(3.0, {"sums": 4.0}), Phase(1.0, {"web": 0.0}))
    assert phase_weights(weights, (), "pretrain") == [weights]
    assert phase_weights(weights, phases, "pretrain") == [
        {"web": 2.0, "books": 1.0, "sums": 4.0},
        {"web": 0.0, "books": 1.0, "sums": 0.0},
    ]
    # Three quarters of (2, 1, 4) / 7 and a quarter of (0, 1, 0).
    mean = mean_weights(weights, phases, "pretrain")
    assert mean == pytest.approx({"web": 3 / 14, "books": 3 / 28 + 1 / 4, "sums": 3 / 7})
    assert mean_weights(weights, (), "pretrain") == weights


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (Phase(1.0, {"boks": 1.0}), r"pretrain\.phases\[1\]: no source 'boks' \(did you mean 'books'\?\)"),
        (Phase(1.0, {"web": 0.0, "books": 0.0}), r"pretrain\.phases\[1\]: no source has a weight above 0"),
        (Phase(1.0, {"web": -1.0}), r"weight of 'web' = -1\.0"),
        (Phase(1.0, {"web": float("nan")}), r"weight of 'web' = nan"),
        (Phase(1.0, {"web": float("inf")}), r"weight of 'web' = inf"),
        (Phase(0.0), r"pretrain\.phases\[1\]\.share = 0\.0"),
        (Phase(float("nan")), r"pretrain\.phases\[1\]\.share = nan"),
    ],
)
def test_phases_that_cannot_be(phase: Phase, message: str) -> None:
    with pytest.raises(GanitaError, match=message):
        phase_weights({"web": 1.0, "books": 1.0}, (Phase(), phase), "pretrain")


def test_steps_of_phases() -> None:
    assert phase_steps((), 10, "pretrain") == [10]
    assert phase_steps((Phase(1.0), Phase(1.0), Phase(1.0)), 10, "pretrain") == [3, 4, 3]
    assert phase_steps((Phase(0.7), Phase(0.3)), 1000, "pretrain") == [700, 300]
    with pytest.raises(GanitaError, match=r"finetune\.phases\[1\]: less than one of the 10 steps"):
        phase_steps((Phase(1.0), Phase(0.001), Phase(1.0)), 10, "finetune")


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_that_cannot_be(weight: float) -> None:
    with pytest.raises(GanitaError, match="pretrain: weight of 'web'"):
        phase_weights({"web": weight}, (), "pretrain")

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.errors import GanitaError
from ganita.shards.mixture import BLOCK, Mixture, apportion, shuffled

WEIGHTS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(1e-6, 1e3), min_size=1)


@given(WEIGHTS, st.integers(8, 2000))
def test_apportion_meets_the_weights(weights: dict[str, float], rows: int) -> None:
    counts = apportion(weights, rows)
    assert sum(counts.values()) == rows
    assert min(counts.values()) >= 1
    exact = {name: rows * weight / sum(weights.values()) for name, weight in weights.items()}
    if min(exact.values()) >= 1:  # then it is Hamilton's method: each share rounded up or down
        assert all(abs(counts[name] - exact[name]) < 1 + 1e-6 for name in weights)
        up = [exact[n] % 1 for n in weights if counts[n] > exact[n]]
        down = [exact[n] % 1 for n in weights if counts[n] < exact[n]]
        assert not up or not down or min(up) >= max(down) - 1e-6


def test_apportion_by_hand() -> None:
    assert apportion({"a": 2, "b": 1, "c": 1}, 9) == {"a": 5, "b": 2, "c": 2}
    assert apportion({"a": 1.0, "b": 1e-9}, 1024) == {"a": 1023, "b": 1}


@pytest.mark.parametrize("weights", [{}, {"a": 0.0, "b": 0.0}])
def test_no_weight_is_an_error(weights: dict[str, float]) -> None:
    with pytest.raises(GanitaError, match="no source has a positive weight"):
        apportion(weights)


def test_too_many_streams_is_an_error() -> None:
    with pytest.raises(GanitaError, match="more than a block"):
        apportion(dict.fromkeys(map(str, range(5)), 1.0), 4)


@given(WEIGHTS, st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_each_stream_is_read_in_order_without_gaps(weights: dict[str, float], seed: int) -> None:
    mixture = Mixture(weights, seed)
    seen: Counter[str] = Counter()
    for row in range(2 * BLOCK + 100):
        name, number = mixture.locate(row)
        assert number == seen[name]
        seen[name] += 1
    assert mixture.used(2 * BLOCK + 100) == {name: seen[name] for name in weights}


def test_order_differs_between_blocks_and_seeds() -> None:
    def order(seed: int, first: int) -> list[str]:
        mixture = Mixture({"a": 1, "b": 1}, seed)
        return [mixture.locate(row)[0] for row in range(first, first + BLOCK)]

    assert order(1, 0) != order(1, BLOCK)
    assert order(1, 0) != order(2, 0)
    assert order(1, 0) == order(1, 0)


def test_shuffle_is_a_fixed_function_of_its_key() -> None:
    # The order of a run may not change with the version of numpy: these come from Philox's raw bits.
    assert shuffled(8, "documents", 1, "x", 0).tolist() == GOLDEN
    assert sorted(shuffled(1000, "k").tolist()) == list(range(1000))
    assert not np.array_equal(shuffled(1000, "k", 1), shuffled(1000, "k", 2))


GOLDEN = [6, 2, 1, 4, 7, 5, 3, 0]

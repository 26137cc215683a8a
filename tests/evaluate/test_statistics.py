from __future__ import annotations

import math

import pytest

from ganita.evaluate.statistics import Z_95, wilson_interval


def by_search(num_right: int, num_items: int) -> tuple[float, float]:
    """The interval by its definition: the proportions p that a two-sided score test at 5 % does not reject."""

    def accepted(p: float) -> bool:
        return abs(num_right / num_items - p) <= Z_95 * math.sqrt(p * (1 - p) / num_items)

    steps = 200_000
    inside = [step / steps for step in range(steps + 1) if accepted(step / steps)]
    return inside[0], inside[-1]


@pytest.mark.parametrize(("num_right", "num_items"), [(520, 1319), (0, 10), (10, 10), (1, 7), (3, 500)])
def test_against_the_definition(num_right: int, num_items: int) -> None:
    assert wilson_interval(num_right, num_items) == pytest.approx(by_search(num_right, num_items), abs=1e-5)


def test_known_values() -> None:
    low, high = wilson_interval(520, 1319)  # 39.4 % of GSM8K
    assert (round(100 * low, 1), round(100 * high, 1)) == (36.8, 42.1)
    # Brown, Cai and DasGupta (2001), the example of a zero count: upper end z^2 / (n + z^2).
    assert wilson_interval(0, 20)[1] == pytest.approx(Z_95**2 / (20 + Z_95**2))


def test_edges() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == 1.0
    with pytest.raises(ValueError, match="proportion"):
        wilson_interval(6, 5)

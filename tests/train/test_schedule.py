from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganita.recipe import Train
from ganita.train.schedule import cosine, factor, warmup_stable_decay

shares = st.floats(0, 0.99)


@given(st.integers(1, 500), shares, shares, st.floats(0, 1), st.sampled_from(["wsd", "cosine"]))
def test_a_factor_is_positive_and_at_most_one_and_rises_then_falls(num_steps, warmup, decay, final, schedule) -> None:
    train = Train(schedule=schedule, warmup=warmup, decay=decay, final_learning_rate=final)
    factors = [factor(step, num_steps, train) for step in range(num_steps)]
    assert all(0 < value <= 1 for value in factors)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert all(left >= right - 1e-12 for left, right in zip(factors[top:], factors[top + 1 :], strict=False))


def test_wsd_has_the_shape_of_its_name() -> None:
    factors = [warmup_stable_decay(step, 100, 0.1, 0.2, 0.0) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10:81] == [1.0] * 71
    assert factors[81] == pytest.approx(0.95)
    assert factors[99] == pytest.approx(0.05)
    assert factors[100] == pytest.approx(0.0)


def test_cosine_passes_its_half_way_mark_and_ends_at_the_final_share() -> None:
    assert cosine(10, 110, 10 / 110, 0.2) == 1.0
    assert cosine(60, 110, 10 / 110, 0.2) == pytest.approx(0.6)
    assert cosine(110, 110, 10 / 110, 0.2) == pytest.approx(0.2)


@pytest.mark.parametrize("schedule", ["wsd", "cosine"])
def test_a_run_of_one_step_learns(schedule) -> None:
    assert factor(0, 1, Train(schedule=schedule)) > 0.5

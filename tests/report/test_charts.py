from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganita.report.charts import Frame, Mark, Series, line_chart, linear_ticks, log_ticks, size_plot, smooth, thin

finite = st.floats(-1e6, 1e6)


@given(finite, st.floats(1e-6, 1e6))
def test_ticks_are_round_inside_and_not_too_many(low: float, width: float) -> None:
    ticks = linear_ticks(low, low + width)
    slack = 1e-6 * (abs(low) + width)
    assert all(low - slack <= tick <= low + width + slack for tick in ticks)
    assert len(ticks) <= 7


def test_log_ticks_are_the_powers_and_their_halves() -> None:
    assert log_ticks(1, 100) == pytest.approx([1, 2, 5, 10, 20, 50, 100])


@given(st.lists(finite, min_size=1, max_size=50))
def test_smoothing_stays_within_the_values(values: list[float]) -> None:
    means = [y for _, y in smooth([(float(x), y) for x, y in enumerate(values)])]
    assert len(means) == len(values)
    assert min(values) - 1e-6 <= min(means) <= max(means) <= max(values) + 1e-6


def test_smoothing_a_constant_changes_nothing() -> None:
    assert [y for _, y in smooth([(float(x), 3.0) for x in range(200)])] == pytest.approx([3.0] * 200)


@given(st.integers(1, 5000))
def test_thinning_keeps_the_end_and_the_order(count: int) -> None:
    points = [(float(x), math.sin(x)) for x in range(count)]
    thinned = thin(points, 100)
    assert len(thinned) <= 100
    assert thinned[-1] == points[-1]
    assert [x for x, _ in thinned] == sorted(x for x, _ in thinned)


def test_a_chart_without_points_is_nothing() -> None:
    assert line_chart("a", "Loss", [Series("raw", "raw", [])], str) == ""


def test_one_point_and_equal_points_can_be_drawn() -> None:
    for points in ([(1.0, 2.0)], [(1.0, 0.0), (2.0, 0.0)]):
        text = line_chart("a", "Loss", [Series("raw", "raw", points)], str)
        assert "nan" not in text
        assert "<polyline" in text


def test_the_frame_maps_ends_to_ends() -> None:
    frame = Frame(100, 50, (1, 100), (0, 10), log_x=True, left=10, right=10, top=5, bottom=5)
    assert [frame.x(1), frame.x(10), frame.x(100)] == pytest.approx([10, 50, 90])
    assert [frame.y(0), frame.y(10)] == pytest.approx([45, 5])


def test_what_is_measured_here_is_solid_with_its_interval_and_the_rest_hollow() -> None:
    published = Mark("Other <b>", 7e9, 36.4, "few-shot")
    own = Mark("ours", 3e7, 39.4, "own", low=36.8, high=42.1)
    text = size_plot([published, own], "plot")
    assert len(re.findall(r'class="glyph solid"', text)) == 1
    assert len(re.findall(r'class="glyph"', text)) == 1
    assert len(re.findall(r'class="interval"', text)) == 3
    assert "Other &lt;b&gt;" in text
    assert "<b>" not in text

"""What a sweep of learning rates over widths says: where the best rate is, and what a transferred one costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def summarise(
    runs: Sequence[Mapping[str, Any]], forms: Sequence[str], widths: Sequence[int]
) -> dict[str, dict[int, Any]]:
    """Return by form and width: mean losses by rate, the best rate, and what the base's best rate costs there.

    At the base, the first of `widths`, all forms are one and the same model: the trainings of the last form count.

    `regret`: the loss at the rate that was best at the base width, less the best loss, in nats; None: diverged.
    """
    found: dict[str, dict[int, Any]] = {form: {} for form in forms}
    for form in forms:
        for width in widths:
            losses = losses_by_rate(runs, forms[-1] if width == widths[0] else form, width)
            means = {rate: statistics.fmean(values) for rate, values in losses.items() if None not in values}
            if not means:
                continue
            best = min(means, key=lambda rate: means[rate])
            at_base = found[form].get(widths[0], {}).get("best_rate", best)
            found[form][width] = {
                "losses": [(rate, means.get(rate)) for rate in losses],
                "best_rate": best,
                "best_rate_by_parabola": vertex(means, best),
                "best_loss": round(means[best], 5),
                "regret": round(means[at_base] - means[best], 5) if at_base in means else None,
                "seeds": min(map(len, losses.values())),
                "spread_over_seeds": round(max(losses[best]) - min(losses[best]), 5),
            }
    return found


def losses_by_rate(runs: Sequence[Mapping[str, Any]], form: str, width: int) -> dict[float, list[Any]]:
    """Collect the validation losses of all seeds, None where one diverged, by learning rate in rising order."""
    found: dict[float, list[Any]] = {}
    for one in sorted(runs, key=lambda one: one["rate"]):
        if (one["form"], one["width"]) == (form, width):
            found.setdefault(one["rate"], []).append(one["validation_loss"])
    return found


def vertex(losses: Mapping[float, float], best: float) -> float | None:
    """Return the minimum of the parabola in log(rate) through the best rate and its neighbours; None at an end."""
    rates = sorted(losses)
    place = rates.index(best)
    if not 0 < place < len(rates) - 1:
        return None
    x, y = zip(*((math.log(rate), losses[rate]) for rate in rates[place - 1 : place + 2]), strict=True)
    left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    curvature = (right - left) / (x[2] - x[0])
    if curvature <= 0:
        return best
    return float(f"{math.exp((x[0] + x[1]) / 2 - left / (2 * curvature)):.3g}")

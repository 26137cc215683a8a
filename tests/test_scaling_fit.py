"""The fit of the law of scaling finds constants that are known."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZES = (3e5, 6e5, 1.2e6, 2.5e6, 5e6)
BUDGETS = (5e5, 1e6, 2e6, 4e6, 8e6)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    return importlib.import_module("scaling_fit")


def trainings(law: Any, noise: float, seed: int = 1) -> tuple[list[float], list[float], list[float]]:
    rng = np.random.default_rng(seed)
    pairs = list(itertools.product(SIZES, BUDGETS))
    losses = [law.loss(n, d) * float(np.exp(rng.normal(0, noise))) for n, d in pairs]
    return [n for n, _ in pairs], [d for _, d in pairs], losses


def test_without_noise_the_constants_come_back(module: Any) -> None:
    law = module.Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)  # Hoffmann et al., section 3.3
    found = module.fit(*trainings(law, 0.0), replicates=10).law
    for name in ("E", "A", "B", "alpha", "beta"):
        assert getattr(found, name) == pytest.approx(getattr(law, name), rel=0.02), name


def test_with_noise_and_an_outlier_the_prediction_holds_and_its_interval_covers_the_truth(module: Any) -> None:
    law = module.Law(E=1.2, A=60.0, B=900.0, alpha=0.35, beta=0.45)
    n, d, losses = trainings(law, 0.004)
    losses[7] *= 1.25  # one training that went wrong: squares would follow it
    fit = module.fit(n, d, losses, replicates=120)
    for size, budget in ((2e7, 4e7), (1e7, 8e7)):
        value, low, high = fit.loss(size, budget)
        assert value == pytest.approx(law.loss(size, budget), rel=0.05)
        assert low <= law.loss(size, budget) <= high
        assert high - low < 0.5
    assert all(low <= value <= high for value, low, high in fit.constants().values())
    assert 0.01 < fit.rms_log_error < 0.1  # the outlier is in it


def test_the_optimum_is_the_least_loss_on_its_line_of_equal_work(module: Any) -> None:
    law = module.Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    flops = 1e17
    n, d = law.optimum(flops)
    assert 6 * n * d == pytest.approx(flops)
    around = [law.loss(n * factor, flops / (6 * n * factor)) for factor in np.geomspace(0.2, 5, 101)]
    assert min(around) == pytest.approx(law.loss(n, d), abs=1e-9)
    assert int(np.argmin(around)) == 50


def test_the_same_trainings_give_the_same_fit(module: Any) -> None:
    data = trainings(module.Law(1.5, 80.0, 300.0, 0.3, 0.35), 0.003)
    assert module.fit(*data, replicates=20) == module.fit(*data, replicates=20)


def test_too_little_or_senseless_data_is_refused(module: Any) -> None:
    with pytest.raises(ValueError, match="at least 6, of 3 sizes, at 3 budgets"):
        module.fit([1e6] * 9, [1e6, 2e6, 3e6] * 3, [3.0] * 9)
    with pytest.raises(ValueError, match="positive"):
        module.fit([1e6, 2e6, 3e6] * 3, [1e6] * 3 + [2e6] * 3 + [3e6] * 3, [3.0] * 8 + [float("nan")])

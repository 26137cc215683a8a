"""What the experiments in benchmarks/ conclude from their trainings."""

from __future__ import annotations

import argparse
import importlib
import math
import random
import statistics
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    return importlib.import_module


@pytest.mark.parametrize(("best_at", "tried"), [(1.0, 3), (2.0, 4), (0.25, 5), (100.0, 5)])
def test_a_sweep_goes_on_while_the_best_lies_at_an_end(scripts: Any, best_at: float, tried: int) -> None:
    module, asked = scripts("optimizers"), set()
    experiment = object.__new__(module.Experiment)

    def result(arm: str, rate: float, seed: int) -> dict[str, float]:
        asked.add(rate)
        return {"choosing_loss": abs(math.log(rate / (best_at * module.START_RATE[arm])))}

    experiment.result = result
    best = experiment.best_rate("muon")
    assert len(asked) == tried
    assert best == min(asked, key=lambda rate: result("muon", rate, 0)["choosing_loss"])


def test_a_rate_that_diverges_is_not_chosen(scripts: Any) -> None:
    module = scripts("optimizers")
    experiment = object.__new__(module.Experiment)
    experiment.result = lambda arm, rate, seed: {"choosing_loss": None if rate > 0.003 else 1.0 / rate}
    assert experiment.best_rate("adamw") == 0.003


def test_optimisers_are_compared_seed_by_seed(scripts: Any) -> None:
    losses = {("adamw", 1): 3.0, ("adamw", 2): 3.4, ("muon", 1): 2.8, ("muon", 2): 3.1}
    runs = [{"arm": arm, "seed": seed, "rate": 0.1, "loss": loss} for (arm, seed), loss in losses.items()]
    found = scripts("optimizers").summarise({"adamw": 0.1, "muon": 0.1}, runs, (1, 2))
    assert found["adamw_minus_muon"] == [0.2, 0.3]
    assert found["mean_difference"] == 0.25
    assert found["standard_error"] == pytest.approx(0.05)
    runs[0]["loss"] = None
    assert "nothing is compared" in scripts("optimizers").summarise({"adamw": 0.1, "muon": 0.1}, runs, (1, 2))["note"]


def test_the_error_of_a_paired_difference_knows_that_neighbours_are_alike(scripts: Any) -> None:
    draw = random.Random(1)
    full = [3.0 + draw.gauss(0, 0.5) for _ in range(500)]
    drift = [draw.gauss(0, 0.1) for _ in range(10)]
    low = [loss + 0.01 + drift[step // 50] for step, loss in enumerate(full)]
    mean, error = scripts("precision").paired(full, low)
    assert mean == pytest.approx(0.01 + statistics.fmean(drift), abs=1e-6)
    assert error == pytest.approx(statistics.stdev(drift) / math.sqrt(10), abs=1e-6), (
        "not that of 500 independent steps"
    )


def test_a_precision_that_diverged_is_said(scripts: Any) -> None:
    options = argparse.Namespace(seeds=1, steps=4, window=2)
    runs = [
        {"precision": arm, "seed": 1, "losses": [3.0] * steps, "held_out": [(4, 3.0)]}
        for arm, steps in (("float32", 4), ("bfloat16", 2))
    ]
    assert scripts("precision").summarise(runs, options) == {"diverged": [("bfloat16", 1)]}
    runs[1]["losses"] = [3.0, 3.0, 3.1, 3.3]
    assert scripts("precision").summarise(runs, options)["train_difference"] == pytest.approx(0.2)


def test_an_arm_makes_what_it_has_settings_for_and_what_follows(scripts: Any, tmp_path: Path) -> None:
    arms = tmp_path / "small.arms.toml"
    arms.write_text(
        """
        [experiment]
        recipe = "small.toml"
        seeds = 2
        share = ["corpus", "tokenizer", "shards"]
        [arms.all]
        [arms."without code"]
        "corpus.sources.code.weight" = 0
        [arms.merged]
        "tokenizer.method" = "merged"
        [arms."fewer problems"]
        "corpus.sources.stories.count" = 10
        """,
        encoding="utf-8",
    )
    ablation = scripts("ablation").Ablation(arms, 0, tmp_path)
    shared = {arm: ablation.shared_with(arm) for arm in ablation.arms}
    assert shared == {
        "all": ["corpus", "tokenizer", "shards"],
        "without code": ["corpus", "tokenizer", "shards"],
        "merged": ["corpus"],
        "fewer problems": [],
    }

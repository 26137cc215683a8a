from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganita import hardware
from ganita.errors import GanitaError
from ganita.plan import Plan, duration, make_plan
from ganita.recipe import Train, recipe_from_dict
from ganita.runs import Run

TREE = {
    "name": "planned",
    "corpus": {"sources": [{"name": "a", "families": "train", "count": 1000}]},
    "model": {"layers": 2, "width": 64, "heads": 2, "context_length": 64},
    "pretrain": {"tokens": 100_000, "batch_tokens": 1000},
    "cost": {"watts": 100.0, "price_per_hour": 2.0},
}


def planned(tmp_path: Path, *overrides: str, calibrate: bool = False) -> Plan:
    recipe = recipe_from_dict(TREE, overrides)
    return make_plan(recipe, Run(tmp_path / recipe.name), calibrate=calibrate)


def row(plan: Plan, what: str) -> tuple[str, str]:
    return next((value, reason) for label, value, reason in plan.rows if label == what)


def test_derived_numbers_follow_from_the_recipe(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert row(plan, "pretrain steps")[0] == "100"
    assert row(plan, "pretrain batch")[0] == "15 rows"  # 1000 tokens hold 15 whole rows of 64
    assert row(plan, "pretrain tokens")[0] == "96 k"
    assert "finetune steps" not in {what for what, _, _ in plan.rows}, "a stage without budget is left out"
    assert plan.refusals == []
    assert not (tmp_path / "planned").exists(), "a plan writes nothing"


def test_every_number_has_a_reason(tmp_path: Path) -> None:
    assert all(reason for _, _, reason in planned(tmp_path).rows)


def test_calibration_measures_and_prices(tmp_path: Path) -> None:
    plan = planned(tmp_path, "pretrain.tokens=1e9", calibrate=True)
    speed = float(re.search(r"([\d,]+) tokens/s", row(plan, "pretrain time")[1]).group(1).replace(",", ""))
    tokens = recipe_from_dict(TREE, ["pretrain.tokens=1e9"]).pretrain.num_steps * 15 * 64
    assert plan.seconds == pytest.approx(tokens / speed, rel=0.01)
    assert float(row(plan, "cost")[0].split()[0]) == pytest.approx(plan.seconds / 3600 * 2.0, abs=0.01)
    assert float(row(plan, "energy")[0].split()[0]) == pytest.approx(plan.seconds / 3600 * 0.1, abs=0.001)


def test_what_cannot_fit_is_refused_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GanitaError, match=r"memory.*model\.width"):
        planned(tmp_path, "max_memory_gb=0.001").require_fit()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(GanitaError, match=r"disk.*--runs"):
        planned(tmp_path).require_fit()


def test_a_machine_with_less_memory_refuses_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "memory_limit_bytes", lambda: 10_000_000)
    assert planned(tmp_path).refusals


@pytest.mark.parametrize(
    "seconds, text", [(5, "5 s"), (89, "89 s"), (600, "10 min"), (7500, "2 h 05 min"), (89 * 60, "89 min")]
)
def test_durations_are_written_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_steps_round_up_and_steps_win_over_tokens() -> None:
    assert Train(tokens=1001, batch_tokens=1000).num_steps == 2
    assert Train(tokens=1001, batch_tokens=1000, steps=7).num_steps == 7
    assert Train().num_steps == 0

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganita import hardware
from ganita.costs import write_energy, write_money
from ganita.errors import GanitaError
from ganita.model.config import num_parameters, resolve
from ganita.plan import Plan, _plan_mixture, _plan_training, duration, make_plan
from ganita.progress import Reporter
from ganita.recipe import Train, recipe_from_dict
from ganita.runs import Run
from tests.shards.streams import write_shards

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
    assert row(plan, "cost")[0] == write_money(plan.seconds / 3600 * 2.0, "USD")
    assert row(plan, "energy")[0] == write_energy(plan.seconds * 100.0)
    assert row(plan, "energy")[1].startswith("100 W as given; ")


def test_a_training_stage_is_priced_in_all_and_per_billion_tokens(tmp_path: Path, monkeypatch) -> None:
    """1e9 tokens at a million a second: 1,000 s at 100 W and 2 USD an hour; the grid at 360 g a kWh."""
    figures = {"tokens_per_second": 1e6, "mfu": 0.25, "peak_bytes": 1e9}
    monkeypatch.setattr("ganita.train.calibrate.calibrate", lambda *_, **__: figures)
    plan = planned(tmp_path, "pretrain.steps=1000000", "cost.grams_co2_per_kwh=360", calibrate=True)
    assert row(plan, "pretrain cost") == (
        "26.7 Wh, 9.6 g CO2, 0.53 USD",
        "100 W as given; MFU 25%",
    )  # 960 tokens a step
    assert row(plan, "pretrain per billion") == ("27.8 Wh, 10 g CO2, 0.56 USD", "tokens: 17 min")
    copy = 12 * 160_000  # bytes a parameter of the copy that checkpoints are written from
    assert float(row(plan, "memory")[0].split()[0]) >= (1e9 + copy) / 1e9 - 0.005


def test_without_watts_or_price_the_estimate_says_so(tmp_path: Path, monkeypatch) -> None:
    figures = {"tokens_per_second": 1e6, "mfu": 0.25, "peak_bytes": 1e9}
    monkeypatch.setattr("ganita.train.calibrate.calibrate", lambda *_, **__: figures)
    monkeypatch.setattr(hardware, "num_cores", lambda: 3)
    plan = planned(tmp_path, "cost.watts=0", "cost.price_per_hour=0", "pretrain.device=cpu", calibrate=True)
    assert "18 W estimated for 3 CPU cores" in row(plan, "energy")[1]
    assert "USD" not in row(plan, "pretrain cost")[0]
    assert "cost" not in {what for what, _, _ in plan.rows}


def test_a_model_too_large_to_be_measured_on_a_cpu_is_calculated(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> dict:
        raise AssertionError("a step of this model takes a CPU minutes")

    monkeypatch.setattr("ganita.train.calibrate.calibrate", refuse)
    shape = ["model.layers=15", "model.width=1024", "model.heads=16", "tokenizer.vocabulary_size=17357"]
    plan = planned(tmp_path, *shape, "pretrain.tokens=1e9", "pretrain.device=cpu", calibrate=True)
    config = resolve(recipe_from_dict(TREE, shape).model, 17_357)
    tokens = 10**6 * 15 * 64  # steps of 1,000 tokens hold 15 rows of 64
    seconds = tokens * (6 * num_parameters(config) + 12 * 15 * 1024 * 64) / (989e12 * 0.4)
    value, reason = row(plan, "pretrain time")
    assert value == f"about {duration(seconds)}"
    assert "assumed" in reason and "not measured" in reason
    assert plan.seconds == 0, "an assumption is not added to what was measured"


def test_sets_that_are_not_at_hand_are_said_before_they_are_missed(tmp_path: Path) -> None:
    sources = "corpus.sources=[{set='gsm8k-train'}, {set='openstax-math', optional=true}]"
    plan = planned(tmp_path, sources)
    assert row(plan, "to download")[0].startswith("2 sets")  # the benchmark they are compared with, too
    assert row(plan, "left out")[1].startswith("openstax-math: optional")
    assert "sets to download are not in it" in row(plan, "disk")[1]


def test_a_long_mixture_does_not_push_the_reasons_away(tmp_path: Path, capsys) -> None:
    names = "corpus.sources=[" + ", ".join(f"{{name='source-{n}', families='train', count=10}}" for n in range(9)) + "]"
    plan = planned(tmp_path, names)
    assert [value for what, value, _ in plan.rows if what == "pretrain mixture"][4] == "source-4 11.1%"
    plan.add("long", "x" * 200, "reason")
    plan.show(Reporter())
    lines = [line for line in capsys.readouterr().out.splitlines() if "xxx" not in line]
    assert all(line.index(reason) < 60 for line, (_, _, reason) in zip(lines, plan.rows, strict=False))


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


MIXED = {
    "corpus": {
        "sources": [
            {"name": "book", "path": "b.txt", "weight": 3.0},
            {"name": "sums", "path": "s.jsonl", "weight": 1.0, "finetune_weight": 1.0, "max_epochs": 2.0},
        ]
    },
    "model": {"context_length": 16},
    "pretrain": {"steps": 50, "batch_tokens": 130},
}


def mixture(shards: Path | None, *overrides: str) -> Plan:
    plan, recipe = Plan(), recipe_from_dict(MIXED, overrides)
    _plan_mixture(plan, "pretrain", recipe.pretrain, recipe, shards)
    return plan


def test_the_mixture_is_known_by_weight_before_the_shards_are(tmp_path: Path) -> None:
    value, reason = row(mixture(None), "pretrain mixture")
    assert value == "book 75.0%, sums 25.0%" and "once the shards are there" in reason
    phases = "pretrain.phases=[{share=4.0, weights={sums=0.0}}, {share=1.0, weights={sums=9.0}}]"
    plan = mixture(None, phases)
    assert row(plan, "pretrain phases")[0] == "40, 10"
    assert row(plan, "pretrain mixture")[0] == "book 85.0%, sums 15.0%"  # (4 * 1 + 3/12) / 5
    with pytest.raises(GanitaError, match="no source 'boook'"):
        mixture(None, "pretrain.phases=[{weights={boook=1.0}}]")


def test_the_mixture_is_known_in_full_once_the_shards_are_there(tmp_path: Path) -> None:
    write_shards(tmp_path, {"book": [17] * 100, "sums.words": [10, 11] * 20})
    plan = mixture(tmp_path)
    value, reason = row(plan, "pretrain sums.words")
    # 40 documents, none of which shares a row of 16 with another: two passes are 80 of 400 rows.
    assert value == "12.9% of tokens" and reason == "25.0% by weight; 760 tokens, 2.00 epochs"
    assert row(plan, "pretrain book") == ("87.1% of tokens", "75.0% by weight; 5.12 k tokens, 3.20 epochs")
    assert "sums.words: 12.9% of the tokens instead of 25.0%, by max_epochs = 2" in row(plan, "pretrain note")[1]
    assert plan.refusals == []
    plan = mixture(tmp_path, "pretrain.phases=[{share=1.0}, {share=1.0, weights={sums=0.0}}]")
    assert row(plan, "pretrain book")[1].endswith("% then 100.0%")


def test_a_mixture_that_cannot_be_given_is_refused(tmp_path: Path) -> None:
    write_shards(tmp_path, {"book": [17] * 100, "sums.words": [10, 11] * 20})
    plan = mixture(tmp_path, "corpus.sources.book.max_epochs=1.0")
    with pytest.raises(GanitaError, match=r"this plan does not fit: pretrain: .*at most 2,816 \(22 steps\)"):
        plan.require_fit()


def test_phases_of_other_lengths_are_planned_one_by_one(tmp_path: Path) -> None:
    write_shards(tmp_path, {"book": [80] * 100, "sums.words": [10, 11] * 200})
    phases = "pretrain.phases=[{share=3.0}, {share=2.0, context_length=64, rope_scale=4.0}]"
    plan = mixture(tmp_path, phases)
    assert row(plan, "pretrain phases")[0] == "30, 20"
    assert row(plan, "pretrain book")[1].count("%") == 3  # by weight, then in either phase
    recipe = recipe_from_dict(MIXED, [phases])
    config = resolve(recipe.model, 300)
    plan = Plan()
    _plan_training(plan, "pretrain", recipe.pretrain, recipe, config, num_parameters(config), calibrate=False)
    batches = [(value, reason) for what, value, reason in plan.rows if what == "pretrain batch"]
    assert batches == [
        ("8 rows", "130 tokens / context of 16; from step 1"),
        ("2 rows", "130 tokens / context of 64; from step 31"),
    ]
    assert row(plan, "pretrain tokens")[0].strip() == "6.4 k"  # 30 steps of 128, 20 of 128

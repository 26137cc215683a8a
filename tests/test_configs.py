"""The recipes of configs/: each loads, says what it costs by an arithmetic that holds, and runs in small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganita.model.config import flops_per_token, num_parameters, resolve
from ganita.pipeline import execute
from ganita.pipeline import resolve as with_benchmarks
from ganita.progress import Reporter
from ganita.recipe import Recipe, load_recipe
from ganita.runs import STAGES, Run
from ganita.shards.spans import stage_spans
from ganita.storage import read_json
from tests.hub_folder import write_hub_folder

CONFIGS = Path(__file__).parent.parent / "configs"
GPU = ("ganita-30m", "ganita-208m", "ganita-208m-1h")
PEAK = {"H100": 989e12, "A100": 312e12}  # dense bfloat16, NVIDIA's data sheets
# law.toml has a test of its own (test_new_domain.py), quick.toml is `make run` itself.
SMALL = ("cpu", *GPU)
SHRUNK = [
    "model.layers=2", "model.width=32", "model.heads=2", "model.hidden=64", "model.context_length=512",
    "tokenizer.vocabulary_size=500", "corpus.workers=1", "train.batch_tokens=1024", "train.micro_rows=1",
    "train.compile=off", "train.precision=float32", "train.validate_rows=2", "pretrain.steps=5", "finetune.steps=3",
    "evaluate.limit=2", "evaluate.families_count=2", "evaluate.max_new_tokens=4", "evaluate.batch_rows=8",
]  # fmt: skip


def header(name: str) -> str:
    """Return the comment at the top of a recipe as one line of text."""
    lines = (CONFIGS / f"{name}.toml").read_text(encoding="utf-8").split("\nname = ")[0].splitlines()
    return " ".join(" ".join(line.removeprefix("#") for line in lines).split())


def training_flops(recipe: Recipe) -> float:
    """Return the work of both training stages by 6 N + 12 L d T."""
    config = resolve(recipe.model, recipe.tokenizer.vocabulary_size)
    context, total = recipe.model.context_length, 0.0
    for stage in ("pretrain", "finetune"):
        train = getattr(recipe, stage)
        spans = stage_spans(train, stage, train.context_length or context)
        total += sum(flops_per_token(config, span.context_length).paper * span.tokens for span in spans)
        context = max(context, *(span.context_length for span in spans))
    return total


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_loads_and_says_what_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIGS.parent)  # law.toml names its files from there
    recipe = load_recipe(path)
    assert recipe.name == path.stem, "the run's folder is found by the name of the recipe"
    assert recipe.description
    assert path.read_text(encoding="utf-8").startswith("# ")
    with_benchmarks(recipe)


@pytest.mark.parametrize("name", GPU)
def test_a_recipe_for_a_gpu_states_data_work_time_cost_and_result(name: str) -> None:
    text = header(name)
    places = [text.index(f" {word} ") for word in ("Data", "Work", "Time", "Cost", "Expected")]
    assert places == sorted(places)
    assert re.search("[Cc]alculated", text) and re.search("not measured|nothing measured", text)
    assert "not known" in text[places[-1] :]


def test_the_stated_times_follow_from_the_work() -> None:
    flops = {name: training_flops(load_recipe(CONFIGS / f"{name}.toml")) for name in GPU}
    minutes = flops["ganita-30m"] / (PEAK["H100"] * 0.20) / 60, flops["ganita-30m"] / (PEAK["A100"] * 0.30) / 60
    assert f"= {minutes[0]:.0f} minutes of training" in header("ganita-30m")
    assert f"takes {minutes[1]:.0f} minutes" in header("ganita-30m")
    hour = flops["ganita-208m-1h"]
    assert f"= {hour:.2e} FLOP".replace("e+", "e") in header("ganita-208m-1h")
    assert f"= {hour / (PEAK['H100'] * 0.4) / 60:.0f} minutes on an H100" in header("ganita-208m-1h")
    on_a100 = hour / (PEAK["A100"] * 0.4) / 60
    assert f"{on_a100 // 60:.0f} h {on_a100 % 60:.0f} min" in header("ganita-208m-1h")
    paper = flops["ganita-208m"]
    assert f"= {paper / (PEAK['H100'] * 0.4) / 3600:.1f} hours on one H100" in header("ganita-208m")
    assert f"public trainers, {paper / (PEAK['H100'] * 0.46) / 3600:.0f} hours" in header("ganita-208m")
    assert f"312 TFLOP/s: {paper / (PEAK['A100'] * 0.4039) / 3600:.0f} hours" in header("ganita-208m")


def test_the_paper_is_the_paper() -> None:
    recipe = load_recipe(CONFIGS / "ganita-208m.toml")
    config = resolve(recipe.model, recipe.tokenizer.vocabulary_size)
    assert 206e6 < num_parameters(config) < 208e6
    assert (recipe.model.context_length, recipe.tokenizer.vocabulary_size) == (4096, 17_357)
    assert (recipe.pretrain.tokens, recipe.corpus.validation_share) == (31_500_000_000, 0.05)
    proxy = resolve(
        load_recipe(CONFIGS / "ganita-208m.toml", ["model.width=256", "model.heads=4", "model.hidden=688"]).model,
        17_357,
    )
    assert recipe.model.mup_base_width == proxy.width
    assert 14e6 < num_parameters(proxy) < 17e6
    tuned = [source.label for source in recipe.corpus.sources if source.finetune_weight]
    assert tuned == ["metamathqa"]
    assert not [source.label for source in recipe.corpus.sources if "arxiv" in source.label], "the paper leaves it out"
    small = load_recipe(CONFIGS / "ganita-208m-1h.toml")
    assert (
        resolve(small.model, small.tokenizer.vocabulary_size).to_dict() | {"context_length": 4096} == config.to_dict()
    )


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_runs_in_small(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    path = CONFIGS / f"{name}.toml"
    generated = [source.label for source in load_recipe(path).corpus.sources if source.count]
    overrides = [*SHRUNK, f"runs={tmp_path}", *(f"corpus.sources.{label}.count=40" for label in generated)]
    recipe = with_benchmarks(load_recipe(path, overrides))
    monkeypatch.setenv("GANITA_DATA", str(write_hub_folder(tmp_path / "data", recipe)))
    run = Run(tmp_path / name)
    execute(recipe, run, reporter)
    assert all(run.has(stage) for stage in STAGES)
    card = read_json(run.stage("corpus") / "card.json")
    assert set(card["sources"]) == {source.label for source in recipe.corpus.sources}, (
        "a set of the recipe was not read"
    )
    results = read_json(run.stage("evaluate") / "results.json")
    assert set(recipe.evaluate.tasks) <= set(results)

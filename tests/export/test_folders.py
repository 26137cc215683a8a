"""A Hugging Face folder as a run: evaluated at once, and trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganita as package
from ganita.errors import GanitaError
from ganita.evaluate.contamination import find_overlap
from ganita.evaluate.run import evaluate_task
from ganita.evaluate.tasks import find_tasks
from ganita.export.command import export
from ganita.export.folders import import_run
from ganita.pipeline import check_run, decide
from ganita.progress import Reporter
from ganita.runs import Run
from ganita.solve.solver import load_solver
from ganita.train.stages import load_model
from tests.export.conftest import call
from tests.tiny import write_tiny


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, "hf", tmp_path_factory.mktemp("hf") / "out")


def test_there_and_back(run: Run, folder: Path, tmp_path: Path) -> None:
    imported = import_run(folder, "back", tmp_path)
    (before, tokenizer), (after, same) = load_model(run), load_model(imported)
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in before.state_dict().items())
    assert after.config == before.config
    assert same.fingerprint == tokenizer.fingerprint
    check_run(imported)
    question = "Ann has 3 pens and buys 4. How many has she now?"
    said = [package.load(each.root).solve(question, max_new_tokens=12).text for each in (run, imported)]
    assert said[0] == said[1]
    with pytest.raises(GanitaError, match="exists"):
        import_run(folder, "back", tmp_path)


def test_it_is_evaluated(folder: Path, tmp_path: Path) -> None:
    code, _, errors = call("import", folder, "--name", "back", "--runs", tmp_path)
    assert code == 0, errors
    words = ["--set", "evaluate.families_count=3", "--set", "evaluate.max_new_tokens=4"]
    code, _, errors = call("evaluate", tmp_path / "back", *words)
    assert code == 0, errors
    results = json.loads((tmp_path / "back" / "evaluate" / "results.json").read_text(encoding="utf-8"))
    assert results["families"]["n"] == 3
    code, said, errors = call("evaluate", tmp_path / "back", *words)
    assert (code, "families: done before" in said) == (0, True), errors
    code, _, errors = call("evaluate", tmp_path / "back", *words, "--tasks", "stories", "--limit", "2")
    assert code == 0, errors
    results = json.loads((tmp_path / "back" / "evaluate" / "results.json").read_text(encoding="utf-8"))
    assert {name: result["n"] for name, result in results.items()} == {"families": 3, "stories-first2": 2}


def test_the_engine_is_no_part_of_an_evaluation(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("gguf")
    recipe, records = run.recipe(), []
    recipe = replace(recipe, evaluate=replace(recipe.evaluate, families_count=6, max_new_tokens=30, samples=2))
    for engine in ("torch", "llama.cpp"):
        chosen = replace(recipe, evaluate=replace(recipe.evaluate, engine=engine))
        solver = load_solver(run.root, engine=engine, dtype="f32")
        (task,) = find_tasks(["families"])
        folder, overlap = tmp_path / engine / "families", find_overlap(task, run)
        evaluate_task(task, chosen, solver.sampler, folder, Reporter(quiet=True), overlap)
        files = sorted((tmp_path / engine / "families").glob("*.jsonl"))
        records.append([path.read_text(encoding="utf-8") for path in files])
        steps = decide(replace(run.recipe(), evaluate=replace(run.recipe().evaluate, engine=engine)), run)
        assert {step.action for step in steps} == {"skip"}
    assert len(records[0]) == 2
    assert records[0] == records[1]


def test_training_goes_on_from_it(folder: Path, tmp_path: Path) -> None:
    imported = import_run(folder, "on", tmp_path)
    start, _ = load_model(imported, "pretrain")
    overrides = ["name=on", "finetune.steps=1", "evaluate.families_count=2"]
    after = package.run(write_tiny(tmp_path), overrides, runs=str(tmp_path), quiet=True)
    assert after.root == imported.root
    assert "imported" in after.manifest("pretrain"), "neither tokenizer nor pretrained model was made anew"
    assert after.model_stage() == "finetune"
    trained, _ = load_model(after)
    moved = (trained.output_weight - start.output_weight).abs().max()
    assert 0 < moved < 0.1 * start.output_weight.abs().max()
    assert {step.action for step in decide(after.recipe(), after)} == {"skip"}


def test_what_cannot_be_trained_on_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match=r"no config\.json"):
        import_run(tmp_path, "x", tmp_path / "runs")
    other = tmp_path / "other"
    other.mkdir()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (other / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}), encoding="utf-8")
    code, _, errors = call("import", other, "--name", "x", "--runs", tmp_path / "runs")
    assert (code, len(errors)) == (2, 1)
    assert "'gpt2' cannot be imported; llama and qwen3 can" in errors[0]
    assert not (tmp_path / "runs" / "x").exists()

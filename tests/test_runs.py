from __future__ import annotations

from pathlib import Path

import pytest

from ganita.errors import GanitaError
from ganita.recipe import recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.storage import seal, write_json


def finished(run: Run, stage: str, **summary: object) -> None:
    folder = run.root / stage
    folder.mkdir(parents=True)
    seal(folder, {"summary": summary})


def test_a_missing_stage_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match="stage 'shards' is not there yet; run `ganita run`"):
        Run(tmp_path).stage("shards")


def test_the_final_weights_are_the_tuned_ones_if_there_are_any(tmp_path: Path) -> None:
    run = Run(tmp_path)
    finished(run, "pretrain", steps=5)
    assert run.model_stage() == "pretrain"
    finished(run, "finetune", steps=0)
    assert run.model_stage() == "pretrain", "a stage without budget has no weights"
    write_json(run.root / "finetune" / "manifest.json", {"summary": {"steps": 3}})
    assert run.model_stage() == "finetune"


def test_a_run_returns_the_recipe_it_was_made_from(tmp_path: Path) -> None:
    recipe = recipe_from_dict({"name": "x", "train": {"steps": 3}})
    write_json(tmp_path / "recipe.json", recipe_to_dict(recipe))
    assert Run(tmp_path).recipe() == recipe


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    for ask in (Run(tmp_path).recipe, Run(tmp_path).model_stage):
        with pytest.raises(GanitaError, match="not a run folder"):
            ask()

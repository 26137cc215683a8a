"""The pipeline's promises, on stages that only write a file."""

from __future__ import annotations

import dataclasses
import sys
import types
from pathlib import Path

import pytest

from ganita import pipeline
from ganita.errors import GanitaError, IntegrityError
from ganita.pipeline import Stage, decide, execute
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict, recipe_to_dict
from ganita.runs import Run


class World:
    """Two chained stages whose work is counted and can be made to fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.leftovers: list[list[str]] = []
        self.fail_in = ""
        self.outside = "v1"

    def work(self, name: str):
        def build(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict:
            self.calls.append(name)
            self.leftovers.append(sorted(path.name for path in folder.iterdir()))
            (folder / "half.txt").write_text("half")
            if self.fail_in == name:
                raise GanitaError("no")
            (folder / "out.txt").write_text(f"{name} {recipe.seed}")
            return {"n": 1}

        return build


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    module = types.ModuleType("fake_rooms")
    module.corpus, module.pretrain = world.work("corpus"), world.work("pretrain")  # type: ignore[attr-defined]
    module.input_fingerprint = lambda recipe: world.outside  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_rooms", module)
    stages = {
        "corpus": Stage(
            "corpus", (), "fake_rooms", "corpus", lambda r: recipe_to_dict(r.tokenizer), reads_outside=True
        ),
        "pretrain": Stage(
            "pretrain", ("corpus",), "fake_rooms", "pretrain", lambda r: recipe_to_dict(r.model), resumable=True
        ),
    }
    monkeypatch.setattr(pipeline, "TABLE", stages)
    return world


RECIPE = recipe_from_dict({})
OTHER = recipe_from_dict({"model": {"layers": 9}})


def actions(recipe: Recipe, run: Run) -> list[str]:
    return [step.action for step in decide(recipe, run)]


def test_runs_in_order_then_skips(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    execute(RECIPE, run, reporter)
    assert world.calls == ["corpus", "pretrain"]
    execute(RECIPE, run, reporter)
    assert world.calls == ["corpus", "pretrain"]
    assert run.manifest("pretrain")["summary"] == {"n": 1}
    assert not list((tmp_path / "r").glob("*.partial"))


def test_a_changed_setting_reruns_its_stage_only_and_says_why(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    execute(RECIPE, run, reporter)
    steps = decide(OTHER, run)
    assert [step.action for step in steps] == ["skip", "rebuild"]
    assert steps[1].reason == "pretrain.layers was 4, now 9"
    execute(OTHER, run, reporter)
    assert world.calls == ["corpus", "pretrain", "pretrain"]


def test_what_was_replaced_is_kept_and_taken_back(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    execute(RECIPE, run, reporter)
    execute(OTHER, run, reporter)
    assert actions(RECIPE, run) == ["skip", "restore"]
    execute(RECIPE, run, reporter)
    assert world.calls == ["corpus", "pretrain", "pretrain"]
    assert actions(RECIPE, run) == ["skip", "skip"]


def test_a_changed_input_reruns_what_follows(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    execute(RECIPE, run, reporter)
    world.outside = "v2"
    steps = decide(RECIPE, run)
    assert [step.action for step in steps] == ["rebuild", "rebuild"]
    assert "files it reads changed" in steps[0].reason
    assert "input 'corpus' changed" in steps[1].reason


def test_a_cut_off_resumable_stage_finds_its_own_leftovers(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    world.fail_in = "pretrain"
    with pytest.raises(GanitaError):
        execute(RECIPE, run, reporter)
    assert actions(RECIPE, run) == ["skip", "resume"]
    world.fail_in = ""
    execute(RECIPE, run, reporter)
    assert "half.txt" in world.leftovers[-1]
    assert actions(RECIPE, run) == ["skip", "skip"]


def test_leftovers_of_another_recipe_are_set_aside_and_found_again(
    world: World, tmp_path: Path, reporter: Reporter
) -> None:
    run = Run(tmp_path / "r")
    world.fail_in = "pretrain"
    for recipe in (RECIPE, OTHER):
        with pytest.raises(GanitaError):
            execute(recipe, run, reporter)
        assert "half.txt" not in world.leftovers[-1]
    with pytest.raises(GanitaError):
        execute(RECIPE, run, reporter)
    assert "half.txt" in world.leftovers[-1], "the first attempt was lost"


def test_a_cut_off_stage_that_cannot_resume_starts_clean(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    world.fail_in = "corpus"
    for _ in range(2):
        with pytest.raises(GanitaError):
            execute(RECIPE, run, reporter)
    assert "half.txt" not in world.leftovers[-1]
    assert not list(run.root.glob("corpus*")), "nothing half-written is left behind"


def test_an_altered_input_is_named_and_refused(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    execute(RECIPE, run, reporter)
    (run.root / "corpus" / "out.txt").write_text("corpus 2")  # same size, other content
    with pytest.raises(IntegrityError, match=r"corpus/out\.txt.*altered"):
        execute(OTHER, run, reporter)


def test_one_stage_alone_needs_its_inputs(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    with pytest.raises(GanitaError, match="reads stage 'corpus'"):
        execute(RECIPE, run, reporter, only="pretrain")
    execute(RECIPE, run, reporter, only="corpus")
    execute(RECIPE, run, reporter, only="pretrain")
    assert world.calls == ["corpus", "pretrain"]


def test_two_processes_do_not_write_one_run(world: World, tmp_path: Path, reporter: Reporter) -> None:
    run = Run(tmp_path / "r")
    with pipeline.lock(run.root), pytest.raises(GanitaError, match="another ganita process"):
        execute(RECIPE, run, reporter)


def test_settings_of_how_not_what_leave_a_model_valid() -> None:
    part = pipeline._train_part(RECIPE, RECIPE.pretrain, "weight")
    changed = dataclasses.replace(RECIPE.pretrain, log_steps=99, keep_checkpoints=7, micro_rows=3)
    assert pipeline._train_part(RECIPE, changed, "weight") == part
    assert pipeline._train_part(RECIPE, dataclasses.replace(changed, clip=2.0), "weight") != part


def test_every_stage_says_what_it_used_the_sessions_before_included(
    world: World, tmp_path: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Meter:
        source = "counted"

        def __init__(self, *_: object) -> None:
            """Count nothing yet."""

        def joules(self) -> float:
            return 50.0

    monkeypatch.setattr("ganita.hardware.PowerMeter", Meter)
    run = Run(tmp_path / "r")
    world.fail_in = "pretrain"
    with pytest.raises(GanitaError):
        execute(RECIPE, run, reporter)
    world.fail_in = ""
    execute(RECIPE, run, reporter)
    corpus, pretrain = run.manifest("corpus"), run.manifest("pretrain")
    assert (corpus["joules"], corpus["energy_source"]) == (50.0, "counted")
    assert pretrain["joules"] == 100.0, "the session that failed was paid for too"
    assert pretrain["seconds"] > 0
    assert corpus["peak_memory_bytes"] > 1e6


def test_what_changes_no_answer_repeats_no_evaluation() -> None:
    part = pipeline.TABLE["evaluate"].part

    def of(**settings: object) -> dict:
        return part(recipe_from_dict({"evaluate": settings}))

    assert of(strict_items=True, batch_rows=2, engine="auto") == of()
    assert of(few_shot=5) != of()
    assert of(chat_template="off") != of()

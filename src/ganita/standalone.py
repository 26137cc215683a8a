"""Evaluation of a model that no pipeline made here: the bundled one, an imported one, one of `hf:` (baselines.py).

<run>/recipe.json       how the benchmarks are asked
      model.json        which model it is
      touched.json      of the bundled model: which items its training data touched
      evaluate/         as in any run, so that `compare`, `answers` and the report read it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganita import __version__
from ganita.errors import GanitaError
from ganita.evaluate.contamination import TOUCHED
from ganita.evaluate.records import RESULTS
from ganita.evaluate.suites import asked_with, evaluate_more, tasks_of
from ganita.evaluate.tasks import find_tasks
from ganita.hardware import describe
from ganita.pipeline import lock
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.solve.bundled import NAME, load_bundled, read_card
from ganita.solve.sampler import with_likelihoods
from ganita.solve.solver import load_solver
from ganita.storage import read_json, seal, write_json

MODEL = "model.json"


def evaluate_bundled(
    suite: str,
    names: Sequence[str],
    settings: Mapping[str, Any],
    out: Path,
    reporter: Reporter,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Evaluate the model that ships and return its results by task (default: those of its own recipe).

    `settings` are fields of a recipe's `evaluate`, `overrides` dotted ones. The first call makes the run folder `out`,
    later ones add to it. Raises `GanitaError` where no model ships, and where `out` is another model's.
    """
    card = read_card()
    own = recipe_from_dict(card["recipe"], overrides, where=NAME)
    tasks = tasks_of(suite, names) or find_tasks(own.evaluate.tasks)
    asked = asked_with(own, settings, tasks)
    run = Run(out)
    with lock(run.root):
        open_run(run, recipe_to_dict(own), {"model": NAME, "dtype": card["dtype"], "files": card["files"]})
        write_json(run.root / TOUCHED, card["touched"])
        solver = load_bundled(calculator=asked.evaluate.calculator, engine=_engine(own))
        return evaluate_more(run, asked, tasks, with_likelihoods(solver.sampler), reporter)


def evaluate_imported(
    run: Run,
    suite: str,
    names: Sequence[str],
    settings: Mapping[str, Any],
    reporter: Reporter,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Evaluate the model of `ganita import`, which has no corpus; as `evaluate_bundled`."""
    own = recipe_from_dict(read_json(run.root / "recipe.json"), overrides, where=str(run.root))
    tasks = tasks_of(suite, names) or find_tasks(own.evaluate.tasks)
    asked = asked_with(own, settings, tasks)
    with lock(run.root):
        _open_evaluation(run, {name: run.manifest(name)["fingerprint"] for name in ("tokenizer", run.model_stage())})
        calculator, device = asked.evaluate.calculator, own.finetune.device
        solver = load_solver(run.root, calculator=calculator, device=device, engine=_engine(own))
        return evaluate_more(run, asked, tasks, with_likelihoods(solver.sampler), reporter)


def _engine(recipe: Recipe) -> str:
    """Return the engine that is asked for; left to choose, PyTorch, which any benchmark can be asked of."""
    return "torch" if recipe.evaluate.engine == "auto" else recipe.evaluate.engine


def is_imported(run: Run) -> bool:
    """Say whether a run is an imported model that nothing was trained or read for."""
    return not run.has("corpus") and run.has("pretrain") and "imported" in run.manifest("pretrain")


def open_run(run: Run, tree: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Make a run folder with an evaluation of nothing, or see that the one there is of the same model.

    Raises `GanitaError` where it is another model's, or a run of its own.
    """
    if (run.root / MODEL).is_file():
        before = read_json(run.root / MODEL)
        if before != identity:
            raise GanitaError(
                f"{run.root} holds results of another model, {before['model']}; name another folder with --name"
            )
    elif (run.root / "recipe.json").exists():
        raise GanitaError(f"{run.root} is a run of its own; name another folder with --name")
    if not run.has("evaluate"):
        write_json(run.root / "recipe.json", tree)
        write_json(run.root / "env.json", {"ganita": __version__, **describe()})
        write_json(run.root / MODEL, identity)
        _open_evaluation(run, {})


def _open_evaluation(run: Run, inputs: Mapping[str, str]) -> None:
    """Write an evaluation of nothing, made with these stages (name: fingerprint), unless there is one."""
    if run.has("evaluate"):
        return
    folder = run.root / "evaluate"
    folder.mkdir(exist_ok=True)
    write_json(folder / RESULTS, {})
    seal(folder, {"summary": {"tasks": {}}, "identity": {"inputs": dict(inputs)}})

"""More benchmarks for a finished run: what `ganita evaluate RUN --suite NAME --tasks TASK` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganita.evaluate.suites import asked_with, evaluate_more, tasks_of
from ganita.pipeline import execute, lock
from ganita.progress import Reporter
from ganita.recipe import Recipe
from ganita.runs import Run
from ganita.solve.sampler import with_likelihoods
from ganita.solve.solver import load_solver


def evaluate_run(
    recipe: Recipe, run: Run, suite: str, names: Sequence[str], settings: Mapping[str, Any], reporter: Reporter
) -> dict[str, Any]:
    """Evaluate the run on a suite and on tasks by name, its own first if that was not done; return the results.

    `settings` are fields of the recipe's `evaluate` that these benchmarks are asked with. Raises `GanitaError` for what
    does not exist or cannot work, before any work.
    """
    tasks = tasks_of(suite, names)
    asked = asked_with(recipe, settings, tasks)
    if not run.has("evaluate"):
        execute(recipe, run, reporter, only="evaluate")
    with lock(run.root):
        solver = load_solver(run.root, calculator=asked.evaluate.calculator, device=recipe.finetune.device)
        return evaluate_more(run, asked, tasks, with_likelihoods(solver.sampler), reporter)

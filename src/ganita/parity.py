"""A finished run by lm-evaluation-harness: what `ganita evaluate RUN --engine lm-eval --tasks TASK` does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganita.evaluate import harness
from ganita.evaluate.contamination import Overlaps
from ganita.evaluate.records import RESULTS
from ganita.evaluate.suites import settings_name, show_table, tasks_of
from ganita.evaluate.tasks import CHOICE, find_tasks
from ganita.hardware import pick_device
from ganita.model.huggingface import export_run
from ganita.pipeline import lock
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.storage import read_json, write_json
from ganita.tokenizer.tokenizer import Tokenizer


def evaluate_by_harness(
    recipe: Recipe, run: Run, suite: str, names: Sequence[str], settings: Mapping[str, Any], reporter: Reporter
) -> Path:
    """Export the run's model, let the harness evaluate it on the tasks (default: the recipe's own), return its folder.

    Tasks have the names that our own engine gives them, so that the two can be compared. Raises `MissingExtraError`
    without the harness, `GanitaError` for tasks that do not exist or settings that cannot work.
    """
    reporter.say(harness.require_harness())
    tasks = tasks_of(suite, names) or find_tasks(recipe.evaluate.tasks)
    tree = recipe_to_dict(recipe)
    tree["evaluate"] |= {**settings, "samples": 0, "calculator": False}  # the harness has none
    asked = recipe_from_dict(tree, where="ganita evaluate")
    ending = settings_name(recipe, asked)
    out, overlaps = run.root / harness.FOLDER, Overlaps(run)
    with lock(run.root), tempfile.TemporaryDirectory() as scratch:
        folder = export_run(run, Path(scratch) / "model")
        model = harness.load_model(folder, asked.evaluate.batch_rows, str(pick_device(recipe.finetune.device)))
        tokenizer = Tokenizer.load(folder)
        results: dict[str, Any] = read_json(out / RESULTS) if (out / RESULTS).is_file() else {}
        for task in tasks:
            name = task.name + ending
            fitted = model if task.scorer == CHOICE else harness.widened(model, asked.evaluate.max_new_tokens)
            results[name] = harness.evaluate_task(
                task, asked, fitted, tokenizer, out / name, reporter, overlaps.of(task)
            )
            write_json(out / RESULTS, results)  # after each task: a killed call keeps what is done
    show_table({task.name + ending: results[task.name + ending] for task in tasks}, reporter)
    return out

"""More benchmarks for a finished run: a suite, or tasks by name. What it was evaluated on before stays.

    evaluate/<task>/items.jsonl     beside those of the recipe's own tasks
             results.json           one entry more
    suite.partial/<task>/           at work; goes on where it was cut off

A task that is asked otherwise than the recipe asks (few-shot, plain text, fewer items) has a name of its own,
`gsm8k-5shot`: results of two protocols never stand under one name. The results are added to the sealed stage one task
at a time; a note says what is being added, so that a kill in between is mended by the next call.
"""

from __future__ import annotations

import dataclasses
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ganita.corpus.registry import sets
from ganita.errors import GanitaError, nearest
from ganita.evaluate.contamination import Overlaps
from ganita.evaluate.items import require_demonstrations
from ganita.evaluate.prompts import choose
from ganita.evaluate.records import RESULTS
from ganita.evaluate.results import summary_of
from ganita.evaluate.run import evaluate_task, files_behind
from ganita.evaluate.scoring import judged_by
from ganita.evaluate.tasks import Task, find_tasks, load_tasks
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.solve.sampler import Sampler
from ganita.storage import MANIFEST, fingerprint, read_json, remove, seal, write_json

PARTIAL, NOTE, IDENTITY = "suite.partial", "adding.json", "identity.json"
_EVERY = "all"


def load_suites() -> dict[str, list[str]]:
    """Return the names of the tasks of each suite."""
    text = resources.files("ganita.evaluate").joinpath("suites.toml").read_text(encoding="utf-8")
    suites = {name: list(table["tasks"]) for name, table in tomllib.loads(text).items()}
    # A slice of a training set serves the choice of models; most are trained on it.
    every = [task.name for task in load_tasks().values() if task.set and not sets.find(task.set).is_slice]
    return {**suites, _EVERY: every}


def find_suite(name: str) -> list[str]:
    """Return the names of the tasks of a suite. Raises `GanitaError` for one that there is not."""
    suites = load_suites()
    if name not in suites:
        raise GanitaError(f"no suite {name!r}{nearest(name, suites)}; there are {', '.join(suites)}")
    return suites[name]


def tasks_of(suite: str, names: Sequence[str]) -> list[Task]:
    """Return the tasks of a suite (empty: of none) and those named, each once. Raises what `find_tasks` raises."""
    return find_tasks([*dict.fromkeys([*(find_suite(suite) if suite else ()), *names])])


def require_askable(tasks: Sequence[Task], recipe: Recipe) -> None:
    """Raise `GanitaError` for what cannot be asked so, before the first of many tasks has taken its minutes."""
    for task in tasks:
        choose(task, recipe.evaluate)
        if recipe.evaluate.few_shot:
            require_demonstrations(task)


def asked_with(recipe: Recipe, settings: Mapping[str, Any], tasks: Sequence[Task]) -> Recipe:
    """Return a recipe whose `evaluate` has these fields, checked as any recipe is, and against what is to be asked."""
    tree = recipe_to_dict(recipe)
    tree["evaluate"] |= settings
    asked = recipe_from_dict(tree, where="ganita evaluate")
    require_askable(tasks, asked)
    return asked


def evaluate_more(
    run: Run, recipe: Recipe, tasks: Sequence[Task], sampler: Sampler, reporter: Reporter
) -> dict[str, Any]:
    """Evaluate a finished run on `tasks`, add the results to its own, show them as a table and return them by name.

    `recipe` is the run's, with whatever is to be asked otherwise in its `evaluate`. What was evaluated before in the
    same way is not evaluated again. Raises `GanitaError` where the evaluate stage is not there yet.
    """
    folder, partial = run.stage("evaluate"), run.root / PARTIAL
    _require_same_model(run)
    _finish_adding(run, partial)
    differences, overlaps = settings_name(run.recipe(), recipe), Overlaps(run)
    shown: dict[str, Any] = {}
    for task in tasks:
        name = task.name + differences
        identity = _identity(task, recipe, sampler)
        before = read_json(folder / RESULTS).get(name)
        if before and (before.get("identity") == identity or ("identity" not in before and not differences)):
            reporter.say(f"  {name}: done before")
            shown[name] = before
            continue
        note = partial / name / IDENTITY
        if not note.is_file() or read_json(note) != identity:  # another model or another set: nothing to go on from
            remove(partial / name)
            write_json(note, identity)
        result = evaluate_task(task, recipe, sampler, partial / name, reporter, overlaps.of(task))
        shown[name] = {**result, "identity": identity}
        write_json(partial / NOTE, {"name": name, "result": shown[name]})
        _finish_adding(run, partial)
    remove(partial)
    show_table(shown, reporter)
    return shown


def _require_same_model(run: Run) -> None:
    """Refuse to put results of a newer model beside those of an older one."""
    read: Mapping[str, str] = run.manifest("evaluate").get("identity", {}).get("inputs", {})
    for name, print_ in read.items():
        if run.has(name) and run.manifest(name).get("fingerprint") != print_:
            raise GanitaError(
                f"{run.root}: {name} is newer than the evaluation; first run `ganita evaluate {run.root}`"
            )


def settings_name(own: Recipe, asked: Recipe) -> str:
    """Return what is added to the names of tasks that are asked otherwise than the run's own recipe asks."""
    ours, theirs = own.evaluate, asked.evaluate
    parts = {
        f"{theirs.few_shot}shot": theirs.few_shot != ours.few_shot,
        {"on": "template", "off": "plain", "auto": "auto"}[theirs.chat_template]: (
            theirs.chat_template != ours.chat_template
        ),
        theirs.form: theirs.form != ours.form,
        f"first{theirs.limit or 'all'}": theirs.limit != ours.limit,
        "calculator" if theirs.calculator else "nocalculator": theirs.calculator != ours.calculator,
    }
    return "".join(f"-{part}" for part, differs in parts.items() if differs)


def _identity(task: Task, recipe: Recipe, sampler: Sampler) -> dict[str, Any]:
    """Return what the records of a task are a function of, but for the model, which is the run's."""
    settings = dataclasses.asdict(dataclasses.replace(recipe.evaluate, batch_rows=0, tasks=(), strict_items=False))
    return {
        "task": fingerprint(task.to_dict()),
        "files": fingerprint(files_behind(task, recipe)),
        "settings": fingerprint([settings, recipe.seed]),
        "tokenizer": sampler.tokenizer.fingerprint,
        **judged_by(task.scorer),
    }


def _finish_adding(run: Run, partial: Path) -> None:
    """Carry out what the note says, wherever an earlier attempt was cut off; without a note do nothing."""
    note = partial / NOTE
    if not note.is_file():
        return
    wanted: dict[str, Any] = read_json(note)
    name, folder = wanted["name"], run.stage("evaluate")
    source, target = partial / name, folder / name
    results: dict[str, Any] = read_json(folder / RESULTS)
    if source.is_dir():
        (source / IDENTITY).unlink(missing_ok=True)
        if target.exists():
            _set_aside(run, name, results.get(name, {}), target)
        source.rename(target)
    write_json(folder / RESULTS, {**results, name: wanted["result"]})
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    manifest.setdefault("summary", {}).setdefault("tasks", {})[name] = summary_of(wanted["result"])
    seal(folder, {key: value for key, value in manifest.items() if key != "files"})
    note.unlink()


def _set_aside(run: Run, name: str, result: Mapping[str, Any], target: Path) -> None:
    """Keep results that are replaced, because the benchmark or the way it is asked is another one now."""
    kept = run.root / "superseded" / f"evaluate-{name}-{fingerprint(result)[:12]}"
    kept.parent.mkdir(exist_ok=True)
    remove(kept)
    shutil.move(target, kept)
    write_json(kept / RESULTS, {name: result})


_HEADERS = ("task", "n", "strict|acc", "95 %", "flexible|acc_norm", "95 %", "chance", "", "clean", "touched", "s")
_LEFT = ("task", "")


def show_table(results: Mapping[str, Any], reporter: Reporter) -> None:
    """Print one line a task: n, both scores with their interval, chance, clean and touched items, seconds."""
    rows = [_HEADERS, *((name, *_cells(result)) for name, result in results.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
    for row in rows:  # by hand: rich cuts and wraps the cells of a table on a narrow terminal, and in a file
        cells = (
            cell.ljust(width) if header in _LEFT else cell.rjust(width)
            for cell, width, header in zip(row, widths, _HEADERS, strict=True)
        )
        reporter.console.print("  ".join(cells).rstrip(), markup=False)


def _cells(result: Mapping[str, Any]) -> list[str]:
    band, parts = result.get("chance"), result["contamination"]
    cells = [f"{result['n']:,}"]
    for key in ("strict", "flexible"):
        score = result[key]
        if key in result.get("unmeasured", {}):
            cells += ["not measured", ""]
            continue
        cells += [_percent(score["accuracy"]), f"{_percent(score['low'])}-{_percent(score['high'])}"]
    half = _percent((band["high"] - band["low"]) / 2) if band else ""
    cells += [f"{_percent(band['accuracy'])} +- {half}", band["strict"]] if band else ["", ""]
    for part in ("clean", "touched"):
        one = parts.get(part) if parts["compared"] else None
        cells.append(f"{_percent(one['strict']['accuracy'])} ({one['n']:,})" if one and one["n"] else "-")
    return [*cells, f"{result['seconds']:.0f}"]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"

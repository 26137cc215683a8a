"""Reads what a run left behind into one plain tree; whatever is missing is None or empty, never an error.

A report is wanted most when something went wrong, so a stage that is not there, is at work, or left a file
that cannot be read costs a section, not the page.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ganita.errors import GanitaError
from ganita.evaluate.answers import remarks
from ganita.evaluate.mistakes import error_class
from ganita.evaluate.records import Record
from ganita.evaluate.statistics import wilson_interval
from ganita.recipe import Recipe, recipe_to_dict
from ganita.runs import STAGES, Run
from ganita.storage import read_json

TRAINING = ("pretrain", "finetune")
MAX_ITEMS = 2000  # per task, embedded in the page
MAX_EMBEDDED = 6_000_000  # characters of items on the page, all tasks together
MAX_TEXT = 6000  # characters of one question or output


@dataclass(frozen=True)
class Stage:
    """One stage of the run: `done`, `at work` (a partial folder is there) or `not run`."""

    name: str
    state: str
    folder: Path | None = None
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """What the stage said of itself."""
        found = self.manifest.get("summary")
        return found if isinstance(found, dict) else {}

    @property
    def seconds(self) -> float | None:
        """Wall-clock time of the stage in seconds."""
        return number(self.manifest.get("seconds"), self.summary.get("seconds"))


@dataclass(frozen=True)
class Task:
    """One benchmark: its line of results.json, and the items that fit on the page."""

    name: str
    result: dict[str, Any]
    items: list[dict[str, Any]]
    num_items: int
    families: dict[str, tuple[int, int]]  # family -> (right, items)

    def score(self, kind: str) -> dict[str, float] | None:
        """Return {accuracy, low, high} (shares) of the `strict` or `flexible` reading."""
        return _score(self.result, kind, self.num_items)

    @property
    def contamination(self) -> dict[str, Any]:
        """What the evaluate stage says of the items that were found in the sources; {} for an older run."""
        found = self.result.get("contamination")
        return found if isinstance(found, dict) else {}

    def part(self, name: str) -> tuple[int, dict[str, float] | None, dict[str, float] | None]:
        """Return of the `clean` or the `touched` items how many there are, their strict and their flexible score."""
        found = self.contamination.get(name)
        count = int(number(found.get("n")) or 0) if isinstance(found, dict) else 0
        if not isinstance(found, dict) or not count:
            return 0, None, None
        return count, _score(found, "strict", count), _score(found, "flexible", count)


def _score(result: dict[str, Any], kind: str, num_items: int) -> dict[str, float] | None:
    found = result.get(kind)
    if isinstance(found, dict) and number(found.get("accuracy")) is not None:
        total = result.get("n") or num_items
        low, high = wilson_interval(min(total, max(0, round(found["accuracy"] * total))), total)
        return {"accuracy": found["accuracy"], "low": found.get("low", low), "high": found.get("high", high)}
    return None


@dataclass(frozen=True)
class Findings:
    """Everything that the page shows."""

    run: Run
    recipe: Recipe
    resolved: dict[str, Any]
    environment: dict[str, Any]
    stages: dict[str, Stage]
    card: dict[str, Any]
    tokenizer: dict[str, Any]
    model: dict[str, Any]
    num_parameters: int | None
    metrics: dict[str, list[dict[str, Any]]]
    tasks: list[Task]
    baselines: dict[str, Any]

    @property
    def headline(self) -> Task | None:
        """The task whose accuracy heads the page: GSM8K if it was run, else the first."""
        scored = [task for task in self.tasks if task.score("strict")]
        return next((task for task in scored if task.name.startswith("gsm8k")), scored[0] if scored else None)


def gather(run: Run) -> Findings:
    """Read the run. Only a missing or broken recipe.json is an error (`GanitaError`)."""
    recipe = run.recipe()
    stages = {name: _stage(run, name) for name in STAGES}
    model = next((found for name in reversed(TRAINING) if (found := _json(stages[name], "model/config.json"))), {})
    environment = _read(run.root / "env.json")
    return Findings(
        run=run,
        recipe=recipe,
        resolved=recipe_to_dict(recipe),
        environment=environment,
        stages=stages,
        card=_json(stages["corpus"], "card.json"),
        tokenizer=_json(stages["tokenizer"], "report.json"),
        model=model,
        num_parameters=_num_parameters(stages, model),
        metrics={name: _metrics(stages[name]) for name in TRAINING},
        tasks=_tasks(stages["evaluate"]),
        baselines=load_baselines(),
    )


def load_baselines() -> dict[str, Any]:
    """Return the published rows that come with the package."""
    return tomllib.loads(resources.files("ganita.report").joinpath("baselines.toml").read_text(encoding="utf-8"))


def number(*candidates: Any) -> float | None:
    """Return the first candidate that is a finite number."""
    for value in candidates:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return value
    return None


def tokens_seen(findings: Findings, stage: str) -> float | None:
    """Tokens that a training stage went through."""
    lines = [line for line in findings.metrics[stage] if line.get("kind") == "train"]
    summary = findings.stages[stage].summary
    return number(summary.get("tokens"), lines[-1].get("tokens") if lines else None)


def joules_used(findings: Findings, stage: str) -> float | None:
    """Energy of a stage in joules: its summary, its last line of metrics, or the recipe's watts times its seconds."""
    found = findings.stages[stage]
    measured = number(found.summary.get("joules"), found.manifest.get("joules"))
    if measured is None and stage in TRAINING:
        values = [value for line in findings.metrics[stage] if (value := number(line.get("joules"))) is not None]
        measured = values[-1] if values else None  # the meter counts up over the whole stage
    if measured is None and findings.recipe.cost.watts > 0 and found.seconds is not None:
        measured = findings.recipe.cost.watts * found.seconds
    return measured


def _stage(run: Run, name: str) -> Stage:
    if run.has(name):
        return Stage(name, "done", run.root / name, _read(run.root / name / "manifest.json"))
    if run.partial(name).is_dir():
        return Stage(name, "at work", run.partial(name))
    return Stage(name, "not run")


def _read(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (GanitaError, OSError):
        return {}
    return value if isinstance(value, dict) else {}


def _json(stage: Stage, name: str) -> dict[str, Any]:
    return _read(stage.folder / name) if stage.folder else {}


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON Lines up to the first one that is broken."""
    found: list[dict[str, Any]] = []
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                value = json.loads(line)
                if isinstance(value, dict):
                    found.append(value)
    except (OSError, ValueError):
        pass
    return found


def _metrics(stage: Stage) -> list[dict[str, Any]]:
    if stage.folder is None:
        return []
    return [line for line in _lines(stage.folder / "metrics.jsonl") if number(line.get("step")) is not None]


def _num_parameters(stages: dict[str, Stage], model: dict[str, Any]) -> int | None:
    for name in reversed(TRAINING):
        summary = stages[name].summary
        if (found := number(summary.get("parameters"))) is not None:
            return int(found)
    if not model:
        return None
    from ganita.model.config import ModelConfig, num_parameters

    try:
        return num_parameters(ModelConfig(**model))
    except TypeError:  # a config.json of another version
        return None


def _tasks(stage: Stage) -> list[Task]:
    results = _json(stage, "results.json")
    results = results["tasks"] if isinstance(results.get("tasks"), dict) else results
    tasks = []
    for name, result in results.items():
        if isinstance(result, dict) and stage.folder is not None:
            records = _lines(stage.folder / name / "items.jsonl")
            tasks.append(Task(name, result, _sample(records), len(records), _families(records)))
    return _bounded(tasks)


def _bounded(tasks: list[Task]) -> list[Task]:
    """Thin out the items of the largest task, evenly, until all together are no more than `MAX_EMBEDDED`."""
    sizes = [sum(map(_size, task.items)) for task in tasks]
    while sum(sizes) > MAX_EMBEDDED:
        largest = sizes.index(max(sizes))
        tasks[largest] = replace(tasks[largest], items=tasks[largest].items[::2])
        sizes[largest] = sum(map(_size, tasks[largest].items))
    return tasks


def _size(item: dict[str, Any]) -> int:
    return sum(len(value) for value in item.values() if isinstance(value, str)) + 200


def _families(records: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for record in records:
        if record.get("family"):
            right, total = found.get(str(record["family"]), (0, 0))
            found[str(record["family"])] = right + bool(record.get("strict")), total + 1
    return found


def _sample(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep at most MAX_ITEMS records, evenly spaced: the same ones every time, right and wrong as they fall."""
    count = min(len(records), MAX_ITEMS)
    return [_item(records[index * len(records) // count]) for index in range(count)]


def _item(record: dict[str, Any]) -> dict[str, Any]:
    def text(key: str) -> str:
        value = record.get(key)
        return "" if value is None else str(value)[:MAX_TEXT]

    answer = text("answer_strict")
    verdict = "right" if record.get("strict") else "wrong" if answer else "none"
    return {
        "id": text("id"),
        "question": text("question"),
        "gold": text("gold"),
        "output": text("output"),
        "strict": answer,
        "flexible": text("answer_flexible"),
        "flexibly_right": bool(record.get("flexible")),
        "verdict": verdict,
        "family": text("family"),
        "touched": bool(record.get("touched")),
        "finished": text("finished"),
        "tokens": number(record.get("num_new_tokens")),
        "solution": text("solution"),
        **_mistakes(record),
    }


def _mistakes(record: dict[str, Any]) -> dict[str, Any]:
    """Return the class of a wrong answer and the remarks on its lines; nothing for one that no rule can read."""
    try:
        known = Record.from_dict(record, "items.jsonl")
        if known.log_likelihoods or len(known.output) > MAX_TEXT:
            return {"class": "", "remarks": []}
        return {"class": error_class(known), "remarks": remarks(known)}
    except (GanitaError, TypeError, ValueError, AttributeError, OverflowError):  # of another version
        return {"class": "", "remarks": []}

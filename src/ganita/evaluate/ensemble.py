"""Several runs evaluated as one: by vote, by averaged probabilities, by averaged weights.

OUT/results.json, OUT/<task>/items.jsonl     as an evaluated run has them, so `compare` reads both alike
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ganita.errors import GanitaError
from ganita.evaluate.contamination import Overlaps
from ganita.evaluate.records import ITEMS, RESULTS, Record, RecordFile, read_records
from ganita.evaluate.results import describe, split, summarize
from ganita.evaluate.run import evaluate_task
from ganita.evaluate.tasks import Task, find_tasks
from ganita.progress import Reporter
from ganita.recipe import Recipe
from ganita.runs import Run
from ganita.solve.ensemble import Ensemble
from ganita.solve.sampler import Sampler
from ganita.solve.voting import elect
from ganita.storage import fingerprint, read_json, write_json

How = Literal["vote", "probabilities"]
HOWS: tuple[How, ...] = ("vote", "probabilities")


def evaluate_ensemble(runs: Sequence[Run], how: How, out: Path, reporter: Reporter) -> dict[str, Any]:
    """Evaluate `runs` together on the first one's tasks, write OUT and return the results by task.

    `vote`: the answers that each run gave in its own evaluation, the most frequent one (the earlier run's on a tie).
    `probabilities`: the mean of the next-token probabilities, decoded greedily.

    Raises `GanitaError`: fewer than two runs, an OUT that exists, other tokenizers, runs without results (vote).
    """
    if len(runs) < 2:
        raise GanitaError("an ensemble has at least two members: name two or more runs")
    if out.exists():
        raise GanitaError(f"{out} exists; name a folder that does not")
    results = _by_vote(runs, out, reporter) if how == "vote" else _by_probabilities(runs, out, reporter)
    for result in results.values():
        result["ensemble"] = {"how": how, "members": [str(run.root) for run in runs]}
    write_json(out / RESULTS, results)
    return results


def _by_probabilities(runs: Sequence[Run], out: Path, reporter: Reporter) -> dict[str, Any]:
    from ganita.train.stages import load_model

    recipe = runs[0].recipe()
    loaded = [load_model(run, precision="float32", device=recipe.finetune.device) for run in runs]
    if len({tokenizer.fingerprint for _, tokenizer in loaded}) > 1:
        raise GanitaError("the runs have different tokenizers: averaged probabilities need one; use vote")
    ensemble = Ensemble([model for model, _ in loaded])
    sampler = Sampler(ensemble, loaded[0][1], calculator=recipe.evaluate.calculator)
    recipe, overlaps = replace(recipe, evaluate=replace(recipe.evaluate, samples=0)), Overlaps(runs[0])
    return {
        task.name: evaluate_task(task, recipe, sampler, out / task.name, reporter, overlaps.of(task))
        for task in find_tasks(recipe.evaluate.tasks)
    }


def _by_vote(runs: Sequence[Run], out: Path, reporter: Reporter) -> dict[str, Any]:
    recipe, overlaps = runs[0].recipe(), Overlaps(runs[0])
    tasks = find_tasks(recipe.evaluate.tasks)
    return {task.name: _vote_on(task, runs, recipe, overlaps, out, reporter) for task in tasks}


def _vote_on(
    task: Task, runs: Sequence[Run], recipe: Recipe, overlaps: Overlaps, out: Path, reporter: Reporter
) -> dict[str, Any]:
    name = task.name
    found = [read_json(run.stage("evaluate") / RESULTS).get(name, {}) for run in runs]
    if len({one.get("set_fingerprint") for one in found}) > 1:
        raise GanitaError(f"{name}: the runs were not evaluated on the same items")
    records = [list(read_records(run.stage("evaluate") / name / ITEMS)) for run in runs]
    hashes = {one.get("prompt_hash") for one in found}
    elected = [_elected(votes) for votes in zip(*records, strict=True)]
    result = {
        **found[0],
        **summarize(elected),
        "contamination": split(elected, overlaps.of(task)),
        "prompt_hash": hashes.pop() if len(hashes) == 1 else fingerprint([one.get("prompt_hash") for one in found]),
        "seconds": sum(one.get("seconds", 0.0) for one in found),
        "new_tokens": sum(one.get("new_tokens", 0) for one in found),
        "calculator": recipe.evaluate.calculator,
    }
    result.pop("sampled", None)
    with RecordFile(out / name / ITEMS) as file:
        file.finish(elected)
    reporter.say(f"  {name}: {describe(result)}")
    return result


def _elected(records: Sequence[Record]) -> Record:
    """Return the record of the member whose answer won; the first one where nobody gave any."""
    if len({record.id for record in records}) > 1:
        raise GanitaError(f"the runs hold their items in different orders ({records[0].id!r}); evaluate them again")
    place = elect([record.answer_strict for record in records])
    return records[0 if place is None else place]

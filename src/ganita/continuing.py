"""A run that goes on from another one: its tokenizer, its final model, then tuning of its own.

`ganita finetune RUN --only geometry` makes such a run beside RUN and evaluates both, overall and on the topic, so that
what was won and what was forgotten stand side by side:

    NAME-geometry/     a run as any other; its recipe names RUN as its start
        before/        RUN's model on the same benchmarks, item by item
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganita import storage
from ganita.corpus.topics import find_topic
from ganita.errors import GanitaError
from ganita.evaluate.compare import compare_folders
from ganita.evaluate.contamination import Overlaps
from ganita.evaluate.records import RESULTS
from ganita.evaluate.run import evaluate_task
from ganita.evaluate.run import input_fingerprint as evaluate_inputs
from ganita.evaluate.tasks import find_tasks
from ganita.model.config import ModelConfig
from ganita.pipeline import execute, lock
from ganita.progress import Reporter
from ganita.recipe import Model, Recipe, Source, recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.solve.solver import load_solver
from ganita.tokenizer.tokenizer import TOKENIZER_FILE, Tokenizer

BEFORE = "before"
# Of the budget and the learning rate of the run's own tuning: enough to learn a topic, little enough to forget little
# (docs/log.md, 2026-11-23).
_SHARE_OF_TOKENS, _SHARE_OF_RATE = 0.25, 0.3


def specialise(run: Run, topics: Sequence[str], overrides: Sequence[str], reporter: Reporter) -> Run:
    """Tune a finished run further on problems of some topics, in a run of its own; evaluate both and compare.

    Goes on where an earlier call was cut off. Raises `GanitaError`: unknown topics, no model, none of the run's
    sources has such problems.
    """
    recipe = topic_recipe(run, topics, overrides)
    made = Run(Path(recipe.runs) / recipe.name)
    reporter.say(f"{recipe.name}: {recipe.description} -> {made.root}", style="bold")
    execute(recipe, made, reporter)
    _evaluate_start(made, recipe, reporter)
    reporter.say("before and after:")
    for comparison in compare_folders(made.root / BEFORE, made.root / "evaluate"):
        reporter.say(f"  {comparison.describe()}", style="bold")
    return made


def topic_recipe(run: Run, topics: Sequence[str], overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe that goes on from `run` with the problems of `topics` among those that it was tuned on."""
    topic = find_topic(topics)
    base = run.recipe()
    stage = run.model_stage()
    config = ModelConfig.load(run.stage(stage) / "model" / "config.json")
    shape = {key: value for key, value in config.to_dict().items() if key != "vocabulary_size"}
    sources = [found for source in base.corpus.sources if (found := _on_topic(source, topics)) is not None]
    if not sources:
        raise GanitaError(f"{run.root}: none of the sources it was tuned on has problems of {', '.join(topic.names)}")
    train = base.finetune
    tokens = max(train.batch_tokens, int(_SHARE_OF_TOKENS * train.num_steps * train.batch_tokens))
    finetune = replace(
        train,
        steps=0,
        tokens=tokens,
        learning_rate=_SHARE_OF_RATE * train.learning_rate,
        muon_learning_rate=_SHARE_OF_RATE * train.muon_learning_rate,
        context_length=0,
        rope_base=0.0,
        rope_scale=0.0,
        rope_method="",
        phases=(),
        average_last=0,
    )
    made = replace(
        base,
        name="-".join([base.name, *topics]),
        description=f"{base.name}, tuned further on {', '.join(topic.names)}",
        runs=str(run.root.parent),
        start=str(run.root),
        corpus=replace(base.corpus, sources=tuple(sources), select=replace(base.corpus.select, quality_seeds=())),
        model=Model(**shape),
        pretrain=replace(base.pretrain, tokens=0, steps=0, context_length=0, phases=()),
        finetune=finetune,
    )
    made = replace(made, evaluate=replace(base.evaluate, tasks=(*base.evaluate.tasks, *_topic_tasks(made, topics))))
    # Through the reader: overrides are applied, and what cannot work is refused before anything runs.
    return recipe_from_dict(recipe_to_dict(made), overrides, where=f"{made.name}")


def _on_topic(source: Source, topics: Sequence[str]) -> Source | None:
    """Return a source of worked problems with only these topics; None where it can have none of them."""
    topic = find_topic(topics)
    if not source.finetune_weight or source.kind == "text":
        return None
    if source.families:
        from ganita.corpus.families import library

        has = any(entry.topic in topic.families for entry in library(source.collection).entries)
    elif source.procedural:
        has = bool(topic.kinds)
    else:
        has = bool(topic.words or topic.subjects)
    # Chains mix topics, and few families of one topic go together.
    return replace(source, topics=tuple(topics), composed=0.0) if has else None


def _topic_tasks(recipe: Recipe, topics: Sequence[str]) -> list[str]:
    """Return the parts of the benchmarks that are of these topics: what is there of the run's own, and of families."""
    from ganita.corpus.families import library

    topic, names = find_topic(topics), []
    for task in find_tasks(recipe.evaluate.tasks):
        if task.topics or Path(task.name).suffix:
            continue
        entries = () if task.set else library(task.collection).entries
        if any(entry.topic in topic.families for entry in entries) or (task.set and _has_items(task.set, topics)):
            names.append(f"{task.name}:{','.join(topics)}")
    return names


def _has_items(set_id: str, topics: Sequence[str]) -> bool:
    from ganita.corpus.registry.sets import load_problems

    topic = find_topic(topics)
    try:
        return any(topic.holds(problem) for problem in load_problems(set_id, Reporter(quiet=True)))
    except GanitaError:  # a task whose rows only its own reader can read: it is asked as a whole
        return False


def _evaluate_start(made: Run, recipe: Recipe, reporter: Reporter) -> None:
    """Evaluate the model that a run started from on the run's own benchmarks, into `before/`."""
    folder, start = made.root / BEFORE, Run(Path(recipe.start))
    of = {"recipe": recipe_to_dict(recipe.evaluate), "items": evaluate_inputs(recipe), **input_fingerprint(recipe)}
    key = {"of": storage.fingerprint(of)}
    note = folder / "of.json"
    with lock(made.root):
        if note.is_file() and storage.read_json(note) != key:  # of other settings: kept no longer than it is true
            storage.remove(folder)
        if (folder / RESULTS).is_file():
            return
        storage.write_json(note, key)
        reporter.say(f"{start.root} on the same benchmarks")
        solver = load_solver(start.root, calculator=recipe.evaluate.calculator, device=recipe.finetune.device)
        overlaps = Overlaps(made)
        results = {
            task.name: evaluate_task(task, recipe, solver.sampler, folder / task.name, reporter, overlaps.of(task))
            for task in find_tasks(recipe.evaluate.tasks)
        }
        storage.write_json(folder / RESULTS, results)


# ------------------------------------------------------------------------------- stages that are taken, not made anew


def take_tokenizer(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Copy the tokenizer of the run that this one starts from."""
    taken = Run(Path(recipe.start)).stage("tokenizer")
    storage.verify(taken)
    for file in sorted(taken.iterdir()):
        if file.is_file() and file.name != storage.MANIFEST:
            shutil.copy2(file, folder / file.name)
    tokenizer = Tokenizer.load(folder)
    reporter.say(f"  {TOKENIZER_FILE} of {recipe.start}: {tokenizer.vocabulary_size:,} tokens")
    summary = run_summary(Run(Path(recipe.start)), "tokenizer")
    return {**summary, "seconds": 0.0, "taken_from": recipe.start, "fingerprint": tokenizer.fingerprint}


def take_pretrain(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Copy the final model of the run that this one starts from: what the fine-tuning begins with."""
    start = Run(Path(recipe.start))
    stage = start.model_stage()
    storage.verify(start.stage(stage))
    shutil.copytree(start.stage(stage) / "model", folder / "model")
    reporter.say(f"  the model of {recipe.start} ({stage}), as it is")
    return {"steps": 0, "taken_from": recipe.start, "stage": stage}


def run_summary(run: Run, stage: str) -> dict[str, Any]:
    """Return what a finished stage said of itself."""
    found = run.manifest(stage).get("summary", {})
    return dict(found) if isinstance(found, dict) else {}


def input_fingerprint(recipe: Recipe) -> dict[str, Any]:
    """Return what identifies the model and the tokenizer that a run starts from."""
    start = Run(Path(recipe.start))
    weights = start.manifest(start.model_stage())["files"]["model/weights.safetensors"]["sha256"]
    return {"weights": weights, "tokenizer": start.manifest("tokenizer")["files"][TOKENIZER_FILE]["sha256"]}

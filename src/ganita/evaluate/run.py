"""The evaluate stage: every task's items asked (generated or scored), each record kept as soon as it is there.

    evaluate/<task>/items.jsonl   one record per item, in the order of the benchmark
             results.json         per task: accuracies with intervals, of all items and of the clean and the
                                  touched ones (contamination.py) apart; protocol, prompt hash, seconds

A killed evaluation goes on with the items that have no record yet. That changes no answer: what a row
generates does not depend on the rows beside it, nor which option is chosen on the items beside it.

Of multiple choice `strict` is acc and `flexible` acc_norm; `measures` in the results says so.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ganita.evaluate.choices import score_items
from ganita.evaluate.contamination import Overlap, Overlaps
from ganita.evaluate.items import demonstrations_of, files_of, licence_of
from ganita.evaluate.mistakes import describe_mistakes
from ganita.evaluate.perturbed import describe_copies, measure_copies
from ganita.evaluate.prompts import Asking, choose, cut_at, draw, prompts_of, requests_of, usable
from ganita.evaluate.records import ITEMS, RESULTS, Record, RecordFile
from ganita.evaluate.results import TOO_LONG, describe, describe_samples, protocol_of, split, summarize, summary_of
from ganita.evaluate.sampled import sample_items
from ganita.evaluate.scoring import SCORERS, column_notes, judged_by
from ganita.evaluate.tasks import CHOICE, PLAIN, TEMPLATE, WORDING, Item, Task, find_tasks, load_items
from ganita.progress import Bar, Reporter
from ganita.recipe import Corpus, Evaluate, Recipe
from ganita.runs import Run
from ganita.solve.engine import Engine
from ganita.solve.python_form import with_answer
from ganita.solve.sampler import with_likelihoods
from ganita.solve.solver import load_solver
from ganita.storage import write_json


def build(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Evaluate the final model of `run` on the recipe's tasks; return the accuracies as the stage's summary."""
    tasks = find_tasks(recipe.evaluate.tasks)
    solver = load_solver(
        run.root,
        calculator=recipe.evaluate.calculator,
        device=recipe.finetune.device,
        engine=recipe.evaluate.engine,
        dtype="f32",  # an answer of record must not depend on the engine
    )
    if recipe.evaluate.perturbed or any(task.scorer == CHOICE for task in tasks):
        with_likelihoods(solver.sampler)
    found = Overlaps(run)
    overlaps = {task.name: found.of(task) for task in tasks}  # a broken ledger shows before an hour of work
    results = {
        task.name: evaluate_task(task, recipe, solver.sampler, folder / task.name, reporter, overlaps[task.name])
        for task in tasks
    }
    write_json(folder / RESULTS, results)
    return {"tasks": {name: summary_of(result) for name, result in results.items()}}


def evaluate_task(
    task: Task, recipe: Recipe, sampler: Engine, folder: Path, reporter: Reporter, overlap: Overlap
) -> dict[str, Any]:
    """Evaluate one task into `folder`, going on from the records that are there; return its results."""
    settings, tokenizer = recipe.evaluate, sampler.tokenizer
    items, excluded = load_items(task, recipe, reporter)
    items = [dataclasses.replace(item, touched=overlap.touches(item.id)) for item in items]
    asking = ask_task(task, items, recipe, reporter)
    scored = task.scorer == CHOICE
    asked: Sequence[Any] = (requests_of if scored else prompts_of)(asking, items, tokenizer)
    with RecordFile(folder / ITEMS) as file:
        known = {item.id for item in items}
        done = {record.id: record for record in file.read() if record.id in known}
        if done:
            reporter.say(f"  {task.name}: {len(done):,} of {len(items):,} items were done before")
        started, seconds_before = time.monotonic(), file.seconds
        with reporter.bar(task.name, len(items)) as bar:
            progress = _Progress(bar, len(items), done.values(), "acc" if scored else "strict")
            for record in _records(asking, items, asked, sampler, settings, set(done)):
                done[record.id] = record
                file.append(record, seconds_before + time.monotonic() - started)
                progress.add(record)
        records = [dataclasses.replace(done[item.id], touched=item.touched) for item in items]
        seconds = seconds_before + time.monotonic() - started
        file.finish(records)
    result = {**summarize(records), "contamination": split(records, overlap), **column_notes(task.scorer, records)}
    reporter.say(f"  {task.name}: {describe(result)}")
    if "mistakes" in result:
        reporter.say(f"  {task.name}: {describe_mistakes(result['mistakes'])}")
    result |= _extras(asking, items, asked, records, recipe, sampler, folder, reporter)
    return {
        "title": task.title,
        **result,
        "excluded": excluded,
        **protocol_of(asking, items, recipe, tokenizer),
        "calculator": settings.calculator and not scored,
        "licence": licence_of(task),
        "seconds": round(seconds, 3),
        "new_tokens": sum(record.num_new_tokens for record in records),
    }


def _extras(
    asking: Asking,
    items: Sequence[Item],
    asked: Sequence[Any],
    records: Sequence[Record],
    recipe: Recipe,
    sampler: Engine,
    folder: Path,
    reporter: Reporter,
) -> dict[str, Any]:
    """Draw several solutions of each item, and ask copies of it with other numbers, where the recipe wants that."""
    task, settings, found = asking.task, recipe.evaluate, {}
    if settings.samples and task.scorer != CHOICE:
        found["sampled"] = sample_items(
            sampler, items, asked, settings, form=asking.form, scorer=task.scorer, seed=recipe.seed, folder=folder,
            reporter=reporter, label=task.name,
        )  # fmt: skip
        reporter.say(f"  {task.name}: {describe_samples(found['sampled'])}")
    if settings.perturbed and task.scorer != CHOICE:
        found["perturbed"] = measure_copies(
            with_likelihoods(sampler), asking, items, records, settings.perturbed, folder, reporter,
            lambda copies, prompts: _records(asking, copies, prompts, sampler, settings, set()),
        )  # fmt: skip
        reporter.say(f"  {task.name}: {describe_copies(found['perturbed'])}")
    return found


def ask_task(task: Task, items: Sequence[Item], recipe: Recipe, reporter: Reporter) -> Asking:
    """Decide how the items of a task are asked, and draw its demonstrations.

    Raises `GanitaError` for what cannot work: plain text without a prompt, examples without a set to take them from.
    """
    asking = choose(task, recipe.evaluate)
    if not recipe.evaluate.few_shot:
        return asking
    candidates = [item for item in demonstrations_of(task, reporter) if usable(asking, item)]
    return dataclasses.replace(asking, demonstrations=tuple(draw(candidates, items, task, recipe.evaluate.few_shot)))


def _records(
    asking: Asking, items: Sequence[Item], asked: Sequence[Any], sampler: Engine, settings: Evaluate, done: set[str]
) -> Iterator[Record]:
    """Yield the record of each item that is not done: scored, where options are given; else generated."""
    if asking.task.scorer == CHOICE:
        model = with_likelihoods(sampler).model
        yield from score_items(model, asking, items, asked, batch_rows=settings.batch_rows, done=done)
        return
    pending = [place for place, item in enumerate(items) if item.id not in done]
    yield from evaluate_items(
        sampler,
        [items[place] for place in pending],
        [asked[place] for place in pending],
        settings,
        asking.task.scorer,
        asking.form if asking.how == TEMPLATE else "words",
        asking.task.until if asking.how == PLAIN else (),
    )


def evaluate_items(
    sampler: Engine,
    items: Sequence[Item],
    prompts: Sequence[list[int]],
    settings: Evaluate,
    scorer: str = "number",
    form: str = "",
    until: Sequence[str] = (),
) -> Iterator[Record]:
    """Yield the record of each item as it is finished (not in order): greedy, one solution each, cut at `until`.

    An item whose prompt does not fit the model's context gets a record with `finished` = "too long" and is wrong.
    """
    judge = SCORERS[scorer].judge
    fitting = [place for place, prompt in enumerate(prompts) if sampler.fits(prompt)]
    for place in sorted(set(range(len(prompts))) - set(fitting)):
        yield Record.of(items[place], "", judge("", items[place].gold), TOO_LONG, 0, 0)
    stream = sampler.stream(
        [prompts[place] for place in fitting],
        max_new_tokens=settings.max_new_tokens,
        batch_rows=settings.batch_rows,
        until=until,
    )
    for index, completion in stream:
        item = items[fitting[index]]
        text = cut_at(with_answer(completion.text, form or settings.form), until)
        verdict = judge(text, item.gold)
        yield Record.of(
            item,
            text,
            verdict,
            completion.finished,
            completion.num_new_tokens,
            completion.num_calculator_calls,
        )


def input_fingerprint(recipe: Recipe) -> dict[str, Any]:
    """Return what identifies the stage's own inputs: the task tables, and the files behind their sets."""
    return {
        task.name: {
            "task": _declared(task, recipe.evaluate),
            "files": files_behind(task, recipe),
            **judged_by(task.scorer),
        }
        for task in find_tasks(recipe.evaluate.tasks)
    }


def _declared(task: Task, settings: Evaluate) -> dict[str, Any]:
    """Return what a task declares, but for a wording that is not used: a change of it must not repeat an evaluation."""
    values = task.to_dict()
    if task.scorer == CHOICE or settings.few_shot or choose(task, settings).how == PLAIN:
        return values
    return {key: value for key, value in values.items() if key not in WORDING}


def files_behind(task: Task, recipe: Recipe) -> Any:
    """Return what identifies the items of a task: its files, or the families they are made by."""
    if task.home:
        return files_of(task.home)
    if not task.set:
        from ganita.corpus.families import library

        return library(task.collection).fingerprint
    from ganita.corpus import build as corpus

    # The corpus room fingerprints benchmark sets already, for decontamination: the same answer here.
    sets = Corpus(sources=(), decontaminate=(task.set,))
    return corpus.input_fingerprint(dataclasses.replace(recipe, corpus=sets))["benchmarks"][task.set]


class _Progress:
    """Shows the accuracy so far and the time to go. Kept as counts: summing all records at each one is quadratic."""

    def __init__(self, bar: Bar, num_items: int, before: Iterable[Record], measure: str = "strict") -> None:
        self._bar, self._num_items, self._measure = bar, num_items, measure
        verdicts = [record.strict for record in before]
        self._num_right, self._num_before = sum(verdicts), len(verdicts)
        self._num_done, self._started = self._num_before, time.monotonic()
        bar.advance(self._num_done)

    def add(self, record: Record) -> None:
        self._num_done += 1
        self._num_right += record.strict
        per_item = (time.monotonic() - self._started) / (self._num_done - self._num_before)
        remaining = per_item * (self._num_items - self._num_done)
        self._bar.advance()
        self._bar.note(f"{self._measure} {100 * self._num_right / self._num_done:.1f} %, {remaining:.0f} s to go")

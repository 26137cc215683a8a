"""Training a verifier for a finished run, and choosing among sampled solutions with it.

    RUN/verifier/samples.jsonl    questions of the training corpus, the solutions that the model drew, right or not
                 model/, head.safetensors, metrics.jsonl, summary.json
                 <task>.json      best-of-k and weighted votes on the samples that the evaluation drew

Training questions only: the corpus stage has taken out what the benchmarks hold, and their own samples are only scored.
Of questions that it was tuned on a model draws other mistakes than of new ones, so a slice of a training set that was
kept out of the corpus, or variants of it, can be asked instead (`set`, `variants`).
"""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ganita import storage
from ganita.corpus.chains import OWN, Chain, Judge, read_chain
from ganita.corpus.document import Problem, from_json
from ganita.errors import GanitaError
from ganita.evaluate.records import ITEMS, RESULTS, read_records
from ganita.evaluate.sampled import SAMPLES, draw_solutions, mean_with_interval
from ganita.evaluate.scoring import judge_number
from ganita.evaluate.tasks import load_tasks
from ganita.model.config import flops_per_token
from ganita.progress import Reporter
from ganita.questions import has_number, questions_of
from ganita.recipe import Recipe, Train
from ganita.runs import Run
from ganita.solve.sampler import Sampler
from ganita.solve.solver import Solver, load_solver
from ganita.solve.voting import answer_key, elect
from ganita.tokenizer.template import render_prompt
from ganita.tokenizer.tokenizer import Tokenizer
from ganita.train import placement
from ganita.train.loop import Job, Trainer
from ganita.train.verifier import Correctness, Sample, SampleRows, Verifier, score

STAGE = "verifier"
_CHUNK_QUESTIONS = 16


@dataclass(frozen=True)
class Settings:
    """How a verifier is made."""

    questions: int = 2000
    samples: int = 8  # solutions drawn for each
    temperature: float = 0.7
    tokens: int = 2_000_000  # training budget
    learning_rate: float = 5e-4
    source: str = ""  # take questions of this source of the corpus only
    set: str = ""  # not of the corpus: of this set, which may be a slice that was kept out of it
    variants: str = ""  # or variants of this set
    labels: str = (
        "answers"  # right is what ends at the answer; "chains": and computes what the question's own solution does
    )


LABELS = ("answers", "chains")


def train_verifier(run: Run, settings: Settings, reporter: Reporter) -> dict[str, Any]:
    """Sample, label, train; return the summary. Goes on where an earlier call was cut off.

    Raises `GanitaError`: no trained model, no questions, a verifier that exists, solutions that are all right or wrong.
    """
    if (run.root / STAGE).exists():
        raise GanitaError(f"{run.root / STAGE} exists; delete it to train another verifier")
    _check(settings)
    recipe, folder = run.recipe(), run.partial(STAGE)
    solver = load_solver(run.root, calculator=recipe.evaluate.calculator, device=recipe.finetune.device)
    rows = _sample(run, recipe, solver, settings, folder, reporter)
    labels = [right for row in rows for right in row["right"]]
    share = statistics.fmean(labels)
    reporter.say(f"  verifier: {len(labels):,} solutions of {len(rows):,} questions, {100 * share:.1f} % right")
    if share in (0.0, 1.0):
        raise GanitaError("the drawn solutions are all right or all wrong: nothing to tell apart; change temperature")
    samples = [sample for row in rows for sample in _samples(row, solver.form, solver.sampler.tokenizer)]
    assert isinstance(solver.sampler, Sampler)  # a verifier is trained, and only PyTorch does that
    job = _job(recipe, solver.sampler, samples, settings, folder, reporter)
    asked = {key: value for key, value in asdict(settings).items() if value}
    summary = Trainer(job).run() | {"solutions": len(labels), "questions": len(rows), "share_right": share}
    job.model.save(folder)  # type: ignore[operator]
    storage.remove(folder / "checkpoints")
    storage.write_json(folder / "summary.json", summary | {"settings": asked})
    storage.seal(folder, {"stage": STAGE, "summary": summary})
    storage.publish(folder, run.root / STAGE)
    return summary


def rerank(run: Run, task: str, reporter: Reporter) -> dict[str, Any]:
    """Choose among the samples of an evaluated task by the verifier; return and write accuracies for k = 1, 2, 4 ...

    `greedy`: the one greedy solution on the same items. `best`: of the first k samples, the one with the highest score.
    `majority`: their most frequent answer. `weighted`: the answer with the largest sum of scores.
    """
    folder = run.root / "evaluate" / task
    if not (folder / SAMPLES).is_file():
        raise GanitaError(f"{folder / SAMPLES} is not there: evaluate with evaluate.samples = 16 or the like first")
    storage.verify(run.stage(STAGE))
    _require_unseen(run, task)
    verifier, tokenizer = Verifier.load(run.root / STAGE), Tokenizer.load(run.stage("tokenizer"))
    form = storage.read_json(run.stage("evaluate") / RESULTS)[task]["form"]
    rows = list(storage.read_jsonl(folder / SAMPLES))
    with reporter.bar(f"{task}: verifier", len(rows)) as bar:
        for row in rows:
            prompt = render_prompt(row["question"], row.get("choices", ()), form, tokenizer)
            solutions = [_ids(prompt, text, tokenizer) for text in row["texts"]]
            row["scores"] = score(verifier, solutions, tokenizer.pad_id)
            bar.advance()
    result = {"n": len(rows), **choose(rows, _greedy(folder, {row["id"] for row in rows}))}
    storage.write_json(run.root / STAGE / f"{task}.json", result)
    for k, accuracies in result["by_k"].items():
        shown = ", ".join(f"{name} {100 * value['accuracy']:.1f} %" for name, value in accuracies.items())
        reporter.say(f"  {task}, {k} of each question's samples: {shown}")
    return result


def _check(settings: Settings) -> None:
    if settings.labels not in LABELS:
        raise GanitaError(f"--labels {settings.labels}: one of {', '.join(LABELS)}")
    if settings.source and (settings.set or settings.variants):
        raise GanitaError("--source takes questions of the run's corpus: leave it out beside --set or --variants")


def _require_unseen(run: Run, task: str) -> None:
    """Raise `GanitaError` if the verifier was trained on questions of the task's set."""
    settings = storage.read_json(run.root / STAGE / "summary.json").get("settings", {})
    asked = settings.get("set") or settings.get("variants")
    if asked and (known := load_tasks().get(task)) and known.set == asked:
        raise GanitaError(f"{task}: the verifier was trained on questions of {asked}; ask it about another benchmark")


def choose(rows: Sequence[dict[str, Any]], greedy: Sequence[bool]) -> dict[str, Any]:
    """Return the accuracy of each way to choose, by the number of samples; `rows` have answers, right and scores."""
    num = min(len(row["answers"]) for row in rows)
    by_k: dict[str, Any] = {}
    for k in (2**power for power in range(num.bit_length()) if 2**power <= num):
        chosen: dict[str, list[float]] = {"best": [], "majority": [], "weighted": []}
        for row in rows:
            answers, right, scores = row["answers"][:k], row["right"][:k], row["scores"][:k]
            # A sample without an answer cannot be handed in, however sure the verifier is of it.
            answered = [place for place in range(k) if answer_key(answers[place]) is not None]
            best = max(answered, key=lambda place: scores[place], default=None)
            places = {"best": best, "majority": elect(answers), "weighted": elect(answers, scores)}
            for name, place in places.items():
                chosen[name].append(float(place is not None and right[place]))
        by_k[str(k)] = {name: mean_with_interval(values) for name, values in chosen.items()}
    return {"greedy": mean_with_interval([float(right) for right in greedy]), "by_k": by_k}


# ------------------------------------------------------------------------------------------------------- the samples


def _sample(
    run: Run, recipe: Recipe, solver: Solver, settings: Settings, folder: Path, reporter: Reporter
) -> list[dict[str, Any]]:
    """Draw solutions of training questions into samples.jsonl; goes on after the last whole line."""
    sampler, form, path = solver.sampler, solver.form, folder / SAMPLES
    questions = _questions(run, recipe, settings, reporter)
    prompts = [render_prompt(problem.question, (), form, sampler.tokenizer) for problem in questions]
    # Those too long for the context go before they are counted: line n of the file is question n of what is left.
    asked = [(problem, prompt) for problem, prompt in zip(questions, prompts, strict=True) if sampler.fits(prompt)]
    folder.mkdir(parents=True, exist_ok=True)
    done = list(storage.read_jsonl(path)) if path.is_file() else []
    storage.write_text(path, "".join(json.dumps(row) + "\n" for row in done))  # without a torn last line
    with reporter.bar("verifier: solutions", len(asked)) as bar, path.open("a", encoding="utf-8") as file:
        bar.advance(len(done))
        for start in range(len(done), len(asked), _CHUNK_QUESTIONS):
            chunk = asked[start : start + _CHUNK_QUESTIONS]
            drawn = draw_solutions(
                sampler,
                [prompt for _, prompt in chunk],
                range(start, start + len(chunk)),
                settings.samples,
                form=form,
                temperature=settings.temperature,
                seed=recipe.seed,
                settings=recipe.evaluate,
            )
            judged = zip(chunk, drawn, strict=True)
            rows = [_judged(problem, texts, settings.labels) for (problem, _), texts in judged]
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()
            done += rows
            bar.advance(len(rows))
    return done


def _questions(run: Run, recipe: Recipe, settings: Settings, reporter: Reporter) -> list[Problem]:
    """Return questions whose answers are numbers: of a set, or drawn evenly from all sources that tuning uses."""
    if settings.set or settings.variants:
        return questions_of(
            reporter,
            recipe.seed,
            set_id=settings.set,
            variants=settings.variants,
            count=settings.questions,
            allow_slice=True,
        )
    labels = [source.label for source in recipe.corpus.sources if source.finetune_weight > 0]
    if settings.source and settings.source not in labels:
        raise GanitaError(f"no source {settings.source!r} that this run was tuned on; there are {', '.join(labels)}")
    by_source = [
        list(_problems(run.stage("corpus") / "train" / f"{label}.jsonl"))
        for label in labels
        if settings.source in ("", label)
    ]
    by_source = [problems for problems in by_source if problems]
    if not by_source:
        raise GanitaError(f"{run.root}: the corpus has no worked problems to sample solutions of")
    chance = random.Random(recipe.seed)  # noqa: S311 - a choice of questions, not a secret
    for problems in by_source:
        chance.shuffle(problems)
    mixed = [one for problems in by_source for one in problems[: -(-settings.questions // len(by_source))]]
    chance.shuffle(mixed)
    return mixed[: settings.questions]


def _problems(path: Path) -> Iterator[Problem]:
    for row in storage.read_jsonl(path) if path.is_file() else ():
        document = from_json(row)
        if isinstance(document, Problem) and has_number(document):
            yield document


def _judged(problem: Problem, texts: list[str], labels: str) -> dict[str, Any]:
    right = [judge_number(text, problem.answer).strict for text in texts]
    if labels == "chains" and any(right):
        judge = Judge(problem)
        right = [ends and _computes(judge, text, problem.answer) for ends, text in zip(right, texts, strict=True)]
    return {"question": problem.question, "gold": problem.answer, "texts": texts, "right": right}


def _computes(judge: Judge, text: str, answer: str) -> bool:
    """Say if a solution that ends at the answer came there by calculations that go along with the question's own."""
    chain = read_chain(text, answer)
    return isinstance(chain, Chain) and judge.why_not(chain) in ("", OWN)


def _samples(row: dict[str, Any], form: str, tokenizer: Tokenizer) -> Iterator[Sample]:
    """Turn a line of samples.jsonl into training samples; equal solutions of a question count once."""
    prompt = render_prompt(row["question"], (), form, tokenizer)
    for text, right in dict(zip(row["texts"], row["right"], strict=True)).items():
        yield Sample(tuple(_ids(prompt, text, tokenizer)), len(prompt), right)


def _ids(prompt: list[int], text: str, tokenizer: Tokenizer) -> list[int]:
    return [*prompt, *tokenizer.encode(text), tokenizer.end_id]


def _job(
    recipe: Recipe, sampler: Sampler, samples: list[Sample], settings: Settings, folder: Path, reporter: Reporter
) -> Job:
    model, context = sampler.model, sampler.context_length
    train: Train = replace(
        recipe.finetune,
        steps=0,
        tokens=settings.tokens,
        learning_rate=settings.learning_rate,
        optimizer="adamw",
        context_length=0,
        phases=(),
    )
    num_rows = max(1, train.batch_tokens // context)
    flops = flops_per_token(model.config, context)
    return Job(
        model=Verifier(model.train()),
        loader=SampleRows(samples, context, num_rows, sampler.tokenizer.pad_id, recipe.seed),
        train=train,
        num_steps=train.num_steps,
        folder=folder,
        placement=placement.choose(train, float(flops.causal) * settings.tokens, reporter),
        micro_rows=num_rows,
        flops_per_token=float(flops.paper),
        reporter=reporter,
        label=STAGE,
        objective=Correctness(),
        watts=recipe.cost.watts,
    )


def _greedy(folder: Path, ids: set[str]) -> list[bool]:
    return [record.strict for record in read_records(folder / ITEMS) if record.id in ids]

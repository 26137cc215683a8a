"""A law of scaling from small trainings on a run's mixture, and what it predicts for larger ones.

    python benchmarks/scaling_law.py runs/NAME --minutes 120 --threads 2
    python benchmarks/scaling_law.py runs/NAME --minutes 0 --flops 1e15 1e17 --predict 30e6:650e6 configs/cpu.toml

One family: a depth, heads of one width, several widths (learning rates are carried over by muP), each trained anew for
every budget of tokens, because a schedule that is not at its end would make a loss that is not the budget's (Hoffmann
et al. 2022, section 3.1). Trained cheapest first until --minutes are used; every training is kept, and the next
call goes on. scaling_fit.py has the law; results/scaling_law.json holds trainings, constants, optima and predictions.

A prediction is the held-out loss on this run's mixture under this run's tokenizer, of pretraining alone, for text that
is not read over and over. So for a recipe build its own shards first (`ganita shards build RECIPE`) and give that run.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import scaling_fit
import torch
from harness import RESULTS
from panels import Panel, draw
from trainings import earlier, facts_of, held_out, prepare, widened, write

from ganita.errors import GanitaError, NonFiniteError
from ganita.evaluate.contamination import find_overlap
from ganita.evaluate.run import evaluate_task
from ganita.evaluate.tasks import find_tasks
from ganita.model.config import num_parameters, resolve
from ganita.model.decoder import Decoder
from ganita.progress import Reporter
from ganita.recipe import Model, Train, load_recipe, recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.solve.sampler import Sampler
from ganita.storage import read_json
from ganita.tokenizer.tokenizer import Tokenizer
from ganita.train.loop import Trainer, evaluate_loss

Trial = tuple[int, float, int]  # width, tokens, seed
# They decide when to stop and what is asked of the fit, and not what a training gives.
_ASKED_OF_IT = ("minutes", "widths", "tokens", "flops", "predict", "replicates")


def shape(width: int, options: argparse.Namespace) -> Model:
    """Return the family's member of this width."""
    init_std = round(0.64 / options.base_width**0.5, 4)  # as 0.02 at 1,024: model/mup.py
    return widened(width, options, init_std, options.base_width)


def size_of(width: int, vocabulary: int, options: argparse.Namespace) -> int:
    """Return N: all parameters, since a tied embedding is multiplied with as well."""
    return num_parameters(resolve(shape(width, options), vocabulary))


def trials(options: argparse.Namespace, vocabulary: int) -> list[Trial]:
    """Order the trainings by their work, so that one that is cut off is a whole one of smaller models."""
    every = [(w, d, s) for s in range(1, options.seeds + 1) for w in options.widths for d in options.tokens]
    return sorted(every, key=lambda one: (one[2], size_of(one[0], vocabulary, options) * one[1]))


def train_once(run: Run, trial: Trial, options: argparse.Namespace) -> dict[str, Any]:
    """Train once; return parameters, tokens seen, the held-out loss (None: diverged), and the accuracy if asked for."""
    width, tokens, seed = trial
    rows = max(1, options.batch_tokens // options.context)
    train = Train(
        steps=max(1, round(tokens / (rows * options.context))),
        batch_tokens=options.batch_tokens,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        muon_learning_rate=options.muon_learning_rate,
        compile=options.compile,
    )
    started = time.monotonic()
    job = prepare(run, shape(width, options), train, seed, options.micro_rows)
    trainer = Trainer(job)
    found: dict[str, Any] = {"width": width, "budget": tokens, "seed": seed}
    found["parameters"] = sum(value.numel() for value in job.model.parameters())
    found["tokens"] = train.steps * rows * options.context
    try:
        for step in range(train.steps):
            trainer.train_step(job.loader.rows(step))
        loss = evaluate_loss(job, held_out(run, options.context, options.validate_rows))
    except NonFiniteError:
        loss = math.nan
    found["loss"] = round(loss, 5) if math.isfinite(loss) else None
    if options.task and found["loss"] is not None:
        found |= solve(run, job.model, options)
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def solve(run: Run, model: Decoder, options: argparse.Namespace) -> dict[str, Any]:
    """Return the share of a benchmark's items that the model solves: greedy, equations, with the calculator."""
    (task,), overlap = find_tasks([options.task]), find_overlap(find_tasks([options.task])[0], run)
    if task.set and overlap.items is None:
        raise GanitaError(
            f"--task {options.task}: {overlap.reason}, so it may have been trained on; add {task.set} to "
            "corpus.decontaminate of the run's recipe and build its shards again"
        )
    tree = recipe_to_dict(run.recipe())
    tree["evaluate"] |= {"tasks": [options.task], "limit": options.items, "samples": 0, "perturbed": 0, "few_shot": 0}
    tree["evaluate"] |= {"form": "equations", "calculator": True, "max_new_tokens": options.context}
    sampler = Sampler(model, Tokenizer.load(run.stage("tokenizer")))
    with TemporaryDirectory() as folder:
        reporter = Reporter(quiet=True)
        result = evaluate_task(task, recipe_from_dict(tree), sampler, Path(folder), reporter, overlap)
    return {"items": result["n"], "accuracy": result["strict"]["accuracy"]}


class Experiment:
    """The trainings so far, on disk after each."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.run, self.options = Run(options.run), options
        self.vocabulary = int(read_json(self.run.stage("shards") / "index.json")["vocabulary_size"])
        self.path = options.out / f"{options.name}.json"
        self.facts = facts_of(options, self.run, *_ASKED_OF_IT)
        self.runs: list[dict[str, Any]] = earlier(self.path, self.facts).get("runs", [])

    def carry_out(self) -> None:
        """Train what is missing, cheapest first, until the next one would not end within --minutes."""
        done = {(one["width"], one["budget"], one["seed"]) for one in self.runs}
        missing = [trial for trial in trials(self.options, self.vocabulary) if trial not in done]
        end = time.monotonic() + 60 * self.options.minutes
        print(f"{len(missing)} trainings to go, {len(self.runs)} done before", flush=True)
        for number, trial in enumerate(missing):
            needed = self.seconds(trial)
            if time.monotonic() + needed > end:
                left = len(missing) - number
                print(f"{left} left: the next takes about {needed / 60:.1f} minutes; call again with more --minutes")
                return
            self.runs.append(train_once(self.run, trial, self.options))
            print("  " + "  ".join(f"{key} {value}" for key, value in self.runs[-1].items()), flush=True)
            self.save()

    def seconds(self, trial: Trial) -> float:
        """Estimate the seconds of a training by the slowest of the last ones; 0 before there is any."""
        per_work = [one["seconds"] / (one["parameters"] * one["tokens"]) for one in self.runs[-3:]]
        return max(per_work, default=0.0) * size_of(trial[0], self.vocabulary, self.options) * trial[1]

    def save(self, **more: Any) -> None:
        """Write everything known."""
        write(self.path, {"options": self.facts, **more, "runs": self.runs})


def targets(options: argparse.Namespace) -> Iterator[tuple[str, float, float]]:
    """Yield (name, N, D) of what is to be predicted: `N:D`, or a recipe with its parameters and pretraining tokens."""
    for given in options.predict:
        if given.endswith(".toml"):
            recipe = load_recipe(Path(given))
            tokens = recipe.pretrain.num_steps * recipe.pretrain.batch_tokens
            yield recipe.name, num_parameters(resolve(recipe.model, recipe.tokenizer.vocabulary_size)), tokens
            continue
        try:
            parameters, tokens_given = map(float, given.split(":"))
        except ValueError:
            raise GanitaError(
                f"--predict {given}: PARAMETERS:TOKENS, such as 30e6:650e6, or a recipe (*.toml)"
            ) from None
        yield given, parameters, tokens_given


def conclude(experiment: Experiment, found: scaling_fit.Fit) -> dict[str, Any]:
    """Print and return constants, optima and predictions, each as [value, low, high] of 95 %."""
    largest = max(one["parameters"] * one["tokens"] for one in experiment.runs) * 6
    result: dict[str, Any] = {"trainings": len(experiment.runs), "rms_log_error": round(found.rms_log_error, 5)}
    result["constants"] = {name: rounded(values) for name, values in found.constants().items()}
    for name, (value, low, high) in result["constants"].items():
        print(f"{name:<6} {value:.4g} [{low:.4g}, {high:.4g}]")
    result["optima"], result["predictions"] = {}, {}
    for flops in experiment.options.flops or [largest]:
        best = {name: rounded(values) for name, values in found.optimum(flops).items()}
        result["optima"][f"{flops:g}"] = best
        print(
            f"{flops:g} FLOP: " + ", ".join(f"{key} {v:.3g} [{lo:.3g}, {hi:.3g}]" for key, (v, lo, hi) in best.items())
        )
    for name, parameters, tokens in targets(experiment.options):
        value, low, high = found.loss(parameters, tokens)
        far = 6 * parameters * tokens / largest
        entry = {
            "parameters": parameters,
            "tokens": tokens,
            "loss": rounded((value, low, high)),
            "times_the_largest": far,
        }
        result["predictions"][name] = entry
        print(f"{name}: loss {value:.3f} [{low:.3f}, {high:.3f}], {far:,.0f} times the work of the largest training")
    return result


def rounded(values: tuple[float, float, float]) -> list[float]:
    """Keep five digits."""
    return [float(f"{value:.5g}") for value in values]


def plot(experiment: Experiment, law: scaling_fit.Law) -> None:
    """Draw the losses as measured (mean over seeds), beside those of the law."""
    measured: dict[str, list[tuple[float, float]]] = {}
    fitted: dict[str, list[tuple[float, float]]] = {}
    for width in sorted({one["width"] for one in experiment.runs}):
        points: dict[int, list[float]] = {}
        members = [one for one in experiment.runs if one["width"] == width and one["loss"] is not None]
        for one in members:
            points.setdefault(one["tokens"], []).append(one["loss"])
        if members:
            label, size = f"{members[0]['parameters'] / 1e6:.2f}M", members[0]["parameters"]
            measured[label] = [(tokens, sum(losses) / len(losses)) for tokens, losses in sorted(points.items())]
            fitted[label] = [(tokens, law.loss(size, tokens)) for tokens in sorted(points)]
    panels = [
        Panel(title, lines, "tokens", "held-out loss, nats a token")
        for title, lines in (("measured", measured), ("the law", fitted))
    ]
    draw(experiment.path.with_suffix(".svg"), panels)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder with finished shards")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="start no training that would end later; 0: fit only"
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default: all cores")
    parser.add_argument("--widths", type=int, nargs="+", default=[96, 128, 192, 256, 320])
    parser.add_argument("--tokens", type=float, nargs="+", default=[5e5, 1e6, 2e6, 4e6, 8e6], help="budgets")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--head-width", type=int, default=32)
    parser.add_argument("--base-width", type=int, default=128, help="width at which the learning rates count (muP)")
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--micro-rows", type=int, default=0, help="rows per forward pass; 0: the whole batch")
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    parser.add_argument("--learning-rate", type=float, default=Train.learning_rate)
    parser.add_argument("--muon-learning-rate", type=float, default=Train.muon_learning_rate)
    parser.add_argument("--compile", choices=("auto", "on", "off"), default="off")
    parser.add_argument("--validate-rows", type=int, default=256, help="held-out rows")
    parser.add_argument("--task", default="", help="solve a benchmark after each training, e.g. gsm8k-dev")
    parser.add_argument("--items", type=int, default=200, help="of that benchmark at most; 0: all")
    parser.add_argument(
        "--flops", type=float, nargs="*", default=[], help="say the best size at these; default: the most"
    )
    parser.add_argument("--predict", nargs="*", default=[], metavar="N:D", help="PARAMETERS:TOKENS, or a recipe")
    parser.add_argument("--replicates", type=int, default=400, help="of the bootstrap")
    parser.add_argument("--name", default="scaling_law", help="of the result")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if wrong := [width for width in options.widths if width % options.head_width]:
        parser.error(f"--widths: {wrong[0]} is not a multiple of --head-width {options.head_width}")
    return options


def main() -> None:
    """Carry out what is missing, fit, predict and draw."""
    options = read_options()
    list(targets(options))  # a mistyped one is said now and not after hours
    if options.threads:
        torch.set_num_threads(options.threads)
    experiment = Experiment(options)
    experiment.carry_out()
    whole = [one for one in experiment.runs if one["loss"] is not None]
    columns = ([one[key] for one in whole] for key in ("parameters", "tokens", "loss"))
    try:
        found = scaling_fit.fit(*columns, replicates=options.replicates)
    except ValueError as error:
        print(f"no law yet: {error}")
        return
    experiment.save(**conclude(experiment, found))
    plot(experiment, found.law)


if __name__ == "__main__":
    main()

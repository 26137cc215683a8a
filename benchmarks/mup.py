"""muP shown twice: in a wider model activations keep their size, and the best learning rate its place.

    python benchmarks/mup.py coordinates                 # a minute: the coordinate check of both forms and optimisers
    python benchmarks/mup.py transfer runs/NAME          # hours: a sweep of learning rates at three widths, real data

Both write JSON and an SVG into results/. A sweep that was cut off goes on where it stopped when it is called again.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from harness import RESULTS
from panels import Panel, draw
from sweeps import summarise
from trainings import earlier, held_out, prepare, widened, write

from ganita import storage
from ganita.errors import NonFiniteError
from ganita.model.config import resolve
from ganita.recipe import Model, Train
from ganita.runs import Run
from ganita.train.coordinates import Coordinates, coordinate_check, slopes
from ganita.train.loop import Job, Trainer, evaluate_loss
from ganita.train.objective import Rows

FORMS = ("standard", "mup")
# AdamW's share of a sweep with Muon: embeddings follow at the ratio of the two defaults in the recipe.
ADAMW_PER_MUON = Train.learning_rate / Train.muon_learning_rate


def shape(width: int, form: str, base: int, options: argparse.Namespace) -> Model:
    """Widen by more heads of one width."""
    return widened(width, options, options.init_std, base if form == "mup" else 0)


# ------------------------------------------------------------------------------------------------ coordinate check


def coordinates(options: argparse.Namespace) -> None:
    """Measure activations at every width, for both forms and optimisers; write and draw them."""
    trains = {
        "adamw": Train(optimizer="adamw", learning_rate=2e-3),
        "muon": Train(optimizer="muon", learning_rate=2e-3, muon_learning_rate=0.01),
    }
    rows = zipf_rows(options.rows, options.context)
    found: dict[str, Any] = {}
    for optimizer, train in trains.items():
        for form in FORMS:
            configs = [resolve(shape(width, form, options.widths[0], options), 512) for width in options.widths]
            check = coordinate_check(configs, train, [rows] * options.steps, range(options.seeds))
            label = f"{optimizer}, {form}"
            found[label] = describe_check(check)
            print(label + ": " + ", ".join(f"{n} {one['change']:+.2f}" for n, one in found[label]["slopes"].items()))
    write(options.out / "mup_coordinates.json", {"options": plain(options), "checks": found})
    panels = [
        Panel(label, one["changes"], "width", "mean absolute change of activations", log_y=True)
        for label, one in found.items()
    ]
    draw(options.out / "mup_coordinates.svg", panels)


def zipf_rows(num_rows: int, length: int) -> Rows:
    """Draw tokens as uneven as words are, so that some of the embedding's updates are large and coherent."""
    generator = torch.Generator().manual_seed(0)
    shares = (1 / (torch.arange(512) + 2.0)).expand(num_rows, 512)
    ids = torch.multinomial(shares, length + 1, replacement=True, generator=generator)
    return Rows(ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), torch.zeros(num_rows, length, dtype=torch.int32))


def describe_check(check: Mapping[int, Coordinates]) -> dict[str, Any]:
    """Return the changes at the last step, blocks averaged, as they are plotted, and all exponents."""
    changes: dict[str, dict[int, list[float]]] = {}
    for width, course in check.items():
        for name, steps in course.changes.items():
            part = name.split(" ", 2)[2] if name.startswith("block ") else name  # "block 3 mlp": all blocks in one
            changes.setdefault(part, {}).setdefault(width, []).append(steps[-1])
    plotted = {
        part: [(width, float(f"{statistics.fmean(values):.4g}")) for width, values in at.items()]
        for part, at in changes.items()
    }
    exponents = {
        name: {"size": round(size, 3), "change": round(change, 3)} for name, (size, change) in slopes(check).items()
    }
    return {"changes": plotted, "slopes": exponents}


# --------------------------------------------------------------------------------------------- transfer experiment


def transfer(options: argparse.Namespace) -> None:
    """Train every (seed, form, width, learning rate) that the results do not hold yet; sum up, and draw."""
    run, path = Run(options.run), options.out / f"{options.name}.json"
    # What the losses depend on; a file with others is another experiment.
    facts = {key: value for key, value in plain(options).items() if key not in ("seeds", "name", "rates")}
    facts["shards"] = storage.sha256_file(run.stage("shards") / "index.json")[:16]
    runs: list[dict[str, Any]] = earlier(path, facts).get("runs", [])
    done = {(one["form"], one["width"], one["rate"], one["seed"]) for one in runs}
    missing = [trial for trial in trials(options) if trial not in done]
    print(f"{len(missing)} trainings of {options.steps} steps to go, {len(runs)} done before", flush=True)
    for form, width, rate, seed in missing:
        started = time.monotonic()
        losses = train_once(run, form, width, rate, seed, options)
        seconds = round(time.monotonic() - started, 1)
        runs.append({"form": form, "width": width, "rate": rate, "seed": seed, **losses, "seconds": seconds})
        print("  " + "  ".join(f"{key} {value}" for key, value in runs[-1].items()), flush=True)
        result = {"options": facts, "summary": summarise(runs, FORMS, options.widths), "runs": runs}
        write(path, result)
    summary = summarise(runs, FORMS, options.widths)
    print_summary(summary)
    panels = []
    for form in FORMS:
        lines = {f"width {w}": [(r, x) for r, x in one["losses"] if x] for w, one in summary[form].items()}
        panels.append(Panel(f"{options.optimizer}, {form}", lines, "learning rate", "validation loss", minima=True))
    draw(options.out / f"{options.name}.svg", panels)


def trials(options: argparse.Namespace) -> Iterator[tuple[str, int, float, int]]:
    """Order the work so that a sweep that is cut off is a whole one of fewer seeds."""
    for seed in range(1, options.seeds + 1):
        for width in options.widths:
            # At the base width both forms are one and the same, to the bit.
            for form in FORMS[1:] if width == options.widths[0] else FORMS:
                for rate in options.rates:
                    yield form, width, rate, seed


def train_once(
    run: Run, form: str, width: int, rate: float, seed: int, options: argparse.Namespace
) -> dict[str, float | None]:
    """Train one model on the run's pretraining mixture; return its losses, None where it diverged."""
    job = prepare_one(run, form, width, rate, seed, options)
    trainer, losses = Trainer(job), []
    try:
        for step in range(options.steps):
            losses.append(trainer.train_step(job.loader.rows(step))["loss"])
        loss = evaluate_loss(job, held_out(run, options.context, options.validate_rows))
    except NonFiniteError:
        loss = math.nan
    if not math.isfinite(loss):
        return {"train_loss": None, "validation_loss": None}
    return {"train_loss": round(statistics.fmean(losses[-20:]), 5), "validation_loss": round(loss, 5)}


def prepare_one(run: Run, form: str, width: int, rate: float, seed: int, options: argparse.Namespace) -> Job:
    """Build the job of one training."""
    train = Train(
        steps=options.steps,
        batch_tokens=options.batch_tokens,
        optimizer=options.optimizer,
        learning_rate=rate * (ADAMW_PER_MUON if options.optimizer == "muon" else 1.0),
        muon_learning_rate=rate,
        warmup=0.1,
        compile=options.compile,
    )
    return prepare(run, shape(width, form, options.widths[0], options), train, seed, options.micro_rows)


def print_summary(summary: Mapping[str, Mapping[int, Any]]) -> None:
    """Print the losses, the optimum and the regret of every form and width."""
    for form, widths in summary.items():
        for width, one in widths.items():
            losses = "  ".join(f"{rate:.3g}: {'--' if loss is None else f'{loss:.3f}'}" for rate, loss in one["losses"])
            print(f"{form:<8} width {width:<5} {losses}")
            found = {key: value for key, value in one.items() if key != "losses"}
            print(" " * 21 + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found.items()))


def plain(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options as JSON has them; where to write is no fact of the experiment."""
    return {key: value for key, value in vars(options).items() if key not in ("command", "out", "run", "micro_rows")}


def read_options() -> argparse.Namespace:
    """Read the command line."""

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("coordinates", help="the coordinate check")
    sweep = commands.add_parser("transfer", help="the sweep of learning rates at several widths")
    sweep.add_argument("run", type=Path, help="a run folder with finished shards")
    for command, widths, layers, context, steps, seeds in (
        (check, "64,128,256,512", 3, 64, 4, 4),
        (sweep, "64,128,256", 4, 256, 300, 3),
    ):
        command.add_argument("--widths", type=numbers, default=numbers(widths), help="the first is the base")
        command.add_argument("--layers", type=int, default=layers)
        command.add_argument("--head-width", type=int, default=16, help="the same at every width")
        command.add_argument("--context", type=int, default=context, help="tokens per row")
        command.add_argument("--steps", type=int, default=steps)
        command.add_argument("--seeds", type=int, default=seeds)
        command.add_argument("--out", type=Path, default=RESULTS)
    # Small, so that what is learnt soon outweighs the random start of the logits, which fades with the width.
    check.add_argument("--init-std", type=float, default=0.02)
    check.add_argument("--rows", type=int, default=8, help="rows of the one batch that is trained on")
    sweep.add_argument("--init-std", type=float, default=0.0, help="0: 0.64 / sqrt(base), as 0.02 at 1,024")
    sweep.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    sweep.add_argument("--rates", type=lambda text: [2.0**power for power in numbers(text)], help="powers of two")
    sweep.add_argument("--batch-tokens", type=int, default=8192)
    sweep.add_argument("--micro-rows", type=int, default=16, help="rows per forward pass; 0: the whole batch")
    sweep.add_argument("--validate-rows", type=int, default=64)
    sweep.add_argument("--compile", choices=("auto", "on", "off"), default="off")
    sweep.add_argument("--name", default="", help="of the result; default: mup_transfer_OPTIMIZER")
    options = parser.parse_args()
    if options.command == "transfer":
        first = -11 if options.optimizer == "adamw" else -9
        options.rates = options.rates or [2.0**power for power in range(first, first + 7)]
        options.name = options.name or f"mup_transfer_{options.optimizer}"
    options.init_std = options.init_std or round(0.64 / options.widths[0] ** 0.5, 4)
    for width in options.widths:
        if width % options.head_width:
            parser.error(f"--widths: {width} is not a multiple of --head-width {options.head_width}")
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def main() -> None:
    """Run the experiment that the command line names."""
    options = read_options()
    coordinates(options) if options.command == "coordinates" else transfer(options)


if __name__ == "__main__":
    main()

"""What the experiments on a run's data share: a training to prepare, a course of losses, results that are added to."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from harness import versions

from ganita import storage
from ganita.errors import GanitaError
from ganita.hardware import describe
from ganita.model.config import flops_per_token, resolve
from ganita.model.decoder import Decoder
from ganita.progress import Reporter
from ganita.recipe import Model, Train
from ganita.runs import Run
from ganita.shards.draw import stage_draw
from ganita.shards.loader import Batch, Loader
from ganita.train import placement
from ganita.train.loop import Job

_SHAPE = ("layers", "width", "heads", "hidden", "context")


def prepare(run: Run, model: Model, train: Train, seed: int, micro_rows: int = 0) -> Job:
    """Build the model, the loader and the job of one training on the run's pretraining mixture.

    The order of the data follows the seed too: what differs between seeds is all that chance decides.
    """
    context, recipe = model.context_length, run.recipe()
    rows = max(1, train.batch_tokens // context)
    drawn = replace(recipe, seed=seed, pretrain=replace(recipe.pretrain, steps=train.steps, phases=()))
    draw = stage_draw(drawn, "pretrain", run.stage("shards"), context_length=context, rows_per_batch=rows)
    loader, reporter = Loader(draw), Reporter(quiet=True)
    config = resolve(model, loader.vocabulary_size)
    flops = float(flops_per_token(config, context).paper)
    torch.manual_seed(seed)
    return Job(
        model=Decoder(config),
        loader=loader,
        train=train,
        num_steps=train.steps,
        folder=Path("."),  # nothing is written: only the loop's single steps are used
        placement=placement.choose(train, flops * train.steps * train.batch_tokens, reporter),
        micro_rows=min(rows, micro_rows or rows),
        flops_per_token=flops,
        reporter=reporter,
        tensorboard=False,
    )


def widened(width: int, options: argparse.Namespace, init_std: float, mup_base_width: int) -> Model:
    """Return a member of a family of equal depth, widened by more heads of one width."""
    return Model(
        layers=options.layers,
        width=width,
        heads=width // options.head_width,
        hidden=8 * width // 3 // 8 * 8,  # no rounding to 64 here: it would change the ratio to the width
        context_length=options.context,
        init_std=init_std,
        mup_base_width=mup_base_width,
    )


def held_out(run: Run, context: int, num_rows: int) -> Batch:
    """Return held-out rows of the training sources: the same for every training."""
    shards, recipe = run.stage("shards"), run.recipe()
    draw = stage_draw(recipe, "pretrain", shards, split="validation", context_length=context, rows_per_batch=num_rows)
    return Loader(draw).rows(0)


def add_shape_options(parser: argparse.ArgumentParser, **defaults: int) -> None:
    """Add the options of a shape, a batch and where to write."""
    for name in _SHAPE:
        parser.add_argument(f"--{name}", type=int, default=defaults[name])
    parser.add_argument("--batch-tokens", type=int, default=defaults["batch_tokens"], help="tokens per step")
    parser.add_argument("--micro-rows", type=int, default=0, help="rows per forward pass; 0: the whole batch")
    parser.add_argument("--validate-rows", type=int, default=128, help="held-out rows")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default: all cores")
    parser.add_argument("--name", default="", help="of the result, another experiment beside the first")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")


def shape_of(options: argparse.Namespace) -> Model:
    """Return the model that the options describe."""
    shape = {name: getattr(options, name) for name in _SHAPE if name != "context"}
    return Model(context_length=options.context, **shape)


def facts_of(options: argparse.Namespace, run: Run, *leave_out: str) -> dict[str, Any]:
    """Return what the losses of an experiment depend on, as JSON gives it back."""
    free = {"run", "name", "out", "threads", "micro_rows", "seeds", *leave_out}
    facts = {key: value for key, value in vars(options).items() if key not in free}
    facts["shards"] = storage.sha256_file(run.stage("shards") / "index.json")[:16]
    return json.loads(json.dumps(facts))  # type: ignore[no-any-return]


def earlier(path: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an earlier call wrote; {} where there was none. Another experiment's file is a `GanitaError`."""
    if not path.is_file():
        return {}
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if before["options"] != dict(facts):
        raise GanitaError(f"{path} holds an experiment with other options or shards; name this one with --name")
    return before


def write(path: Path, result: Mapping[str, Any]) -> None:
    """Write the JSON of an experiment, whole or not at all."""
    machine = {key: value for key, value in describe().items() if key in ("cpu", "cores", "gpus", "threads")}
    about = {"date": time.strftime("%Y-%m-%d"), "versions": versions("torch"), "machine": machine}
    path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_json(path, {**about, **result})

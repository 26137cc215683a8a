"""The coordinate check: do activations, and their changes, keep their size when the model is made wider?

Under a right parametrisation they do, at every step; one wrong factor and something grows or fades with the width
(Yang et al. 2022, "Tensor Programs V", arXiv 2203.03466, appendix D.1). It takes seconds, and finds what a sweep of
learning rates would show after hours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ganita.model.config import ModelConfig
from ganita.model.decoder import Attention, Decoder
from ganita.model.mup import scalings
from ganita.recipe import Train
from ganita.train.objective import Batch, NextToken
from ganita.train.optimizers import Optimizers


@dataclass(frozen=True)
class Coordinates:
    """Mean absolute activations of one model, by activation: one figure per step, the first before any update."""

    sizes: dict[str, list[float]] = field(default_factory=dict)
    changes: dict[str, list[float]] = field(default_factory=dict)  # since before the first update; first: 0


def coordinate_check(
    configs: Sequence[ModelConfig], train: Train, batches: Sequence[Batch], seeds: Sequence[int] = (0, 1)
) -> dict[int, Coordinates]:
    """Train one model per config and seed for a step on each of `batches`; measure on the first of them.

    Args:
        configs: the same model at several widths.
        train: optimiser, learning rates and weight decay, at their peak from the first step on (no schedule).
        batches: one per step, the same for all.
        seeds: of the initial weights; figures are means over these.

    Returns:
        width -> coordinates, in the order of `configs`.
    """
    return {config.width: mean([record(config, train, batches, seed) for seed in seeds]) for config in configs}


def record(config: ModelConfig, train: Train, batches: Sequence[Batch], seed: int) -> Coordinates:
    """Train one new model for a step on each of `batches` and measure it before the first and after each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Decoder(config)
    optimizers, objective, found = Optimizers(model, train), NextToken(), Coordinates()
    start = activations(model, batches[0])
    _note(found, start, start)
    for batch in batches:
        (objective.loss(model, batch)[0] / objective.count(batch)).backward()  # type: ignore[no-untyped-call]
        optimizers.step()
        optimizers.zero_grad()
        _note(found, start, activations(model, batches[0]))
    return found


def _note(found: Coordinates, start: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> None:
    for name, value in now.items():
        found.sizes.setdefault(name, []).append(value.abs().mean().item())
        found.changes.setdefault(name, []).append((value - start[name]).abs().mean().item())


def mean(runs: Sequence[Coordinates]) -> Coordinates:
    """Return the mean of several runs of one model."""

    def average(parts: Sequence[Mapping[str, list[float]]]) -> dict[str, list[float]]:
        columns = {name: zip(*(part[name] for part in parts), strict=True) for name in parts[0]}
        return {name: [sum(values) / len(parts) for values in steps] for name, steps in columns.items()}

    return Coordinates(average([run.sizes for run in runs]), average([run.changes for run in runs]))


@torch.no_grad()
def activations(model: Decoder, batch: Batch) -> dict[str, Tensor]:
    """Return the activations of one forward pass, float32, by name, in the order of the pass.

    `embedding`; per block `attention scores`, `attention` and `mlp` (what the two write to the residual stream);
    `final hidden`; `logits`; and the gains that hold a factor of muP, `final gain` and per block `query gain`: what
    they do to an activation is too small to be seen in its mean. Their factors are taken out, of `final hidden` too,
    which leaves what the usual form of muP has there.
    """
    found: dict[str, Tensor] = {}
    with _hooks(model, found):
        logits = model(batch.tokens, batch.documents)
    found["logits"] = logits.float()
    factors = scalings(model.config)
    found["final hidden"] = found["final hidden"] / factors["norm"].init
    found["final gain"] = model.model.norm.weight / factors["norm"].init
    for number, block in enumerate(_blocks(model)):
        if model.config.qk_norm:
            found[f"block {number} query gain"] = block.self_attn.q_norm.weight / factors["q_norm"].init
    return found


def _blocks(model: Decoder) -> list[Any]:
    return list(model.model.layers)  # Block, which torch's types do not know


@contextmanager
def _hooks(model: Decoder, found: dict[str, Tensor]) -> Iterator[None]:
    """Write what passes through the model's parts into `found`, as float32."""
    handles = []

    def watch(module: nn.Module, name: str) -> None:
        def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            found[name] = output.float()

        handles.append(module.register_forward_hook(keep))

    def keep_input(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found["embedding"] = inputs[0].float()

    def keep_scores(module: Attention, _inputs: Any, _output: Tensor) -> None:
        name = f"block {module.layer} attention scores"
        found[name] = own_scores(module, found.pop("queries"), found.pop("keys"))

    handles.append(model.model.layers[0].register_forward_pre_hook(keep_input))
    for number, block in enumerate(_blocks(model)):
        part = block.self_attn
        watch(part.q_norm if part.qk_norm else part.q_proj, "queries")
        watch(part.k_norm if part.qk_norm else part.k_proj, "keys")
        handles.append(part.register_forward_hook(keep_scores))
        watch(part, f"block {number} attention")
        watch(block.mlp, f"block {number} mlp")
    watch(model.model.norm, "final hidden")
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def own_scores(attention: Attention, queries: Tensor, keys: Tensor) -> Tensor:
    """Return each token's attention score with itself (B, T, H): what RoPE leaves as it is, so no rotation is needed.

    queries and keys: (B, T, H * head_width) and (B, T, H_kv * head_width), or split into heads already.
    """
    rows, length = queries.shape[:2]
    queries = queries.view(rows, length, -1, attention.head_width)
    keys = keys.view(rows, length, -1, attention.head_width)
    keys = keys.repeat_interleave(queries.shape[2] // keys.shape[2], dim=2)
    return (queries * keys).sum(-1) / math.sqrt(attention.head_width)


def slope(widths: Sequence[float], sizes: Sequence[float]) -> float:
    """Return the exponent p of the best fit sizes ~ width^p: least squares in logarithms. 0: flat."""
    xs, ys = [math.log(width) for width in widths], [math.log(size) for size in sizes]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def slopes(check: Mapping[int, Coordinates], step: int = -1) -> dict[str, tuple[float, float]]:
    """Return activation -> (exponent of its size, exponent of its change) at one step (default: the last).

    The exponent of a change that is 0 everywhere, as before the first update, is 0.
    """
    widths, courses = list(check), list(check.values())
    found = {}
    for name in courses[0].sizes:
        sizes = [course.sizes[name][step] for course in courses]
        changes = [course.changes[name][step] for course in courses]
        found[name] = slope(widths, sizes), slope(widths, changes) if all(changes) else 0.0
    return found

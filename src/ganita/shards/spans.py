"""A training stage whose phases differ in context length: which rows come when, still a function of (seed, step).

Consecutive phases of one context length make a span, and each span deals rows by a `Draw` of its own. A stream goes
on where the span before left it: at the first row, in the packing of the new length, that repeats nothing. So an
epoch stays an epoch over a change of length, up to less than one row of each stream of text and, of worked problems,
the documents that waited for a row (fewer than 64).
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganita.errors import GanitaError, IntegrityError
from ganita.recipe import Phase, Recipe, Train
from ganita.shards.draw import Draw, stage_caps, stage_weights
from ganita.shards.loader import Batch, Loader
from ganita.shards.mixture import phase_steps


@dataclass(frozen=True)
class Span:
    """Consecutive phases of a training stage in which a row has `context_length` tokens."""

    first_step: int
    steps: int
    context_length: int
    rows: int  # of one optimiser step
    phases: tuple[Phase, ...]

    @property
    def tokens(self) -> int:
        """Tokens of all its rows, padding included."""
        return self.steps * self.rows * self.context_length


def stage_spans(train: Train, stage: str, context_length: int) -> list[Span]:
    """Return the spans of a stage whose rows have `context_length` tokens where a phase does not say otherwise.

    A step has as many whole rows as `batch_tokens` holds, so that longer rows are fewer. Raises `GanitaError` for a
    phase without a step.
    """
    steps = phase_steps(train.phases, train.num_steps, stage)
    starts = [0, *itertools.accumulate(steps)]
    lengths = [phase.context_length or context_length for phase in train.phases] or [context_length]
    spans = []
    for length, group in itertools.groupby(range(len(lengths)), key=lengths.__getitem__):
        numbers = list(group)
        first, last = starts[numbers[0]], starts[numbers[-1] + 1]
        phases = train.phases[numbers[0] : numbers[-1] + 1]
        spans.append(Span(first, last - first, length, max(1, train.batch_tokens // length), phases))
    return spans


def stage_draws(recipe: Recipe, stage: str, folder: Path, spans: Sequence[Span]) -> list[Draw]:
    """Return what each span draws from the training split of the shards in `folder`.

    A cap (`max_epochs`) holds over all spans: each gets the part of it that it would take of the stream without caps.
    Raises what `Draw` raises.
    """
    caps = stage_caps(recipe)
    if len(spans) == 1:
        return [_draw(recipe, stage, folder, spans[0], caps, None, 0)]
    longest = max(span.context_length for span in spans)
    parts: list[dict[str, float]] = [{} for _ in spans]
    if caps:
        free = [_draw(recipe, stage, folder, span, {}, None, longest) for span in spans]
        parts = _share_caps(free, caps)
    draws: list[Draw] = []
    position: dict[str, int] = {}
    for span, part in zip(spans, parts, strict=True):
        try:
            draws.append(_draw(recipe, stage, folder, span, part, position, longest))
        except IntegrityError:
            raise
        except GanitaError as error:
            if "within max_epochs" not in str(error):
                raise
            raise GanitaError(
                f"{stage}: its part of {span.context_length} tokens a row (from step {span.first_step + 1}) finds too "
                f"little within max_epochs; lower {stage}.tokens or raise max_epochs of {', '.join(sorted(caps))}"
            ) from None
        position |= draws[-1].positions()
    return draws


def _draw(
    recipe: Recipe,
    stage: str,
    folder: Path,
    span: Span,
    caps: dict[str, float],
    begin: dict[str, int] | None,
    longest: int,
) -> Draw:
    train: Train = getattr(recipe, stage)
    return Draw(
        folder,
        split="train",
        weights=stage_weights(recipe, stage),
        context_length=span.context_length,
        rows_per_batch=span.rows,
        seed=recipe.seed,
        num_steps=span.steps,
        phases=span.phases,
        max_epochs=caps,
        forms=train.forms,
        label=stage,
        begin=begin,
        longest=longest,
    )


def _share_caps(draws: Sequence[Draw], caps: dict[str, float]) -> list[dict[str, float]]:
    """Split each stream's cap over the spans, in proportion to what they draw of it: stream -> epochs, by span."""
    taken = [{name: entry["epochs"] for name, entry in draw.drawn().items()} for draw in draws]
    sources = {name: source for draw in draws for name, source in draw.sources.items()}
    parts: list[dict[str, float]] = [{} for _ in draws]
    for name, source in sources.items():
        total = sum(epochs.get(name, 0.0) for epochs in taken)
        if source in caps and total:
            for part, epochs in zip(parts, taken, strict=True):
                part[name] = caps[source] * epochs.get(name, 0.0) / total
    return parts


def draws_report(draws: Sequence[Draw], spans: Sequence[Span]) -> dict[str, Any]:
    """Return `Draw.report` over several spans; each of its phases then says its context length, too."""
    reports = [draw.report() for draw in draws]
    if len(reports) == 1:
        return reports[0]
    names = dict.fromkeys(name for report in reports for name in report["streams"])
    whole = sum(entry["tokens"] for report in reports for entry in report["streams"].values())
    streams = {}
    for name in names:
        entries = [(report["streams"].get(name), span) for report, span in zip(reports, spans, strict=True)]
        found = [(entry, span) for entry, span in entries if entry]
        streams[name] = {key: sum(entry[key] for entry, _ in found) for key in ("rows", "tokens", "epochs")}
        streams[name]["share"] = streams[name]["tokens"] / max(1, whole)
        streams[name]["wanted"] = sum(e["wanted"] * s.tokens for e, s in found) / sum(s.tokens for s in spans)
    phases = [
        {**phase, "context_length": span.context_length}
        for report, span in zip(reports, spans, strict=True)
        for phase in report["phases"] or [{"steps": span.steps, "streams": report["streams"]}]
    ]
    notes = [
        f"context {span.context_length}: {note}"
        for report, span in zip(reports, spans, strict=True)
        for note in report["notes"]
    ]
    return {"streams": streams, "phases": phases, "notes": notes}


class SpanLoader:
    """The rows of spans one after another: a pure function of (seed, step), as those of each `Loader` are."""

    def __init__(self, loaders: Sequence[Loader], spans: Sequence[Span]) -> None:
        self.loaders = list(loaders)
        self._first_steps = [span.first_step for span in spans]

    def rows(self, step: int, start: int = 0, stop: int | None = None) -> Batch:
        """Return rows [start:stop) of the global batch of `step`; their length is that of the step's span."""
        loader, local = self._find(step)
        return loader.rows(local, start, stop)

    def origin(self, step: int, row: int) -> str:
        """Say where a row of a batch comes from: shard files and document numbers."""
        loader, local = self._find(step)
        return loader.origin(local, row)

    def _find(self, step: int) -> tuple[Loader, int]:
        number = bisect.bisect_right(self._first_steps, step) - 1
        return self.loaders[number], step - self._first_steps[number]

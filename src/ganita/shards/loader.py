"""Batches: a pure function of (seed, step).

The loader keeps no state but caches. Resuming at a step, changing the number of ranks or the micro-batch takes
slices of the same global batch, so the same tokens are seen in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ganita.errors import GanitaError, nearest
from ganita.shards.files import Stream, check_tokenizer, read_index
from ganita.shards.mixture import Mixture
from ganita.shards.packing import Packer

NO_LOSS = -100  # the target that cross-entropy leaves out (`ignore_index` of PyTorch)
NO_DOCUMENT = -1
_MOST_NAMED = 8  # documents that `origin` names for a file
_WEIGHTS = {"pretrain": "weight", "finetune": "finetune_weight"}


@dataclass(frozen=True)
class Batch:
    """Rows of a batch, as CPU tensors."""

    tokens: torch.Tensor  # (R, T) int64
    targets: torch.Tensor  # (R, T) int64, the next token of the same document; -100: no loss
    documents: torch.Tensor  # (R, T) int32, number of the document inside the row; -1: padding


class Loader:
    """Rows of one split of a shards stage, mixed by weight and packed to `context_length`.

    `stage` chooses whose weights apply: `pretrain` (Source.weight) or `finetune` (Source.finetune_weight), as
    they were when the shards were made; `weights` (source -> weight) replaces them by those of today's recipe.
    A source's weight is shared evenly by its forms; `forms` keeps only some of them (text has none and stays).
    With loss_on="solution" the prompt of a worked problem carries no loss. `validation` always has the same
    rows: take `rows(0)`.

    Raises `GanitaError` for options that leave nothing to load and for shards of another tokenizer,
    `IntegrityError` for a file that is not what the manifest says.
    """

    def __init__(
        self,
        folder: Path,
        *,
        split: str,
        stage: str,
        context_length: int,
        rows_per_batch: int,
        seed: int,
        loss_on: Literal["all", "solution"] = "all",
        forms: Sequence[str] = (),
        tokenizer_fingerprint: str = "",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        _check_options(split, stage, context_length, rows_per_batch, loss_on)
        index = read_index(folder)
        check_tokenizer(folder, index, tokenizer_fingerprint)
        self.folder, self.split, self.rows_per_batch = folder, split, rows_per_batch
        self.context_length, self.loss_on = context_length, loss_on
        self.vocabulary_size: int = index["vocabulary_size"]
        self._pad_id: int = index["pad_id"]
        shares = stream_weights(folder, index, split=split, stage=stage, forms=forms, weights=weights)
        entries = index["splits"][split]
        self.streams = {name: Stream(folder, split, name, entries[name], index["dtype"]) for name in shares}
        self._packers = {
            name: Packer(
                np.diff(stream.offsets),
                context_length,
                mode="whole" if stream.form else "cut",
                seed=seed,
                name=name,
            )
            for name, stream in self.streams.items()
        }
        self.left_out = {name: packer.num_left_out for name, packer in self._packers.items() if packer.num_left_out}
        self._mixture = Mixture(self._with_rows(shares), seed)

    @property
    def num_streams(self) -> int:
        """Streams that rows come from."""
        return len(self._mixture.names)

    @property
    def tokens_per_epoch(self) -> dict[str, int]:
        """Tokens with a next token in one pass over each stream (documents left out not counted)."""
        return {name: self._packers[name].num_pairs for name in self._mixture.names}

    def rows(self, step: int, start: int = 0, stop: int | None = None) -> Batch:
        """Return rows [start:stop) of the global batch of `step`: a pure function of (seed, step)."""
        stop = self.rows_per_batch if stop is None else stop
        assert 0 <= start < stop <= self.rows_per_batch, (start, stop, self.rows_per_batch)
        shape = (stop - start, self.context_length)
        tokens = np.full(shape, self._pad_id, dtype=np.int64)  # (R, T)
        targets = np.full(shape, NO_LOSS, dtype=np.int64)  # (R, T)
        documents = np.full(shape, NO_DOCUMENT, dtype=np.int32)  # (R, T)
        for index in range(stop - start):
            name, row = self._mixture.locate(step * self.rows_per_batch + start + index)
            self._fill(name, row, tokens[index], targets[index], documents[index])
        return Batch(torch.from_numpy(tokens), torch.from_numpy(targets), torch.from_numpy(documents))

    def origin(self, step: int, row: int) -> str:
        """Say where a row of a batch comes from, for error messages: shard files and document numbers."""
        name, stream_row = self._mixture.locate(step * self.rows_per_batch + row)
        stream = self.streams[name]
        by_file: dict[str, list[int]] = {}
        for piece in self._packers[name].pieces(stream_row):
            by_file.setdefault(stream.files[stream.file_of(piece.document)], []).append(piece.document)
        return "; ".join(f"{file}, {_name_documents(numbers)}" for file, numbers in by_file.items())

    def shares(self, steps: int) -> dict[str, float]:
        """Return the share of the rows of the first `steps` batches that each stream gives."""
        used = self._mixture.used(steps * self.rows_per_batch)
        total = max(sum(used.values()), 1)
        return {name: count / total for name, count in used.items()}

    def epochs_after(self, steps: int) -> dict[str, float]:
        """Return how often each stream has been passed over after `steps` batches.

        Counted in rows of the stream's first epoch; later epochs of packed problems differ by well under 1 %.
        """
        used = self._mixture.used(steps * self.rows_per_batch)
        return {name: count / self._packers[name].rows_of_epoch(0) for name, count in used.items()}

    def _fill(
        self,
        name: str,
        row: int,
        tokens: NDArray[np.int64],  # (T,)
        targets: NDArray[np.int64],  # (T,)
        documents: NDArray[np.int32],  # (T,)
    ) -> None:
        """Write one row of a stream into the arrays of a batch."""
        stream = self.streams[name]
        for number, piece in enumerate(self._packers[name].pieces(row)):
            ids = stream.read(piece.document, piece.begin, piece.length + 1)
            place = slice(piece.column, piece.column + piece.length)
            tokens[place] = ids[:-1]
            targets[place] = ids[1:]
            documents[place] = number
            if self.loss_on == "solution":
                # Token `prompt` is the first of the solution; it is the target of the token before it.
                silent = int(stream.prompts[piece.document]) - 1 - piece.begin
                if silent > 0:
                    targets[piece.column : piece.column + min(silent, piece.length)] = NO_LOSS

    def _with_rows(self, weights: dict[str, float]) -> dict[str, float]:
        """Drop streams none of whose documents fits the context; in training that is an error."""
        empty = [name for name in weights if self._packers[name].num_pairs == 0]
        if empty and (self.split == "train" or len(empty) == len(weights)):
            raise GanitaError(
                f"{self.folder}: every document of stream {empty[0]!r} ({self.split}) is longer than "
                f"context_length = {self.context_length}; raise it or give the source no weight"
            )
        return {name: weight for name, weight in weights.items() if name not in empty}


def stream_weights(
    folder: Path,
    index: dict[str, Any],
    *,
    split: str,
    stage: str,
    forms: Sequence[str] = (),
    weights: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return the weight of each stream of a split that takes part in a stage, in the order of the index.

    Raises `GanitaError` for an empty split, a form that the shards do not hold, or no positive weight.
    """
    entries = index["splits"].get(split, {})
    if not entries:
        hint = "set corpus.validation_share above 0" if split == "validation" else "check [[corpus.sources]]"
        raise GanitaError(f"{folder}: the {split} split holds no documents; {hint}")
    known = {entry["form"] for name in index["splits"] for entry in index["splits"][name].values() if entry["form"]}
    for form in forms:
        if form not in known:
            raise GanitaError(f"{folder}: no shards of form {form!r}{nearest(form, known)}; add it to shards.forms")
    key = _WEIGHTS[stage]
    if weights is None:
        weights = {entry["source"]: entry[key] for entry in entries.values()}
    chosen = {
        name: entry["source"]
        for name, entry in entries.items()
        if weights.get(entry["source"], 0.0) > 0 and (not forms or not entry["form"] or entry["form"] in forms)
    }
    if not chosen:
        raise GanitaError(
            f"{folder}: no source has a {key} above 0 for {stage} ({split} split"
            f"{', forms ' + ', '.join(forms) if forms else ''}); set corpus.sources.NAME.{key}"
        )
    num_forms = Counter(chosen.values())
    return {name: weights[source] / num_forms[source] for name, source in chosen.items()}


def _check_options(split: str, stage: str, context_length: int, rows_per_batch: int, loss_on: str) -> None:
    if split not in ("train", "validation"):
        raise GanitaError(f"unknown split {split!r}: train or validation")
    if stage not in _WEIGHTS:
        raise GanitaError(f"unknown stage {stage!r}: pretrain or finetune")
    if loss_on not in ("all", "solution"):
        raise GanitaError(f"loss_on = {loss_on!r}: all or solution")
    if context_length < 1 or rows_per_batch < 1:
        raise GanitaError(f"context_length = {context_length} and rows_per_batch = {rows_per_batch} must be at least 1")


def _name_documents(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:_MOST_NAMED]))
    more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
    return f"document{'s' if len(numbers) > 1 else ''} {named}{more}"

"""Batches: a pure function of (seed, step).

The loader keeps no state but caches. Resuming at a step, changing the number of ranks or the micro-batch takes
slices of the same global batch, so the same tokens are seen in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ganita.errors import GanitaError
from ganita.shards.draw import Draw
from ganita.shards.files import Stream, check_tokenizer
from ganita.shards.silence import CalculatorTokens

NO_LOSS = -100  # the target that cross-entropy leaves out (`ignore_index` of PyTorch)
NO_DOCUMENT = -1
_MOST_NAMED = 8  # documents that `origin` names for a file


@dataclass(frozen=True)
class Batch:
    """Rows of a batch, as CPU tensors."""

    tokens: torch.Tensor  # (R, T) int64
    targets: torch.Tensor  # (R, T) int64, the next token of the same document; -100: no loss
    documents: torch.Tensor  # (R, T) int32, number of the document inside the row; -1: padding


class Loader:
    """The rows that `draw` draws, packed to its context length.

    With loss_on="solution" the prompt of a worked problem carries no loss, and with `calculator` neither do the results
    that it writes. Without `document_masking` all documents of a row count as one, so that attention crosses their
    borders; targets never do. `validation` always has the same rows: take `rows(0)`.

    Raises `GanitaError` for shards of another tokenizer, `IntegrityError` for a file that is not what the manifest
    says.
    """

    def __init__(
        self,
        draw: Draw,
        *,
        loss_on: Literal["all", "solution"] = "all",
        calculator: CalculatorTokens | None = None,
        document_masking: bool = True,
        tokenizer_fingerprint: str = "",
    ) -> None:
        if loss_on not in ("all", "solution"):
            raise GanitaError(f"loss_on = {loss_on!r}: all or solution")
        folder, index, split = draw.folder, draw.index, draw.split
        check_tokenizer(folder, index, tokenizer_fingerprint)
        self.draw, self.loss_on, self._calculator = draw, loss_on, calculator
        self._document_masking = document_masking
        self.rows_per_batch, self.context_length = draw.rows_per_batch, draw.context_length
        self.vocabulary_size: int = index["vocabulary_size"]
        self._pad_id: int = index["pad_id"]
        entries = index["splits"][split]
        self.streams = {name: Stream(folder, split, name, entries[name], index["dtype"]) for name in draw.packers}

    def rows(self, step: int, start: int = 0, stop: int | None = None) -> Batch:
        """Return rows [start:stop) of the global batch of `step`: a pure function of (seed, step)."""
        stop = self.rows_per_batch if stop is None else stop
        assert 0 <= start < stop <= self.rows_per_batch, (start, stop, self.rows_per_batch)
        shape = (stop - start, self.context_length)
        tokens = np.full(shape, self._pad_id, dtype=np.int64)  # (R, T)
        targets = np.full(shape, NO_LOSS, dtype=np.int64)  # (R, T)
        documents = np.full(shape, NO_DOCUMENT, dtype=np.int32)  # (R, T)
        for index in range(stop - start):
            name, row = self.draw.locate(step, start + index)
            self._fill(name, row, tokens[index], targets[index], documents[index])
        return Batch(torch.from_numpy(tokens), torch.from_numpy(targets), torch.from_numpy(documents))

    def origin(self, step: int, row: int) -> str:
        """Say where a row of a batch comes from, for error messages: shard files and document numbers."""
        name, stream_row = self.draw.locate(step, row)
        stream = self.streams[name]
        by_file: dict[str, list[int]] = {}
        for piece in self.draw.packers[name].pieces(stream_row):
            by_file.setdefault(stream.files[stream.file_of(piece.document)], []).append(piece.document)
        return "; ".join(f"{file}, {_name_documents(numbers)}" for file, numbers in by_file.items())

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
        for number, piece in enumerate(self.draw.packers[name].pieces(row)):
            ids = stream.read(piece.document, piece.begin, piece.length + 1)
            place = slice(piece.column, piece.column + piece.length)
            tokens[place] = ids[:-1]
            targets[place] = ids[1:]
            documents[place] = number if self._document_masking else 0
            num_prompt = int(stream.prompts[piece.document])  # 0: not a worked problem
            # Token `num_prompt` is the first of the solution; it is the target of the token before it.
            silent = num_prompt - 1 - piece.begin
            if self.loss_on == "solution" and silent > 0:
                targets[piece.column : piece.column + min(silent, piece.length)] = NO_LOSS
            if self._calculator and num_prompt:
                targets[place][self._calculator.find(ids)[1:]] = NO_LOSS


def _name_documents(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:_MOST_NAMED]))
    more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
    return f"document{'s' if len(numbers) > 1 else ''} {named}{more}"

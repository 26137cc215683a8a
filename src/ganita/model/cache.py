"""Keys and values of the tokens already seen, preallocated, with one length per row.

Rows need not be in step: each appends at its own end. A batch in which some rows finish and others enter is a matter
of `keep` and `append_rows`; nothing is computed again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from ganita.errors import GanitaError
from ganita.model.config import ModelConfig


class KVCache:
    """Per layer: keys and values (rows, kv_heads, capacity, head_width).

    Rows lie in tensors that may have room for more: those that leave are filled up from the end, those that enter are
    written behind, and nothing else is copied.

    Attributes:
        keys, values: views of the rows there are, one a layer.
        lengths: tokens held by each row, int64 (rows,), on the cache's device.
        counts: the same numbers as Python integers (no device is asked for them in a decoding step).
        longest: the largest of them.
        uniform: whether all rows are equally long; then no mask and no scatter is needed.
    """

    def __init__(
        self,
        config: ModelConfig,
        rows: int,
        length: int = 64,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Hold `rows` empty rows with room for `length` tokens; it grows by doubling, up to the model's context."""
        self.config = config
        self.capacity = max(1, min(length, config.context_length))
        shape = (rows, config.kv_heads, self.capacity, config.head_width)
        # zeros, not empty: masked positions are multiplied by a probability of 0, and 0 * NaN is NaN
        self._stores = [torch.zeros(shape, dtype=dtype, device=device) for _ in range(2 * config.layers)]
        self.lengths = torch.zeros(rows, dtype=torch.int64, device=device)
        self._set_counts([0] * rows)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.counts)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of keys and values; need not be the model's compute precision."""
        return self._stores[0].dtype

    def _set_counts(self, counts: list[int]) -> None:
        self.counts = counts
        self.longest = max(counts, default=0)
        self.uniform = min(counts, default=0) == self.longest
        views = [store[: len(counts)] for store in self._stores]
        self.keys, self.values = views[: self.config.layers], views[self.config.layers :]

    def reserve(self, length: int) -> None:
        """Make room for `length` tokens per row, at least doubling the capacity when it must grow."""
        if length <= self.capacity:
            return
        if length > self.config.context_length:
            raise GanitaError(
                f"{length} tokens do not fit the model's context of {self.config.context_length}; "
                "shorten the prompt or ask for fewer new tokens"
            )
        self._resize(len(self._stores[0]), min(max(length, 2 * self.capacity), self.config.context_length))

    def _resize(self, rows: int, capacity: int) -> None:
        """Move what is held into tensors with room for so many rows and tokens."""
        for number, old in enumerate(self._stores):
            new = old.new_zeros(rows, old.shape[1], capacity, old.shape[3])
            new[: self.rows, :, : self.longest] = old[: self.rows, :, : self.longest]
            self._stores[number] = new
        self.capacity = capacity
        self._set_counts(self.counts)

    def advance(self, num_tokens: int, lengths: Tensor | None = None) -> None:
        """Count what was appended: `num_tokens` per row, or `lengths` (rows,) where rows were right-padded."""
        if lengths is None:
            self.lengths = self.lengths + num_tokens
            self._set_counts([count + num_tokens for count in self.counts])
        else:
            added: list[int] = lengths.tolist()
            self.lengths = self.lengths + lengths.to(self.lengths.device)
            self._set_counts([count + more for count, more in zip(self.counts, added, strict=True)])

    def keep(self, rows: Tensor | Sequence[int]) -> None:
        """Keep only these rows (indices, each once), in the order given; only those that change place are copied."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.lengths.device)
        kept: list[int] = index.tolist()
        if moved := [place for place, row in enumerate(kept) if row != place]:
            target = torch.tensor(moved, device=index.device)
            source = index.index_select(0, target)
            for store in self._stores:
                held = store[:, :, : self.longest]
                held.index_copy_(0, target, held.index_select(0, source))
        self.lengths = self.lengths.index_select(0, index)
        self._set_counts([self.counts[row] for row in kept])

    def select(self, rows: Tensor | Sequence[int]) -> KVCache:
        """Return a new cache of these rows, some of them perhaps several times; this one stays as it is."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.lengths.device)
        other = copy.copy(self)
        other._stores = [store.index_select(0, index) for store in self._stores]
        other.lengths = self.lengths.index_select(0, index)
        other._set_counts([self.counts[row] for row in index.tolist()])
        return other

    def append_rows(self, other: KVCache) -> None:
        """Add the rows of `other` below the rows of this cache."""
        total, before = self.rows + other.rows, self.rows
        if total > len(self._stores[0]) or other.capacity > self.capacity:
            self._resize(max(total, len(self._stores[0])), max(self.capacity, other.capacity))
        for store, more in zip(self._stores, other._stores, strict=True):
            store[before:total, :, : other.longest] = more[: other.rows, :, : other.longest]
        self.lengths = torch.cat((self.lengths, other.lengths))
        self._set_counts(self.counts + other.counts)

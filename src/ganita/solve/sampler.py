"""Batched generation over the KV cache, by PyTorch: the reference among the engines.

Rows do not wait for each other: a finished one leaves, and requests that wait enter as soon as a quarter of the
batch is free ("continuous batching", Yu et al., 2022, "Orca", OSDI). What a row generates depends on its own prompt,
the seed and its number only, never on the rows beside it; see `sampling` for how that survives rounding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganita.errors import GanitaError
from ganita.model.decoder import Decoder, KVCache
from ganita.solve.engine import Completion, Draw, Engine, Generator, Request, Token
from ganita.solve.ensemble import Ensemble, EnsembleCache
from ganita.solve.rows import Row
from ganita.solve.sampling import draw
from ganita.tokenizer.tokenizer import Tokenizer

__all__ = ["Completion", "Sampler"]

_EARLY_ROOM = 64  # new tokens that a fresh cache has room for; most solutions are shorter, and it grows by itself
_REFILL_SHARE = 4  # refill and compact when one in this many rows is free


class Sampler(Generator):
    """Generates from one model. Not for use by two threads at once: the model's rows are."""

    name = "torch"

    def __init__(
        self,
        model: Decoder | Ensemble,
        tokenizer: Tokenizer,
        calculator: bool = True,
        device: torch.device | str | None = None,
    ) -> None:
        """Take a model, moved to `device` unless that is None; `calculator` fills in results after `<<expression=`."""
        self.model: Any = model.eval()
        self.tokenizer, self.calculator = tokenizer, calculator
        if device is not None:
            self.model.to(device)
        self.device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
        self.context_length: int = model.config.context_length
        if model.config.vocabulary_size < tokenizer.vocabulary_size:
            raise GanitaError(
                f"the model knows {model.config.vocabulary_size:,} tokens and the tokenizer has "
                f"{tokenizer.vocabulary_size:,}: they do not belong together"
            )

    def open_batch(self, max_rows: int) -> TorchBatch:
        """Return an empty batch that decodes at most `max_rows` rows together."""
        return TorchBatch(self, max_rows)

    @torch.inference_mode()
    def next_logits(self, ids: Sequence[int]) -> Tensor:
        """Return the logits (1, V) after `ids`, computed alone and without a cache: the same in every batch."""
        tokens = torch.tensor([list(ids)], device=self.device)
        return self._known(self.model(tokens)[:, -1].float())

    @torch.inference_mode()
    def enter(self, rows: Sequence[Row]) -> tuple[Any, Tensor]:
        """Read the prompts as one ragged batch; return their cache and the logits (R, V) after each."""
        longest = max(len(row.prompt) for row in rows)
        padded = [[*row.prompt, *[self.tokenizer.pad_id] * (longest - len(row.prompt))] for row in rows]
        tokens = torch.tensor(padded, device=self.device)  # (R, T)
        lengths = torch.tensor([len(row.prompt) for row in rows])
        room = min(longest + _EARLY_ROOM, self.context_length)
        cache = self.model.new_cache(len(rows), room)
        return cache, self._known(self.model.next_logits(tokens, cache, lengths))

    @torch.inference_mode()
    def step(self, rows: Sequence[Row], cache: KVCache | EnsembleCache) -> Tensor:
        """Feed each row its last token; return logits (R, V)."""
        tokens = torch.tensor([[row.ids[-1]] for row in rows], device=self.device)  # (R, 1)
        # Finished rows still in the batch must not grow: at the end of the context there is no room left.
        lengths = None
        if any(row.finished is not None for row in rows):
            lengths = torch.tensor([int(row.finished is None) for row in rows])
        return self._known(self.model.next_logits(tokens, cache, lengths))

    def _known(self, logits: Tensor) -> Tensor:
        """Leave out ids that only pad the model's vocabulary (imported models round it up)."""
        return logits[:, : self.tokenizer.vocabulary_size]


class TorchBatch:
    """Rows of one sampler that are decoded together."""

    def __init__(self, sampler: Sampler, max_rows: int) -> None:
        self._sampler, self._max_rows = sampler, max_rows
        self._waiting: deque[Row] = deque()
        self._active: list[Row] = []  # one per cache row; finished ones stay until enough of them are free
        self._cache: KVCache | EnsembleCache | None = None
        self._num_added = 0

    def __len__(self) -> int:
        return len(self._waiting) + sum(row.finished is None for row in self._active)

    def add(self, request: Request) -> int:
        """Let a request wait for a place; return its row's number."""
        sampler = self._sampler
        sampler.check(request.prompt)
        row = Row(
            self._num_added, request, sampler.tokenizer, calculator=sampler.calculator, room=sampler.context_length
        )
        self._waiting.append(row)
        self._num_added += 1
        return row.number

    def drop(self, row: int) -> None:
        """Forget a row."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting.number != row)
        for active in self._active:
            if active.number == row and active.finished is None:
                active.finished = "length"  # its place is free from the next step on

    @torch.inference_mode()
    def step(self) -> list[Token]:
        """Give each row at work its next token, or let rows that wait enter."""
        alive = [place for place, row in enumerate(self._active) if row.finished is None]
        if len(self._active) - len(alive) >= max(1, len(self._active) // _REFILL_SHARE):
            kept = _closed_up(alive)
            self._active = [self._active[place] for place in kept]
            if self._cache is not None and self._active:
                self._cache.keep(kept)
        free = self._max_rows - len(alive)
        if self._waiting and free >= max(1, self._max_rows // _REFILL_SHARE):
            return self._enter([self._waiting.popleft() for _ in range(min(free, len(self._waiting)))])
        if not alive:
            return []
        assert self._cache is not None
        return self._advance(self._active, self._sampler.step(self._active, self._cache))

    def _enter(self, entering: list[Row]) -> list[Token]:
        entered, logits = self._sampler.enter(entering)
        tokens = self._advance(entering, logits)
        if self._cache is not None and self._active:
            self._cache.append_rows(entered)
        else:
            self._cache = entered
        self._active = self._active + entering
        return tokens

    def _advance(self, rows: Sequence[Row], logits: Tensor) -> list[Token]:
        """Give every unfinished row its next token: a forced one, or one drawn from its logits."""
        tokens: list[Token | None] = [None] * len(rows)
        for settings in dict.fromkeys(row.request.draw for row in rows):  # nearly always one for all
            places = [place for place, row in enumerate(rows) if row.request.draw == settings]
            own = logits if len(places) == len(rows) else logits[places]
            drawn, close = draw(own, settings, _chances([rows[place] for place in places], settings))
            for at, place in enumerate(places):
                if rows[place].finished is None:
                    tokens[place] = self._take(rows[place], own[at], drawn[at], close[at])
        return [token for token in tokens if token is not None]

    def _take(self, row: Row, logits: Tensor, token: int, unsure: bool) -> Token:
        forced = bool(row.forced)
        if forced:
            token = row.forced.popleft()
        elif unsure:
            settings = row.request.draw
            token = draw(self._sampler.next_logits([*row.prompt, *row.ids]), settings, _chances([row], settings))[0][0]
        if row.request.top_logprobs is None:
            return row.take(token, forced=forced)
        logprobs = logits.float().log_softmax(-1)
        best = logprobs.topk(min(row.request.top_logprobs, len(logprobs)))
        top = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        return row.take(token, forced=forced, logprob=float(logprobs[token]), top=top)


def _closed_up(alive: Sequence[int]) -> list[int]:
    """Return places in a new order: the last ones fill the gaps, so that few rows of a cache have to move."""
    kept = list(range(len(alive)))
    gaps = sorted(set(kept) - set(alive))
    for gap, place in zip(gaps, (place for place in alive if place >= len(alive)), strict=True):
        kept[gap] = place
    return kept


def _chances(rows: Sequence[Row], settings: Draw) -> Tensor | None:
    if settings.temperature == 0:
        return None
    return torch.tensor([row.chance() for row in rows], dtype=torch.float64)


def with_likelihoods(engine: Engine) -> Sampler:
    """Return an engine that knows log-likelihoods, which PyTorch's does. Raises `GanitaError` for another one."""
    if not isinstance(engine, Sampler):
        raise GanitaError(
            "multiple choice and the losses of perturbed copies need log-likelihoods, which llama.cpp does not give "
            "here: set evaluate.engine = 'torch'"
        )
    return engine

"""Which tokens of a worked problem the calculator writes while decoding: the model need not learn to foresee them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ganita.tokenizer.tokenizer import Tokenizer


class CalculatorTokens:
    """Finds the results in marks such as `<<48/2=24>>`: what stands after the first `=`, the closing mark included."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._open_id, self._close_id = tokenizer.open_id, tokenizer.close_id
        ids = range(tokenizer.vocabulary_size)
        self._equals = np.array([b"=" in tokenizer.token_bytes(i) for i in ids], dtype=bool)  # (vocabulary,)

    def find(self, ids: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return (n,) which of the tokens `ids` (n,) are the calculator's. A mark begun before them is not seen."""
        opened, closed = _last(ids == self._open_id), _last(ids == self._close_id)
        inside = opened > closed
        answered = inside & (_last(self._equals[ids]) > opened)
        return np.concatenate([[False], answered])[: len(ids)]


def _last(found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each place the last one up to it where `found` is true; -1: none."""
    return np.maximum.accumulate(np.where(found, np.arange(len(found)), -1))

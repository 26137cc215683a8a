"""The calculator that looks over the model's shoulder.

A worked step carries marks such as `<<48/2=24>>` (Cobbe et al., 2021, "Training Verifiers to Solve Math
Word Problems", section 5). The model writes `<<48/2=`; from there on the result is not its business:
the calculator gives the tokens of `24>>` and the sampler takes them instead of the model's own.
"""

from __future__ import annotations

from collections.abc import Callable

from ganita.arithmetic import MAX_LENGTH, calculate

_CURRENCY = frozenset({"$", "€", "£"})


class Calculator:
    """Watches the tokens of one row and says which ones to force next. State is that of an open mark only."""

    def __init__(
        self,
        open_id: int,
        close_id: int,
        token_bytes: Callable[[int], bytes],
        encode: Callable[[str], list[int]],
    ) -> None:
        self.num_calls = 0
        self._open_id, self._close_id = open_id, close_id
        self._token_bytes, self._encode = token_bytes, encode
        self._inside = False
        self._written = b""

    def see(self, token: int) -> list[int]:
        """Take the next token of the row; return the ids to force after it (empty: the model goes on).

        Only the first `=` of a mark is answered. A mark that is not arithmetic, is longer than the
        evaluator's bound, or has no value is left to the model.
        """
        if token == self._open_id:
            self._inside, self._written = True, b""
            return []
        if not self._inside:
            return []
        if token == self._close_id or len(self._written) > MAX_LENGTH:
            self._inside = False
            return []
        self._written += self._token_bytes(token)
        if b"=" not in self._written:
            return []
        self._inside = False
        expression, _, begun = self._written.decode("utf-8", errors="replace").partition("=")
        rest = _rest_of_result(calculate(expression), begun.strip())
        if rest is None:
            return []
        self.num_calls += 1
        return [*self._encode(rest), self._close_id] if rest else [self._close_id]


def _rest_of_result(result: str | None, begun: str) -> str | None:
    """Return what is still to be written of `result`, or None where the model must go on by itself.

    `begun` is what came after `=` inside the same token: byte-pair merges make `=-`, `=.` and `=$`.
    """
    if result is None:
        return None
    if begun in _CURRENCY:
        return result
    if begun == "." and result.startswith("0."):
        return result[2:]
    return result[len(begun) :] if result.startswith(begun) else None

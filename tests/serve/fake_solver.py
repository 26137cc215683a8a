"""A solver that answers at once, or as slowly as a test wants, and tells what was asked of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ganita.errors import GanitaError

PIECES = ("<<4*12", "=48>>", "\n", "#### ", "48")


@dataclass
class FakeSolver:
    """Writes PIECES, `pause` seconds apart. `gate`: waits until it is set, without looking at anything."""

    pause: float = 0.0
    repeat: int = 1
    gate: threading.Event | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    stopped: int = 0
    num_written: int = 0
    sampler: Any = field(default_factory=lambda: SimpleNamespace(tokenizer=SimpleNamespace(encode=str.split)))

    def prompt_ids(self, question: str, form: str) -> list[int]:
        words = question.split()
        if len(words) > 500:
            raise GanitaError("the question has more tokens than the model's context")
        return list(range(len(words)))

    def solve(
        self, question: str, form: str = "equations", on_text: Callable[[str], None] | None = None, **settings: Any
    ) -> Any:
        self.asked.append({"question": question, "form": form, **settings})
        if question == "break":
            raise RuntimeError("a fault with /secret/path in it")
        if self.gate is not None:
            self.gate.wait(10)
        assert on_text is not None
        try:
            for piece in PIECES * self.repeat:
                time.sleep(self.pause)
                on_text(piece)
                self.num_written += 1
        except BaseException:
            self.stopped += 1
            raise
        text = "".join(PIECES * self.repeat)
        return SimpleNamespace(
            question=question, steps=("<<4*12=48>>",), answer="48", text=text, form=form, finished="end"
        )


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Look every few milliseconds whether `condition` holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False

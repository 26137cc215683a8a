"""One thread runs the model; requests wait in a bounded queue and can be given up at any token.

The model is not safe to call from two threads, and two at once on one CPU are slower than one after the other.
Events travel from the worker to the event loop of the request by `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ganita.errors import GanitaError
from ganita.serve.limits import Limits, Refused
from ganita.serve.requests import Request

_log = logging.getLogger("ganita.serve")


class Solver(Protocol):
    """What the server needs of `ganita.solve.solver.Solver`."""

    def solve(
        self,
        question: str,
        form: str = ...,
        on_text: Callable[[str], None] | None = ...,
        *,
        temperature: float = ...,
        top_p: float = ...,
        seed: int = ...,
        max_new_tokens: int = ...,
    ) -> Any:
        """Work a question out."""

    def prompt_ids(self, question: str, form: str) -> list[int]:
        """Return the prompt's token ids; `GanitaError` where it does not fit."""


class GivenUpError(Exception):
    """Raised inside the worker when a job is cancelled or out of time."""


@dataclass(frozen=True)
class Event:
    """Something a job has to say: a piece of text, its end, or what went wrong."""

    text: str = ""
    solution: Any = None
    refused: Refused | None = None


class Job:
    """One request on its way through the engine. Made and awaited in the event loop, run in the worker."""

    def __init__(self, request: Request, num_prompt_tokens: int, seconds: float) -> None:
        self.request = request
        self.num_prompt_tokens = num_prompt_tokens
        self.deadline = time.monotonic() + seconds
        self._cancelled = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more: the client left, or its time is over."""
        return self._cancelled.is_set() or time.monotonic() > self.deadline

    def cancel(self) -> None:
        """Give the job up: the worker stops at the next token, or never starts."""
        self._cancelled.set()

    def tell(self, event: Event) -> None:
        """Hand an event to the waiting request (called in the worker)."""
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # the event loop is closed: nobody is there to hear it
            self.cancel()

    def on_text(self, piece: str) -> None:
        """Pass text on; stop the generation if the job was given up or is out of time."""
        if self.cancelled:
            raise GivenUpError
        self.tell(Event(text=piece))

    async def next_event(self, patience: float) -> Event | None:
        """Return the next event, or None after `patience` seconds; a job out of time ends in a 504."""
        remaining = self.deadline - time.monotonic()
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._events.get(), max(0.0, min(patience, remaining)))
        if time.monotonic() < self.deadline:
            return None
        self.cancel()
        return Event(refused=Refused(504, "the answer took longer than this server allows", code="timeout"))


class Engine:
    """The queue and its worker."""

    def __init__(self, solver: Solver, limits: Limits) -> None:
        self.solver, self.limits = solver, limits
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._closed = False
        # A daemon: a forward pass that hangs cannot keep the process from ending.
        self._worker = threading.Thread(target=self._work, name="ganita-worker", daemon=True)
        self._worker.start()

    def submit(self, request: Request) -> Job:
        """Check the prompt's length and queue the request; refuse with 400 or 503."""
        try:
            num_prompt_tokens = len(self.solver.prompt_ids(request.question, request.form))
        except GanitaError as error:
            raise Refused(400, str(error), "messages" if request.chat else "prompt") from None
        if num_prompt_tokens > self.limits.prompt_tokens:
            message = (
                f"the question has {num_prompt_tokens} tokens; this server takes at most {self.limits.prompt_tokens}"
            )
            raise Refused(400, message, "messages" if request.chat else "prompt")
        job = Job(request, num_prompt_tokens, self.limits.seconds)
        with self._changed:
            if self._closed:
                raise Refused(503, "the server is shutting down", code="shutting_down")
            self._forget_cancelled()
            busy = self._running is not None
            if len(self._waiting) + busy > self.limits.queue_length:
                raise Refused(503, "the queue is full; try again in a moment", code="queue_full")
            self._waiting.append(job)
            self._changed.notify()
        return job

    def state(self) -> dict[str, Any]:
        """Return what /health shows."""
        with self._changed:
            self._forget_cancelled()
            alive = self._worker.is_alive() and not self._closed
            return {
                "status": "ok" if alive else "stopping",
                "waiting": len(self._waiting),
                "running": self._running is not None,
            }

    def close(self, seconds: float = 5.0) -> None:
        """Stop taking requests, give up what is there, and wait for the worker."""
        with self._changed:
            self._closed = True
            for job in [*self._waiting, *([self._running] if self._running else [])]:
                job.cancel()
                job.tell(Event(refused=Refused(503, "the server is shutting down", code="shutting_down")))
            self._waiting.clear()
            self._changed.notify()
        self._worker.join(seconds)

    def _forget_cancelled(self) -> None:
        """Free the places of clients that left (the lock is held)."""
        self._waiting = deque(job for job in self._waiting if not job.cancelled)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                job = self._running = self._waiting.popleft()
            try:
                if not job.cancelled:
                    self._run(job)
            finally:
                with self._changed:
                    self._running = None

    def _run(self, job: Job) -> None:
        request = job.request
        try:
            solution = self.solver.solve(
                request.question,
                request.form,
                job.on_text,
                temperature=request.temperature,
                top_p=request.top_p,
                seed=request.seed,
                max_new_tokens=request.max_new_tokens,
            )
            job.tell(Event(solution=solution))
        except GivenUpError:
            job.cancel()
        except GanitaError as error:
            job.tell(Event(refused=Refused(400, str(error))))
        except Exception:  # one bad request must not end the worker; the cause goes to the log, not to the client
            _log.exception("a request failed")
            job.tell(
                Event(refused=Refused(500, "the server failed on this request; its log says why", code="server_error"))
            )

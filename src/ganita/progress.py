"""What a person sees while a stage works.

On a terminal: a live bar (rich). Elsewhere (a pipe, CI, a log file): plain lines, at most one every few
seconds, so that a log stays readable.
"""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_PLAIN_SECONDS = 10.0  # between two plain lines of one bar
_WIDE = 130  # columns from which there is room for a bar beside the figures of training


class Bar:
    """One running count. `advance` and `note` are cheap enough to call per item."""

    def __init__(self, label: str, total: int | None, reporter: Reporter) -> None:
        self.label, self.total, self.done = label, total, 0
        self._reporter = reporter
        self._note = ""
        self._last = time.monotonic()
        self._live: Progress | None = None
        self._task = None
        if reporter.live and not reporter.quiet:
            # The figures are worth more than the bar: on a narrow terminal it gives way to them.
            wide = reporter.console.width >= _WIDE
            self._live = Progress(
                TextColumn("  {task.description:<10}"),
                *([BarColumn(bar_width=20)] if wide else []),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                *([TimeElapsedColumn()] if wide else []),
                console=reporter.console,
                transient=True,
            )
            self._task = self._live.add_task(label, total=total, note="")

    def advance(self, count: int = 1) -> None:
        """Add `count` to what is done."""
        self.done += count
        self._show()

    def note(self, text: str) -> None:
        """Show `text` beside the bar (loss, speed, time to go)."""
        self._note = text
        self._show()

    def _show(self) -> None:
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=self.done, note=self._note)
        elif not self._reporter.quiet and time.monotonic() - self._last >= _PLAIN_SECONDS:
            self._last = time.monotonic()
            of = f"/{self.total:,}" if self.total else ""
            self._reporter.say(f"  {self.label} {self.done:,}{of} {self._note}".rstrip())

    def __enter__(self) -> Bar:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()


class Reporter:
    """Where a stage says what it does. Results go to stdout, warnings to stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(highlight=False, soft_wrap=True)
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal and sys.stdout.isatty()
        self._said: set[str] = set()

    def say(self, message: str, style: str | None = None) -> None:
        """Print one line; square brackets in it are shown as they are."""
        if not self.quiet:
            self.console.print(message, style=style, markup=False)

    def warn(self, message: str, *, once: bool = True) -> None:
        """Print one warning line to stderr; the same one only once."""
        if once and message in self._said:
            return
        self._said.add(message)
        self._errors.print(f"warning: {message}", style="yellow", markup=False)

    def bar(self, label: str, total: int | None = None) -> Bar:
        """Return a context manager that shows progress towards `total` items."""
        return Bar(label, total, self)

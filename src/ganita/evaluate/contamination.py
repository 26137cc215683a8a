"""Which items of a benchmark were found in the sources of the corpus, and the scores with and without them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ganita.corpus.contamination.ledger import LEDGER, touched_items
from ganita.evaluate.tasks import Task
from ganita.runs import Run
from ganita.storage import read_json

TOUCHED = "touched.json"  # of a run without a corpus of its own: benchmark set -> items that its training data touched


@dataclass(frozen=True)
class Overlap:
    """What the corpus stage found of one benchmark. `items` is None where nothing was compared; `reason` says why."""

    items: frozenset[str] | None
    reason: str = ""

    def touches(self, item: str) -> bool | None:
        """Say whether an item was found in a source; None: not known."""
        return None if self.items is None else item in self.items


class Overlaps:
    """What the corpus stage of a run found of any task. The ledger is read once, when the first task needs it.

    A ledger holds a row for each place where an item was found, so it grows with the corpus: an evaluation makes one
    `Overlaps` and asks it for each of its tasks.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @cached_property
    def _touched(self) -> dict[str, list[str]]:
        return touched_by_set(self._run)

    def of(self, task: Task) -> Overlap:
        """Return what was found of a task's benchmark. Raises `GanitaError` for a broken ledger."""
        if task.home:
            return Overlap(None, "a benchmark of a file of tasks: the corpus was not compared with it")
        if not task.set:
            return Overlap(None, "generated: its items are made apart from those of training")
        if not self._run.has("corpus") and not (self._run.root / TOUCHED).is_file():
            return Overlap(None, "the run has no corpus stage")
        if task.set not in self._touched:
            return Overlap(None, f"the corpus was not compared with {task.set}")
        return Overlap(frozenset(self._touched[task.set]))


def find_overlap(task: Task, run: Run) -> Overlap:
    """Return the overlap of a single task: for several, `Overlaps` reads the ledger once."""
    return Overlaps(run).of(task)


def touched_by_set(run: Run) -> dict[str, list[str]]:
    """Return the items that the run's training data touched, for each benchmark set that it was compared with."""
    if not run.has("corpus"):
        return dict(read_json(run.root / TOUCHED)) if (run.root / TOUCHED).is_file() else {}
    folder = run.stage("corpus")
    compared = (read_json(folder / "card.json").get("benchmarks") or {}).get("compared", ())
    items = touched_items(folder / LEDGER) if compared else {}
    return {name: sorted(items.get(name, ())) for name in compared}

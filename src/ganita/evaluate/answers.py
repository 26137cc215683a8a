"""The records of a finished run, for reading: what was asked, what came out, and whether it is right."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal

from ganita.errors import GanitaError, nearest
from ganita.evaluate.records import ITEMS, RESULTS, Record, read_records
from ganita.progress import Reporter
from ganita.runs import Run
from ganita.storage import read_json

Verdict = Literal["all", "right", "wrong"]


def evaluated_tasks(run: Run) -> list[str]:
    """Return the names of the tasks that the run was evaluated on."""
    return list(read_json(run.stage("evaluate") / RESULTS))


def answers(run: Run, task: str = "", verdict: Verdict = "all", *, strict: bool = True) -> Iterator[Record]:
    """Return the records of a task (default: the first) in benchmark order, only right or wrong ones if asked.

    `strict=False` goes by the flexible verdict. Raises `GanitaError` for a task that the run has no records of.
    """
    names = evaluated_tasks(run)
    if task and task not in names:
        raise GanitaError(f"{run.root}: not evaluated on {task!r}{nearest(task, names)}; there are {', '.join(names)}")
    records = read_records(run.stage("evaluate") / (task or names[0]) / ITEMS)
    wanted = {"all": (True, False), "right": (True,), "wrong": (False,)}[verdict]
    return (record for record in records if (record.strict if strict else record.flexible) in wanted)


def show(run: Run, task: str, verdict: Verdict, limit: int, reporter: Reporter) -> None:
    """Print records one below the other, at most `limit` of them (0: all), and how many there are."""
    chosen = list(answers(run, task, verdict))
    for record in islice(chosen, limit or None):
        reporter.console.print(readable(record), markup=False)
    shown = min(len(chosen), limit or len(chosen))
    more = f"; --limit 0 shows all {len(chosen):,}" if shown < len(chosen) else ""
    reporter.say(f"{shown:,} answers shown ({verdict}){more}")


def readable(record: Record) -> str:
    """Write a record for a terminal: question, output, gold answer, verdict, and whether the ledger knows the item."""
    verdict = "right" if record.strict else "right (flexible only)" if record.flexible else "wrong"
    verdict += "; touched: found in a source and taken out" if record.touched else ""
    output = record.output.strip() or f"(no output: {record.finished})"
    return f"{record.id}\n{record.question}\n\n{output}\n\ngold {record.gold}: {verdict}\n"

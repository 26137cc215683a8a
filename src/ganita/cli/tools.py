"""The verbs that look at a run or at the recipe's keys: `report`, `watch`, `check`, `recipe`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ganita.cli.options import Group, verb, with_run
from ganita.progress import Reporter
from ganita.recipe import documentation
from ganita.runs import Run


def add_report(verbs: Group) -> None:
    """`ganita report RUN`."""
    with_run(verb("report", _report, "write the run's report.html", verbs))


def _report(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.report.page import write

    run = Run(Path(options.target))
    run.recipe()
    reporter.say(f"report: {write(run, reporter)}")


def add_watch(verbs: Group) -> None:
    """`ganita watch RUN`."""
    item = with_run(verb("watch", _watch, "a live view of a run in progress, read from its folder", verbs))
    item.add_argument("--once", action="store_true", help="print one frame and leave")
    item.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="time between two looks")


def _watch(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.report.live import watch

    watch(Path(options.target), reporter.console, every=options.every, once=options.once)


def add_check(verbs: Group) -> None:
    """`ganita check RUN`."""
    with_run(verb("check", _check, "verify every file of a run against its checksums", verbs))


def _check(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.pipeline import check_run

    run = Run(Path(options.target))
    run.recipe()
    check_run(run)
    reporter.say(f"{run.root}: every file of every finished stage is what its manifest says")


def add_recipe(verbs: Group) -> None:
    """`ganita recipe`."""
    verb("recipe", _recipe, "list every recipe key with its default and meaning", verbs)


def _recipe(options: argparse.Namespace, reporter: Reporter) -> None:
    for key, default, doc in documentation():
        reporter.say(f"{key} = {default}\n    {doc}")

"""`ganita problems sample | check | stats`: problems to read, their faults, their variety."""

from __future__ import annotations

import argparse
import importlib.util
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganita.errors import GanitaError
from ganita.progress import Reporter

if TYPE_CHECKING:
    from ganita.corpus.document import Problem
    from ganita.corpus.families.library import Library


_WHICH = "a collection (core, plain, stories) or a folder with families of your own; default: core"


def add_verbs(group: Any, verb: Any) -> None:
    """Add the verbs below `ganita problems` to the command line."""
    item = verb("sample", sample, "print problems with their solutions", group)
    item.add_argument("folder", nargs="?", default="", metavar="FOLDER", help=_WHICH)
    item.add_argument("--families", type=int, default=5, metavar="N", help="families to draw from, one problem of each")
    item.add_argument("--difficulty", type=int, default=0, choices=range(1, 6), help="1 (one easy step) to 5")
    item.add_argument("--topic", default="", help="e.g. money; an unknown one lists them all")
    item.add_argument("--id", default="", help="one family; N problems of it")
    item.add_argument("--seed", type=int, default=0, help="another seed, other problems")
    item.add_argument("--form", choices=("equations", "words"), default="words", help="form of the solution")
    item.add_argument(
        "--split", choices=("train", "held-out"), default="train", help="wordings and names of this split"
    )
    kinds = item.add_mutually_exclusive_group()
    kinds.add_argument("--composed", action="store_true", help="problems that chain two or three families")
    kinds.add_argument("--procedural", action="store_true", help="generated algebra, calculus and number problems")
    item = verb(
        "check", check, "draw every wording of every family and look for faults; exit code 2 if there are any", group
    )
    item.add_argument("folder", nargs="?", default="", metavar="FOLDER", help=_WHICH)
    item.add_argument("--draws", type=int, default=1_000, help="draws of each wording")
    item.add_argument("--seed", type=int, default=0, help="another seed, other draws")
    item.add_argument("--workers", type=int, default=0, help="processes; default: one for each core")
    item.add_argument("--solve", action="store_true", help="solve the equations of `check` with sympy, too")
    item = verb("stats", stats, "how varied the problems are", group)
    item.add_argument("folder", nargs="?", default="", metavar="FOLDER", help=_WHICH)
    item.add_argument(
        "--against", default="", metavar="SET", help="a set to stand beside; default: gsm8k-train if at hand"
    )
    item.add_argument("--seed", type=int, default=0, help="another seed, another sample")
    about_lacking = "list the N commonest operation graphs of that set which no family has: what to write next"
    item.add_argument("--lacking", type=int, default=0, metavar="N", help=about_lacking)


def sample(options: argparse.Namespace, reporter: Reporter) -> None:
    """Print problems with their solutions."""
    if options.families < 1:
        raise GanitaError("--families: at least 1")
    for problem in _sampled(options):
        reporter.say(f"[{problem.family}]", style="dim")
        for line in (problem.question, *solution_lines(problem, options.form), f"#### {problem.answer}", ""):
            reporter.say(line)


def solution_lines(problem: Problem, form: str) -> tuple[str, ...]:
    """Return the lines of a solution: as they are told, or the equations alone where they give the answer."""
    from ganita.corpus.document import equations

    marks = equations(problem) if form == "equations" else None
    return problem.steps if marks is None else tuple(mark[2:-2] for mark in marks)


def _sampled(options: argparse.Namespace) -> Iterator[Problem]:
    chosen = {"--difficulty": options.difficulty, "--topic": options.topic, "FOLDER": options.folder}
    if options.procedural:
        from ganita.corpus.procedural import problem_of, stream

        if given := [name for name, value in chosen.items() if value]:
            raise GanitaError(f"{given[0]} is for families; leave it or --procedural out")
        if options.id:
            return (problem_of(options.id, index, options.seed) for index in range(options.families))
        return stream(options.families, options.seed)
    library = _library(options.folder)
    if options.topic or options.difficulty:
        library = library.only(topic=options.topic, difficulty=options.difficulty)
    if options.composed:
        if options.id or options.split != "train":
            raise GanitaError("--composed draws training problems from all families: leave --id and --split out")
        return library.generate(options.families, options.seed, "train", composed=1.0)
    return _one_each(library, options)


def _one_each(library: Library, options: argparse.Namespace) -> Iterator[Problem]:
    rng = random.Random(options.seed)  # noqa: S311 - no secrets are made here
    ids = [entry.id for entry in library.entries]
    ids = [options.id] * options.families if options.id else rng.sample(ids, min(options.families, len(ids)))
    for index, family_id in enumerate(ids):
        yield library[family_id].problem(rng, options.split, f"sample-{index}")


def check(options: argparse.Namespace, reporter: Reporter) -> None:
    """Draw every wording; print a line for each fault. Raises `GanitaError`, which is exit code 2, if there are any."""
    from ganita.corpus.families import FOLDER
    from ganita.corpus.families.checking import check_folder, solve_faults
    from ganita.hardware import num_cores

    folder, library = _folder(options.folder) if options.folder else FOLDER, _library(options.folder)
    if options.draws < 1:
        raise GanitaError("--draws: at least 1")
    started = time.monotonic()
    faults = check_folder(folder, options.draws, options.seed, options.workers or num_cores())
    if options.solve:
        _require_sympy()
        faults += [fault for family in library.families for fault in solve_faults(family, 5)]
    for fault in faults:
        reporter.say(fault)
    size = f"{len(library):,} families, {library.num_wordings:,} wordings, {options.draws:,} draws of each"
    if faults:
        raise GanitaError(f"{len(faults):,} faults in {size}")
    reporter.say(f"{size}: no fault ({time.monotonic() - started:.0f} s)")


def _require_sympy() -> None:
    from ganita.errors import MissingExtraError

    if importlib.util.find_spec("sympy") is None:
        raise MissingExtraError("sympy", "test", "`ganita problems check --solve`")


def stats(options: argparse.Namespace, reporter: Reporter) -> None:
    """Print the variety of the families, of composed and procedural problems, and of a set of human ones."""
    from ganita.corpus.families.skeletons import family_skeleton
    from ganita.corpus.families.stats import SAMPLE, choose, measure
    from ganita.corpus.procedural import KINDS, stream
    from ganita.corpus.registry import sets

    name = options.against or "gsm8k-train"
    if sets.find(name).kind != "problem":
        raise GanitaError(f"--against {name}: holds running text, not problems")
    library = _library(options.folder)
    graphs = {family_skeleton(family) for family in library.families}
    reporter.say(
        f"{len(library):,} families, {library.num_wordings:,} wordings, {len(graphs):,} distinct operation graphs; "
        f"{len(library.joints.pairs):,} pairs of families compose; {len(KINDS)} procedural kinds"
    )
    columns = {"families": measure(list(library.generate(SAMPLE, options.seed, "train")))}
    if library.joints.pairs:
        columns["composed"] = measure(list(library.generate(SAMPLE, options.seed, "train", composed=1.0)))
    columns["procedural"] = measure(list(stream(SAMPLE, options.seed)))
    humans = list(sets.load_problems(name, reporter)) if options.against or sets.at_hand(name) else []
    if humans:
        columns[name] = measure(choose(humans, SAMPLE, options.seed))
    for row in columns["families"]:
        reporter.say(row)
        for column, figures in columns.items():
            reporter.say(f"    {column:<14} {figures[row]}")
    if humans:
        _say_coverage(library, humans, name, options.lacking, reporter)


def _say_coverage(library: Library, humans: list[Problem], name: str, lacking: int, reporter: Reporter) -> None:
    """Say what share of human problems has the operation graph of some family, and which graphs none has."""
    from ganita.corpus.families.stats import count_graphs, one_of_each

    theirs, ours = count_graphs(humans), count_graphs(one_of_each(library))
    shared = sum(count for graph, count in theirs.items() if graph in ours)
    reporter.say(
        f"{shared / max(1, theirs.total()):.0%} of {theirs.total():,} problems of {name} have the graph of a family"
    )
    for graph, count in [item for item in theirs.most_common() if item[0] not in ours][:lacking]:
        reporter.say(f"    {count:>4} {graph}")


def _folder(name: str) -> Path:
    from ganita.corpus.families import COLLECTIONS

    folder = COLLECTIONS.get(name, Path(name))
    if not folder.is_dir():
        raise GanitaError(f"{folder}: no such folder")
    return folder


def _library(folder: str) -> Library:
    from ganita.corpus.families import library, read_library

    return read_library(_folder(folder)) if folder else library()

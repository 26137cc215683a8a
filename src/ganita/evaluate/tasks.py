"""Benchmarks as data: what tasks.toml declares, and the items of a task."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

from ganita.corpus.document import Problem
from ganita.corpus.registry.sets import Home
from ganita.corpus.topics import find_topic
from ganita.errors import GanitaError, nearest
from ganita.evaluate.scoring import SCORERS
from ganita.progress import Reporter
from ganita.recipe import FORMS, Recipe

CHOICE = "choice"  # the scorer of multiple choice: by log-likelihood, nothing is generated
PLAIN, TEMPLATE = "plain", "template"
# Fields of a task that decide nothing where it is asked in the template without examples, and generated.
WORDING = frozenset(
    {"prompt", "description", "option", "between", "spaced", "until", "asked", "harness", "demonstrations"}
    | {"demonstrations_first"}
)


@dataclass(frozen=True)
class Task:
    """One benchmark, as tasks.toml or a file of the user's declares it.

    The items come from `set` (an id of the registry, or a file), from `home` (a user's file of tasks), or else from
    the held-out families of `collection`. `prompts.py` says what `prompt`, `option` and `choice` may hold.
    """

    name: str
    title: str
    scorer: str
    version: int
    set: str = ""
    items: int = 0
    form: str = ""
    source: str = ""
    collection: str = "core"
    prompt: str = ""  # in plain text: the question up to where the answer begins
    description: str = ""  # stands once before everything, in plain text
    option: str = "{text}"  # one option inside the prompt's {options}
    between: str = "\n"  # options
    choice: str = ""  # what is scored for an option, behind one space
    spaced: bool = False  # a space behind every period, as EleutherAI/logiqa holds the texts
    until: tuple[str, ...] = ()  # in plain text a generated answer ends before the first of these
    asked: str = ""  # plain or template; empty: plain if there is a prompt
    harness: str = ""  # the task of lm-evaluation-harness whose wording `prompt` is
    demonstrations: str = ""  # the set that few-shot examples are drawn from: never that of the items
    demonstrations_first: bool = False  # take the first ones instead of drawing
    home: Home | None = None
    topics: tuple[str, ...] = ()  # the items of these topics only (corpus/topics.toml)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for fingerprints and results."""
        return asdict(self)


@dataclass(frozen=True)
class Item:
    """One question with its gold answer."""

    id: str
    question: str
    gold: str
    choices: tuple[str, ...] = ()
    family: str = ""
    touched: bool | None = None  # found in a source of the corpus; None: not compared
    solution: str = ""  # the worked gold solution, steps one a line; empty: the set has none
    fields: Mapping[str, str] = field(default_factory=dict)  # the texts of its row as they stand, for plain prompts
    options: tuple[str, ...] = ()  # the choices as they stand in the row, perhaps with their letters


@dataclass(frozen=True)
class Source:
    """What the rows of a set gave.

    `wording`: by (id, question) the fields of `Item` that plain prompts are written from; `unreadable`: by reason, the
    rows that are no problem at all.
    """

    problems: Sequence[Problem]
    wording: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    unreadable: Mapping[str, list[str]] = field(default_factory=dict)


def load_tasks() -> dict[str, Task]:
    """Return every declared task by name, in the order of tasks.toml."""
    text = resources.files("ganita.evaluate").joinpath("tasks.toml").read_text(encoding="utf-8")
    return {name: read_task(name, table, "tasks.toml") for name, table in tomllib.loads(text).items()}


def read_task(name: str, table: Mapping[str, Any], where: str) -> Task:
    """Read one table of a file of tasks. Raises `GanitaError` that names the file, the task and the key."""
    known = {each.name for each in fields(Task)} - {"name"}
    if unknown := sorted(set(table) - known):
        raise GanitaError(f"{where}: {name}: unknown key {unknown[0]!r}{nearest(unknown[0], known)}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        task = Task(name=name, **values)
    except TypeError as error:
        raise GanitaError(f"{where}: {name}: {str(error).partition(') ')[2]} (give the key)") from None
    _check_task(task, f"{where}: {name}")
    return task


def _check_task(task: Task, where: str) -> None:
    """Refuse a declaration that cannot work."""
    for each in fields(Task):
        value = getattr(task, each.name)
        wanted = {"str": str, "int": int, "bool": bool, "tuple[str, ...]": tuple}.get(str(each.type))
        if wanted is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
            raise GanitaError(f"{where}: {each.name} = {value!r} is not of the right type ({each.type})")
    complaints = {
        f"unknown scorer {task.scorer!r}{nearest(task.scorer, SCORERS)}: {', '.join(SCORERS)}": (
            task.scorer not in SCORERS
        ),
        f"unknown form {task.form!r}: {', '.join(FORMS)}": task.form not in ("", *FORMS),
        f"asked = {task.asked!r}: {PLAIN} or {TEMPLATE}": task.asked not in ("", PLAIN, TEMPLATE),
        "asked = 'plain' needs a prompt": task.asked == PLAIN and not task.prompt,
        "a prompt with options to choose from needs `choice`, e.g. '{letter}' or '{text}'": (
            task.scorer == CHOICE and bool(task.prompt) and not task.choice
        ),
        "`choice` is for scorer = 'choice'; remove it": bool(task.choice) and task.scorer != CHOICE,
        "demonstrations come from the set of the items itself: name another": (
            bool(task.demonstrations) and task.demonstrations in (task.set, task.home.path if task.home else "")
        ),
    }
    for complaint, applies in complaints.items():
        if applies:
            raise GanitaError(f"{where}: {complaint}")


def find_tasks(names: Sequence[str]) -> list[Task]:
    """Return the named tasks: of tasks.toml, all of a user's file of tasks (`my.toml`), a file of questions.

    `gsm8k:geometry` is the part of a task that is of this topic, or of several: `gsm8k:percent,rates`. Raises
    `GanitaError` for an unknown or repeated name.
    """
    known = load_tasks()
    tasks: list[Task] = []
    for name in names:
        if name in known:
            tasks.append(known[name])
        elif Path(name).suffix == ".toml":
            tasks += _tasks_of_file(Path(name))
        else:
            tasks.append(_part_of_task(name, known))
    called = [task.name for task in tasks]
    if repeated := [name for name in called if called.count(name) > 1]:
        raise GanitaError(f"evaluate.tasks names {repeated[0]!r} twice")
    return tasks


def _part_of_task(name: str, known: Mapping[str, Task]) -> Task:
    """Return the items of a task that are of some topics; where the name has no such form, a user's own file."""
    whole, colon, listed = name.partition(":")
    if not colon or whole not in known:
        return _own_task(name, known)
    topics = tuple(topic.strip() for topic in listed.split(","))
    find_topic(topics)
    task = known[whole]
    called = f"{whole}-{'-'.join(topics)}"  # the name of a folder, too
    return replace(task, name=called, title=f"{task.title}: {', '.join(topics)}", items=0, topics=topics)


def _tasks_of_file(path: Path) -> list[Task]:
    from ganita.evaluate.declared import read_tasks  # it imports this module

    return read_tasks(path)


def _own_task(name: str, known: Mapping[str, Task]) -> Task:
    """Return the task of a user's own file of questions with numbers as answers; the file stands for its set."""
    if not Path(name).suffix:
        raise GanitaError(f"unknown benchmark {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    return Task(Path(name).name.partition(".")[0], f"{name} (own benchmark)", "number", version=1, set=name)


def load_items(task: Task, recipe: Recipe, reporter: Reporter) -> tuple[list[Item], int]:
    """Return the items of a task that can be scored, and how many could not be.

    Left out, counted and named in a warning: rows without what they need, empty questions, repeated ids, gold answers
    that the scorer cannot read. With `evaluate.strict_items` the first of these is a `GanitaError`; so is
    an empty task always.
    """
    source = _problems(task, recipe, reporter)
    items, left_out = check_items(task, source.problems)
    left_out = {**source.unreadable, **left_out}
    excluded = sum(len(ids) for ids in left_out.values())
    for reason, ids in left_out.items():
        shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
        if recipe.evaluate.strict_items:
            raise GanitaError(f"{task.name}: {len(ids)} items cannot be scored: {reason} ({shown}); mend the set")
        reporter.warn(f"{task.name}: {len(ids)} items left out: {reason} ({shown})")
    if task.items and len(items) + excluded != task.items:
        reporter.warn(f"{task.name}: {len(items) + excluded:,} items found, {task.items:,} expected; is the set whole?")
    if not items:
        raise GanitaError(f"{task.name}: no item that can be scored; check the set {task.set or 'families'!r}")
    items = [replace(item, **source.wording.get((item.id, item.question), {})) for item in items]
    # A limit takes the first items, so that a larger limit later covers the same ones.
    return (items[: recipe.evaluate.limit] if recipe.evaluate.limit else items), excluded


def check_items(task: Task, problems: Iterable[Problem]) -> tuple[list[Item], dict[str, list[str]]]:
    """Split problems into items and, by reason, the ids of those that cannot be scored."""
    scorer = SCORERS[task.scorer]
    items: list[Item] = []
    left_out: dict[str, list[str]] = {}
    seen: set[str] = set()
    for problem in problems:
        question, gold = problem.question.strip(), str(problem.answer).strip()
        reason = ""
        if not question:
            reason = "empty question"
        elif problem.id in seen:
            reason = "repeated id"
        elif task.scorer == CHOICE and len(problem.choices) < 2:
            reason = "fewer than two options"
        elif not scorer.readable(gold):
            reason = f"gold answer is not {scorer.gold}"
        elif task.scorer == CHOICE and ord(gold) - ord("A") >= len(problem.choices):
            reason = "gold answer names no option"
        if reason:
            left_out.setdefault(reason, []).append(problem.id)
            continue
        seen.add(problem.id)
        solution = "\n".join(problem.steps)
        items.append(Item(problem.id, question, gold, tuple(problem.choices), problem.family, solution=solution))
    return items, left_out


def _problems(task: Task, recipe: Recipe, reporter: Reporter) -> Source:
    if task.set or task.home:
        from ganita.evaluate.items import read_items

        source = read_items(task, reporter)
        topic = find_topic(task.topics) if task.topics else None
        kept = (problem for problem in source.problems if topic is None or topic.holds(problem))
        return replace(source, problems=list(kept))
    from ganita.corpus.families import library

    count, families = recipe.evaluate.families_count, library(task.collection)
    if task.topics:
        families = families.of_topics(find_topic(task.topics).families)
    return Source(list(islice(families.generate(count, recipe.seed, "held-out"), count)))

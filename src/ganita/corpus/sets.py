"""The registry of public sets, and where each is found: GANITA_DATA first, then the Hugging Face hub.

GANITA_DATA is a folder in one of two layouts, or both: `train/`, `eval/` and `corpus/` with the files that sets.toml
names, or `<organisation>/<name>/...` as in the repositories of the hub.
"""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ganita.corpus import hub
from ganita.corpus.clean import normalise_problem
from ganita.corpus.document import Problem
from ganita.corpus.forms import BadRowError, Shape, to_benchmark_problem
from ganita.corpus.readers import BadLine, Row, SourceMissingError, read_rows
from ganita.errors import GanitaError, nearest
from ganita.progress import Reporter


@dataclass(frozen=True)
class Home:
    """One place a set can be found, and how its rows read there."""

    form: str
    path: str = ""
    id: str = ""
    revision: str = "main"
    files: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    require: tuple[str, ...] = ()

    def keeps(self, values: Mapping[str, Any]) -> bool:
        """Say whether a row belongs to the set; a file may hold more than the set (other splits, near duplicates)."""
        return all(values.get(key) == wanted for key, wanted in self.where.items()) and all(
            values.get(key) not in (None, "") for key in self.require
        )


@dataclass(frozen=True)
class PublicSet:
    """One entry of sets.toml."""

    id: str
    title: str
    use: str
    kind: str
    licence: str
    local: Home | None = None
    hub: Home | None = None


@dataclass(frozen=True)
class Located:
    """A set whose files are at hand."""

    set: PublicSet
    home: Home
    files: tuple[Path, ...]
    origin: str

    def shape(self, source: str) -> Shape:
        """Return how its rows become documents of `source`."""
        return Shape(self.home.form, self.home.fields, source, self.set.licence)


@functools.cache
def registry() -> dict[str, PublicSet]:
    """Return all public sets by id."""
    tree = tomllib.loads(resources.files("ganita.corpus").joinpath("sets.toml").read_text(encoding="utf-8"))
    return {set_id: _read_entry(set_id, row) for set_id, row in tree.items()}


def _read_entry(set_id: str, row: Mapping[str, Any]) -> PublicSet:
    homes = {key: Home(**row[key]) for key in ("local", "hub") if key in row}
    return PublicSet(set_id, row["title"], row["use"], row["kind"], row["licence"], **homes)


def find(set_id: str) -> PublicSet:
    """Return a set by id; a `GanitaError` names the nearest one if there is none of that id."""
    if set_id not in registry():
        raise GanitaError(
            f"no public set {set_id!r}{nearest(set_id, registry())}; known are {', '.join(sorted(registry()))}"
        )
    return registry()[set_id]


def data_folder() -> Path | None:
    """Return the folder GANITA_DATA names, or None; a `GanitaError` if it is set but no folder."""
    value = os.environ.get("GANITA_DATA", "")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise GanitaError(f"GANITA_DATA = {value}: no such folder; set it to one with train/, eval/, corpus/ in it")
    return folder


def at_hand(set_id: str) -> Located | None:
    """Return the set if it is under GANITA_DATA or in the hub's cache; no network is touched."""
    public, folder = find(set_id), data_folder()
    if folder and public.local and (folder / public.local.path).is_file():
        path = folder / public.local.path
        return Located(public, public.local, (path,), f"GANITA_DATA/{public.local.path}")
    if public.hub is None:
        return None
    if folder and (files := hub.matching(folder / public.hub.id, public.hub.files)):
        return Located(public, public.hub, tuple(files), f"GANITA_DATA/{public.hub.id}")
    if files := hub.cached_files(public.hub.id, public.hub.revision, public.hub.files):
        return Located(public, public.hub, tuple(files), f"hub:{public.hub.id}@{public.hub.revision}")
    return None


def locate(set_id: str, reporter: Reporter) -> Located:
    """Return the set with its files, downloaded from the hub if need be.

    Raises `SourceMissingError` that names both homes if it is in neither.
    """
    if found := at_hand(set_id):
        return found
    public = find(set_id)
    here = f"it would be {public.local.path}" if public.local else f"it would be {public.hub.id if public.hub else ''}/"
    missing = f"set {set_id!r} is not under GANITA_DATA ({os.environ.get('GANITA_DATA') or 'not set'}; {here})"
    if public.hub is None:
        raise SourceMissingError(f"{missing}, and it is not on the Hugging Face hub: set GANITA_DATA to its folder")
    try:
        files = hub.files(public.hub.id, public.hub.revision, public.hub.files, reporter)
    except SourceMissingError as error:
        raise SourceMissingError(
            f"{missing}, and {error}: set GANITA_DATA, or connect, or copy the set into {hub.cache_folder()}"
        ) from None
    return Located(public, public.hub, tuple(files), f"hub:{public.hub.id}@{public.hub.revision}")


def rows(located: Located) -> Iterator[Row | BadLine]:
    """Yield the rows of a set as they stand in its files, unreadable lines among them."""
    for file in located.files:
        for row in read_rows(file, file.name):
            if isinstance(row, BadLine) or located.home.keeps(row.values):
                yield row


def open_set(set_id: str, reporter: Reporter) -> Iterator[dict[str, Any]]:
    """Yield the rows of a set with canonical field names (question, solution, answer, choices, label, text, ...).

    Raises `GanitaError` for an unreadable line: a benchmark with a hole in it gives other figures.
    """
    located = locate(set_id, reporter)
    columns = {column: name for name, column in located.home.fields.items()}
    for row in rows(located):
        if isinstance(row, BadLine):
            raise GanitaError(f"set {set_id!r}: {row.file}, line {row.line}: {row.reason}")
        yield {columns.get(key, key): value for key, value in row.values.items()}


def load_problems(set_id: str, reporter: Reporter) -> list[Problem]:
    """Return a benchmark as problems in the order of its file; without a solution they have no steps.

    Raises `GanitaError` for an unreadable row and for an empty set.
    """
    located = locate(set_id, reporter)
    shape, problems = located.shape(set_id), list[Problem]()
    for row in rows(located):
        reason = row.reason if isinstance(row, BadLine) else ""
        if isinstance(row, Row):
            try:
                problems.append(to_benchmark_problem(row.values, shape, f"{set_id}/{len(problems)}"))
            except BadRowError as error:
                reason = str(error)
        if reason:
            raise GanitaError(f"benchmark {set_id!r}: {row.file}, line {row.line}: {reason}")
    if not problems:
        raise GanitaError(f"benchmark {set_id!r}: {located.origin} holds no item")
    return [normalise_problem(problem) for problem in problems]

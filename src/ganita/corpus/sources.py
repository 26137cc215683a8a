"""A source of the recipe becomes a stream of documents, with its unreadable lines among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ganita.corpus import sets
from ganita.corpus.document import Document, Problem
from ganita.corpus.forms import BadRowError, Shape, as_text, needed, to_document
from ganita.corpus.readers import BadLine, Row, list_files, read_rows
from ganita.errors import GanitaError, nearest
from ganita.progress import Reporter
from ganita.recipe import Source

_FIELDS = frozenset(
    {"id", "licence", "text", "code", "passage", "instruction", "question", "choices", "label", "answer"}
    | {"solution", "steps"}
)


@dataclass(frozen=True)
class Opened:
    """A source that was found: what it is, and its documents, read as they are asked for."""

    name: str
    kind: str
    licence: str
    origin: str
    documents: Iterator[Document | BadLine]


def name_of(source: Source) -> str:
    """Return the name of a source: its own, else that of its set."""
    return source.name or source.set


def open_source(source: Source, seed: int, reporter: Reporter) -> Opened:
    """Find a source and return it with its stream of documents; nothing is read yet.

    Raises `SourceMissingError` if it cannot be found, and `GanitaError` for a benchmark given as a source, an unknown
    field name, or a kind that the source cannot give.
    """
    name = name_of(source)
    if unknown := [key for key in source.fields if key not in _FIELDS]:
        raise GanitaError(f"source {name!r}: unknown document field {unknown[0]!r}{nearest(unknown[0], _FIELDS)}")
    if source.families:
        opened = _open_families(source, seed)
    else:
        opened = _open_set(source, reporter) if source.set else _open_path(source)
    if source.kind == "text" and opened.kind == "problem":
        opened = replace(opened, kind="text", documents=map(_problem_as_text, opened.documents))
    elif source.kind == "problem" and opened.kind == "text":
        raise GanitaError(f"source {name!r} holds running text, not worked problems: leave out kind = 'problem'")
    if source.limit:
        opened = replace(opened, documents=_take(opened.documents, source.limit))
    return opened


def refuse_benchmarks(source: Source) -> None:
    """Raise `GanitaError` if a source is a benchmark, by its name or by the files it would read."""
    name = name_of(source)
    if source.set and sets.find(source.set).use == "eval":
        raise GanitaError(f"source {name!r}: set {source.set!r} is a benchmark and may not be trained on; remove it")
    folder = sets.data_folder()
    path = Path(source.path).expanduser() if source.path else None
    if path is None or not path.exists():
        return
    evaluation = (folder / "eval").resolve() if folder else None
    files = {file.resolve() for file in list_files(path)}
    found = [file for file in files if evaluation and file.is_relative_to(evaluation)]
    if not found:
        benchmarks = (sets.at_hand(set_id) for set_id, entry in sets.registry().items() if entry.use == "eval")
        found = [file for located in benchmarks if located for file in located.files if file.resolve() in files]
    if found:
        raise GanitaError(f"source {name!r}: {sorted(found)[0]} is a benchmark and may not be trained on; remove it")


def _open_families(source: Source, seed: int) -> Opened:
    # Imported here: the families are a room of their own, and most recipes with files do not need them.
    from ganita.corpus.families import library

    name = name_of(source)
    problems = library().generate(source.count, seed, source.families)
    return Opened(
        name, "problem", "Apache-2.0", f"procedural families, {source.count:,} problems, seed {seed}",
        (replace(problem, source=name) for problem in problems),
    )  # fmt: skip


def _open_set(source: Source, reporter: Reporter) -> Opened:
    located, name = sets.locate(source.set, reporter), name_of(source)
    shape = located.shape(name)
    shape = replace(shape, fields={**shape.fields, **source.fields})
    return Opened(name, located.set.kind, located.set.licence, located.origin, _documents(sets.rows(located), shape))


def _open_path(source: Source) -> Opened:
    name, path = name_of(source), Path(source.path).expanduser()
    files, kind = list_files(path), source.kind or "text"
    root = path if path.is_dir() else path.parent
    rows = (row for file in files for row in read_rows(file, file.relative_to(root).as_posix()))
    return Opened(name, kind, "", source.path, _documents(rows, Shape(kind, source.fields, name)))


def _documents(rows: Iterable[Row | BadLine], shape: Shape) -> Iterator[Document | BadLine]:
    first = True
    for row in rows:
        if isinstance(row, BadLine):
            yield row
            continue
        if first:
            _require_columns(row, shape)
            first = False
        try:
            yield to_document(row.values, shape, f"{row.file}:{row.line}")
        except BadRowError as error:
            yield BadLine(row.file, row.line, str(error))


def _require_columns(row: Row, shape: Shape) -> None:
    """A column that the first row lacks is a wrong field map, not ten thousand bad lines."""
    for column in map(shape.column, needed(shape.form)):
        if column not in row.values:
            raise GanitaError(
                f"source {shape.source!r}: {row.file}, line {row.line}: no column {column!r}"
                f"{nearest(column, row.values)}; there are {', '.join(map(repr, row.values)) or 'none'}: "
                f"set the right one in corpus.sources fields"
            )


def _problem_as_text(document: Document | BadLine) -> Document | BadLine:
    return as_text(document) if isinstance(document, Problem) else document


def _take(documents: Iterator[Document | BadLine], limit: int) -> Iterator[Document | BadLine]:
    """Pass on `limit` documents; unreadable lines do not count towards them."""
    for document in documents:
        yield document
        limit -= not isinstance(document, BadLine)
        if limit <= 0:
            return

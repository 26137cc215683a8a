"""A source of the recipe becomes a stream of documents, with its unreadable lines among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ganita.corpus.document import Document, Problem, equations
from ganita.corpus.faulty import fault_of
from ganita.corpus.reading.forms import FORMS, as_text, kind_of, needed, to_document
from ganita.corpus.reading.languages import LANGUAGES, content_of, suffix_of
from ganita.corpus.reading.latex import project_roots, read_project
from ganita.corpus.reading.readers import ROW_SUFFIXES, BadLine, Row, Skipped, is_dump, list_files, read_rows
from ganita.corpus.reading.shape import BadRowError, Shape, SkippedRowError, look_up
from ganita.corpus.reading.stackexchange import MIN_SCORE, read_posts
from ganita.corpus.registry import sets
from ganita.corpus.topics import Topic, find_topic, subject_of
from ganita.errors import GanitaError, nearest
from ganita.progress import Reporter
from ganita.recipe import Source

Item = Document | BadLine | Skipped
_FIELDS = frozenset(
    {"id", "licence", "text", "code", "passage", "instruction", "question", "choices", "label", "answer"}
    | {"solution", "steps", "path", "language", "score"}
)


@dataclass(frozen=True)
class Opened:
    """A source that was found: what it is, and the files it is read from (none: it is generated).

    `commercial` says if its licence allows commercial use; None: only the documents themselves can tell.
    """

    name: str
    kind: str
    content: str
    licence: str
    commercial: bool | None
    origin: str
    files: tuple[Path, ...] = ()


def open_source(source: Source, seed: int, reporter: Reporter) -> Opened:
    """Find a source and say what it is; nothing of it is read yet but which LaTeX files belong together.

    Raises `SourceMissingError` if it cannot be found, and `GanitaError` for a benchmark given as a source, an unknown
    field or form, and options that have no meaning for this source.
    """
    _check_options(source)
    if source.families or source.procedural:
        what = "families" if source.families else "kinds"
        origin = f"procedural {what}, {source.count:,} problems, seed {seed}"
        opened = Opened(source.label, "problem", "text", "Apache-2.0", True, origin)
    elif source.variants:
        opened = _open_variants(source, seed, reporter)
    else:
        opened = _open_set(source, reporter) if source.set else _open_path(source)
    _check_kind(source, opened)
    return replace(opened, kind=source.kind or opened.kind, content=source.content or opened.content)


def documents_of(source: Source, seed: int, file: Path | None = None) -> Iterator[Item]:
    """Yield the documents of one file of a source (None: of the whole source), with what could not be read or used.

    The arguments are all that is needed, in whatever process. `source.limit` counts documents over the whole source,
    so a source with a limit is asked for as a whole.
    """
    if source.families or source.procedural:
        items: Iterator[Item] = _generated(source, seed)
    elif source.variants:
        items = _variants(source, seed)
    else:
        items = _set(source, file) if source.set else _path(source, file)
    if source.topics and source.variants:
        items = _on_topic(items, find_topic(source.topics))
    if source.sound:
        items = _sound(items)
    if source.min_steps or source.max_steps:
        items = _with_steps(items, source)
    if source.kind == "text":
        items = (as_text(item) if isinstance(item, Problem) else item for item in items)
    return _take(items, source.limit) if source.limit else items


def refuse_benchmarks(source: Source) -> None:
    """Raise `GanitaError` if a source is a benchmark, by its name or by the files it would read."""
    name = source.label
    named = source.set or source.variants
    if named and sets.find(named).use == "eval":
        raise GanitaError(f"source {name!r}: set {named!r} is a benchmark and may not be trained on; remove it")
    folder = sets.data_folder()
    path = Path(source.path).expanduser() if source.path else None
    if path is None or not path.exists():
        return
    evaluation = (folder / "eval").resolve() if folder else None
    files = {file.resolve() for file in list_files(path)}
    found = [file for file in files if evaluation and file.is_relative_to(evaluation)]
    if not found:
        # A slice lies in a file of training problems; decontamination takes it out of them.
        whole = (set_id for set_id, entry in sets.registry().items() if entry.use == "eval" and not entry.is_slice)
        benchmarks = map(sets.at_hand, whole)
        found = [file for located in benchmarks if located for file in located.files if file.resolve() in files]
    if found:
        raise GanitaError(f"source {name!r}: {sorted(found)[0]} is a benchmark and may not be trained on; remove it")


def _check_options(source: Source) -> None:
    name = source.label
    if source.topics:
        find_topic(source.topics)
    if unknown := [key for key in source.fields if key not in _FIELDS]:
        raise GanitaError(f"source {name!r}: unknown document field {unknown[0]!r}{nearest(unknown[0], _FIELDS)}")
    if source.form and source.form not in FORMS:
        raise GanitaError(
            f"source {name!r}: unknown form {source.form!r}{nearest(source.form, FORMS)}; known are {', '.join(FORMS)}"
        )
    if source.families or source.procedural or source.variants:
        given = {"form": source.form, "fields": source.fields, "min_score": source.min_score}
        if meaningless := [key for key, value in given.items() if value]:
            raise GanitaError(f"source {name!r}: generated problems have no {meaningless[0]}; remove it")


def _check_kind(source: Source, opened: Opened) -> None:
    """Refuse what a source of this kind cannot do, rather than ignore it."""
    name = source.label
    if opened.kind == "text" and source.kind == "problem":
        raise GanitaError(f"source {name!r} holds running text, not worked problems: leave out kind = 'problem'")
    if opened.kind == "text" and (source.min_steps or source.max_steps):
        raise GanitaError(f"source {name!r} holds running text, without steps: leave out min_steps and max_steps")
    if opened.kind == "text" and source.sound:
        raise GanitaError(f"source {name!r} holds running text, not worked problems: leave out sound")
    if opened.kind == "text" and source.topics:
        raise GanitaError(f"source {name!r} holds running text, not worked problems: leave out topics")
    if source.max_steps and source.max_steps < source.min_steps:
        raise GanitaError(
            f"source {name!r}: max_steps = {source.max_steps} is less than min_steps = {source.min_steps}"
        )


def _generated(source: Source, seed: int) -> Iterator[Problem]:
    # Imported here: these are rooms of their own, and most recipes with files do not need them.
    name = source.label
    if source.procedural:
        from ganita.corpus.procedural import stream

        kinds = find_topic(source.topics).kinds if source.topics else ()
        if source.topics and not kinds:
            raise GanitaError(f"source {name!r}: no procedural kind is of topic {', '.join(source.topics)}; remove it")
        return (replace(problem, source=name) for problem in stream(source.count, seed, kinds=kinds))
    from ganita.corpus.families import library

    families = library(source.collection)
    if source.topics:
        families = families.of_topics(find_topic(source.topics).families)
    if source.num_families or source.num_wordings:
        families = families.part(source.num_families, source.num_wordings)
    problems = families.generate(source.count, seed, source.families, composed=source.composed)
    return (replace(problem, source=name) for problem in problems)


def _open_variants(source: Source, seed: int, reporter: Reporter) -> Opened:
    located = sets.locate(source.variants, reporter)
    entry = located.set
    if entry.kind != "problem":
        raise GanitaError(f"source {source.label!r}: set {source.variants!r} holds no worked problems to vary")
    origin = f"{source.count:,} variants of {located.origin}, seed {seed}"
    return Opened(source.label, "problem", "text", entry.licence, entry.commercial, origin)


def _variants(source: Source, seed: int) -> Iterator[Item]:
    from ganita.corpus.variants import Variants  # as the families: a room of its own

    rows = _set(Source(set=source.variants), None)
    variants = Variants((item for item in rows if isinstance(item, Problem)), source.kinds or ("numbers",))
    if not variants.templates:
        raise GanitaError(f"source {source.label!r}: no problem of {source.variants!r} has marks that could be varied")
    for reason in variants.refused.elements():  # one note each: the card counts them
        yield Skipped(source.variants, 0, f"problem without variants: {reason}", "", dropped=False)
    for problem in variants.generate(source.count, seed):
        if source.kinds:
            yield Skipped(source.variants, 0, f"variant: {variants.kind_of(problem)}", "", dropped=False)
        yield replace(problem, source=source.label)


def _open_set(source: Source, reporter: Reporter) -> Opened:
    located = sets.locate(source.set, reporter)
    entry, shape = located.set, _set_shape(located, source)
    if source.min_score and not shape.score:
        raise GanitaError(f"source {source.label!r}: set {source.set!r} has no score: leave out min_score")
    kind = kind_of(source.form) if source.form else entry.kind
    return Opened(
        source.label, kind, entry.content, entry.licence, entry.commercial, located.origin, located.files
    )  # fmt: skip


def _set_shape(located: sets.Located, source: Source) -> Shape:
    shape = located.shape(source.label)
    return replace(
        shape,
        form=source.form or shape.form,
        fields={**shape.fields, **source.fields},
        score=source.fields.get("score") or shape.score,
        min_score=source.min_score or shape.min_score,
    )


def _set(source: Source, file: Path | None) -> Iterator[Item]:
    located = sets.locate(source.set, Reporter(quiet=True))  # at hand by now: `open_source` has fetched it
    if file is not None:
        located = replace(located, files=(file,))
    return _documents(sets.rows(located), _set_shape(located, source), source.topics)


def _open_path(source: Source) -> Opened:
    files = _path_files(source)
    kind = kind_of(source.form) if source.form else source.kind or ("problem" if all(map(is_dump, files)) else "text")
    score = source.fields.get("score") or any(map(is_dump, files))
    if source.min_score and not score:
        raise GanitaError(
            f"source {source.label!r}: min_score needs the column of the score, as in fields = {{score = 'votes'}}"
        )
    content = content_of(file.name for file in files)
    return Opened(source.label, kind, content, "", None, source.path, tuple(files))


def _path_files(source: Source) -> list[Path]:
    """Return the files of a source; of LaTeX files only those that no other one brings in."""
    path = Path(source.path).expanduser()
    files = list_files(path)
    parts = [file for file in files if _is_project(file, source)]
    if len(parts) < 2:
        return files
    roots = set(project_roots(parts, path))
    return [file for file in files if file in roots or file not in set(parts)]


def _is_project(file: Path, source: Source) -> bool:
    """Say whether a file may bring in others; compressed ones are read by themselves."""
    return file.suffix.lower() in LANGUAGES["latex"][1] and source.form in ("", "latex", "by-path")


def _path(source: Source, file: Path | None) -> Iterator[Item]:
    path, name = Path(source.path).expanduser(), source.label
    root = path if path.is_dir() else path.parent
    shape = Shape("", source.fields, name, score=source.fields.get("score", ""), min_score=source.min_score)
    for each in [file] if file is not None else _path_files(source):
        called = each.relative_to(root).as_posix()
        rows: Iterable[Row | BadLine | Skipped]
        if is_dump(each) and source.form in ("", "stackexchange"):
            least = source.min_score or MIN_SCORE
            rows, form = read_posts(each, called, min_question_score=least, min_answer_score=least), "stackexchange"
            yield from _documents(rows, replace(shape, form=form, min_score=0.0), source.topics)
            continue
        rows = _read_project(each, root, called) if _is_project(each, source) else read_rows(each, called)
        by_type = "text" if suffix_of(each.name) in ROW_SUFFIXES else "by-path"
        form = source.form or ("problem" if source.kind == "problem" else by_type)
        yield from _documents(rows, replace(shape, form=form), source.topics)


def _read_project(file: Path, root: Path, name: str) -> Iterator[Row | Skipped]:
    """Yield a LaTeX document with the files it brings in; what of it is missing is a note."""
    project = read_project(file, root)
    for problem in project.problems:
        yield Skipped(name, 0, "incomplete LaTeX project", problem, dropped=False)
    yield Row({"text": project.text, "id": name, "path": name}, name, 0)


def _documents(rows: Iterable[Row | BadLine | Skipped], shape: Shape, topics: Sequence[str] = ()) -> Iterator[Item]:
    file, topic = "", find_topic(topics) if topics else None
    for row in rows:
        if not isinstance(row, Row):
            yield row
            continue
        if row.note:
            yield Skipped(row.file, row.line, "re-encoded", row.note, dropped=False)
        first, file = row.file != file, row.file
        try:
            document = to_document(row.values, shape, f"{row.file}:{row.line}")
            if topic and isinstance(document, Problem) and not topic.holds(document, subject_of(row.values)):
                yield Skipped(row.file, row.line, "topic")
                continue
            yield document
        except SkippedRowError as error:
            yield Skipped(row.file, row.line, str(error))
        except BadRowError as error:
            yield BadLine(row.file, row.line, (first and _missing_column(row, shape)) or str(error))


def _missing_column(row: Row, shape: Shape) -> str:
    """Say which column the first row of a file lacks and which it has: as a rule the field map is wrong."""
    for column in map(shape.column, needed(shape.form)):
        if look_up(row.values, column) is None and column not in row.values:
            return (
                f"no column {column!r}{nearest(column, row.values)}; there are "
                f"{', '.join(map(repr, row.values)) or 'none'}: set the right one in corpus.sources fields"
            )
    return ""


def _on_topic(items: Iterable[Item], topic: Topic) -> Iterator[Item]:
    """Leave out worked problems of other topics."""
    for item in items:
        if isinstance(item, Problem) and not topic.holds(item):
            yield Skipped(item.id, 0, "topic")
        else:
            yield item


def _with_steps(items: Iterable[Item], source: Source) -> Iterator[Item]:
    """Leave out worked problems with too few or too many steps: equations where a problem has them, else lines."""
    for item in items:
        if isinstance(item, Problem):
            num_steps = len(equations(item) or item.steps)
            if num_steps < source.min_steps or (source.max_steps and num_steps > source.max_steps):
                yield Skipped(item.id, 0, "steps", f"{num_steps}")
                continue
        yield item


def _sound(items: Iterable[Item]) -> Iterator[Item]:
    """Leave out worked problems that were read and found faulty."""
    for item in items:
        if isinstance(item, Problem) and (fault := fault_of(item)):
            yield Skipped(item.id, 0, "faulty", fault)
        else:
            yield item


def _take(items: Iterable[Item], limit: int) -> Iterator[Item]:
    """Pass on `limit` documents; unreadable and unwanted lines do not count towards them."""
    for item in items:
        yield item
        limit -= not isinstance(item, (BadLine, Skipped))
        if limit <= 0:
            return

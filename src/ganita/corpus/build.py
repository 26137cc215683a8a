"""The corpus stage: every source is read, selected, checked against the benchmarks, deduplicated and split.

    corpus/train/<source>.jsonl, corpus/validation/<source>.jsonl   documents, one a line (document.py)
    corpus/card.json        per source documents and characters in and out of each step, and what was dropped and why
    corpus/ledger.jsonl     every benchmark item that was found in a source, and where
    corpus/rejected.jsonl   the first unreadable lines of each source

Three passes. The tasks (part.py) take one file each to its part, in parallel and in any order (executor.py). One
look at the 64-bit keys of all parts, in the recipe's order, finds exact and near duplicates (near.py). The parts
are joined in that order. So the same recipe over the same files gives the same bytes, whoever does the tasks; a
stage that was cut off goes on with the parts that are missing; and no document is in memory but the one worked on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ganita.corpus import executor
from ganita.corpus.card import SPLITS, SourceCard, totals
from ganita.corpus.contamination.ledger import summarise
from ganita.corpus.contamination.overlap import Index
from ganita.corpus.document import Problem, Text
from ganita.corpus.part import (
    BENCHMARKS,
    EQUATIONS,
    HELD_OUT,
    QUALITY,
    Task,
    check_bad_lines,
    part_folder,
    read_card,
    work,
    write_plan,
)
from ganita.corpus.reading.readers import SourceMissingError, list_files
from ganita.corpus.registry import sets
from ganita.corpus.selection import near, quality
from ganita.corpus.sources import Opened, documents_of, open_source, refuse_benchmarks
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import Corpus, Recipe, Source
from ganita.runs import Run
from ganita.storage import fingerprint, remove, write_json

VERSION = 2  # of the cleaning rules; a change here makes finished corpora be built again
PARTS = "parts"
_SHOWN = 3  # unreadable lines shown per source
_HEAD = 1 << 20  # bytes hashed at either end of a file


def build(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Build the corpus of `recipe` in `folder`, going on with what a cut-off attempt left; return its summary.

    Raises `GanitaError` for a source that is missing, a benchmark, empty, or holds too many unreadable lines.
    """
    corpus, started = recipe.corpus, time.perf_counter()
    parts = folder / PARTS
    opened = open_sources(recipe, reporter)
    index, missing = load_benchmarks(corpus, reporter)
    tasks = [task for position, source in opened for task in plan_tasks(position, source, corpus.sources[position])]
    write_plan(parts, recipe, tasks)
    index.save(parts / BENCHMARKS)
    learned = _learn_quality(recipe, opened, parts / QUALITY)
    _run_tasks(tasks, parts, corpus, reporter)
    read_seconds = time.perf_counter() - started
    cards, seconds = _join(folder, opened, tasks, corpus, reporter)
    card: dict[str, Any] = {
        "sources": {entry.name: entry.to_json() for entry in cards},
        "totals": totals(cards),
        "benchmarks": {
            "compared": [set_id for set_id in _benchmarks(corpus) if set_id not in missing],
            "not_compared": list(missing),
            "items": len(index),
            **summarise(folder / "ledger.jsonl"),
        },
        "quality": learned,
        "validation_share": corpus.validation_share,
    }
    write_json(folder / "card.json", card)
    remove(parts)
    elapsed = time.perf_counter() - started
    return {
        **card["totals"],
        "sources": card["sources"],
        "characters_per_second": round(card["totals"]["characters_in"] / max(elapsed, 1e-9)),
        "step_seconds": {"tasks, elapsed": round(read_seconds, 2), **seconds},
    }


def open_sources(recipe: Recipe, reporter: Reporter) -> list[tuple[int, Opened]]:
    """Find every source before one is read: a mistyped path must not show after an hour of work.

    Returns (position in the recipe, source) of those that take part.
    """
    corpus = recipe.corpus
    if not corpus.sources:
        raise GanitaError("the recipe names no source: add a [[corpus.sources]] table")
    for source in corpus.sources:
        refuse_benchmarks(source)
    opened = [(n, found) for n, s in enumerate(corpus.sources) if (found := _open(s, recipe, reporter)) is not None]
    if not opened:
        raise GanitaError("no source of the recipe could be found")
    if unknown := set(corpus.select.quality_seeds) - {found.name for _, found in opened}:
        raise GanitaError(f"corpus.select.quality_seeds: no source {sorted(unknown)[0]!r} in this recipe")
    return opened


def _open(source: Source, recipe: Recipe, reporter: Reporter) -> Opened | None:
    named = source.set or source.variants
    if recipe.corpus.commercial_only and named and not sets.find(named).commercial:
        entry = sets.find(named)
        reporter.warn(f"source {source.label!r} is left out: its licence ({entry.licence}) is not for commercial use")
        return None
    try:
        return open_source(source, recipe.seed, reporter)
    except SourceMissingError as error:
        if not source.optional:
            raise GanitaError(f"source {source.label!r}: {error}") from None
        reporter.warn(f"source {source.label!r} is left out: {error}")
        return None


def plan_tasks(position: int, opened: Opened, source: Source) -> Iterator[Task]:
    """Yield the tasks of a source: one per file, or one in all where documents are counted or generated."""
    if not opened.files or source.limit:
        yield Task(position, opened.content, opened.licence, "", sum(file.stat().st_size for file in opened.files))
        return
    for file in opened.files:
        yield Task(position, opened.content, opened.licence, str(file), file.stat().st_size)


def _run_tasks(tasks: Sequence[Task], parts: Path, corpus: Corpus, reporter: Reporter) -> None:
    # Generated problems have no file: about 300 bytes each, so that they count as the work they are.
    weights = {number: task.num_bytes or 300 * corpus.sources[task.source].count for number, task in enumerate(tasks)}
    with reporter.bar("documents", sum(weights.values())) as bar:
        finished = [number for number in weights if part_folder(parts, number).is_dir()]
        bar.advance(sum(weights.pop(number) for number in finished))
        if finished:
            reporter.say(f"  {len(finished)} of {len(tasks)} parts are there already")

        def done(number: int) -> None:
            bar.note(corpus.sources[tasks[number].source].label)
            bar.advance(weights[number])

        executor.run(work, parts, dict(weights), corpus, done)


def _learn_quality(recipe: Recipe, opened: Sequence[tuple[int, Opened]], path: Path) -> dict[str, Any] | None:
    """Teach the quality score from the texts of the seeds, against those of all other sources but code."""
    seeds = recipe.corpus.select.quality_seeds
    if not seeds:
        return None

    def texts(wanted: bool) -> Iterator[str]:
        for position, found in opened:
            if (found.name in seeds) == wanted and (wanted or found.content != "code"):
                items = documents_of(recipe.corpus.sources[position], recipe.seed)
                yield from (item.text for item in items if isinstance(item, Text))

    model = quality.train(texts(True), texts(False), recipe.seed)
    model.save(path)
    return {"seeds": list(seeds), **model.report}


class _Joiner:
    """Joins the parts of all sources, leaving out duplicates."""

    def __init__(self, folder: Path, corpus: Corpus, reporter: Reporter) -> None:
        self.folder, self.corpus, self.reporter = folder, corpus, reporter
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def source(self, opened: Opened, parts: Sequence[tuple[Path, NDArray[np.uint8]]]) -> SourceCard:
        """Write the files of one source from its parts and their duplicate codes; return its counts."""
        whole = SourceCard(opened.name, opened.kind, opened.content, opened.licence, opened.commercial, opened.origin)
        with ExitStack() as stack:
            files = {
                split: stack.enter_context((self.folder / split / f"{opened.name}.jsonl").open("wb"))
                for split in SPLITS
            }
            for part, codes in parts:
                card, seconds = read_card(part)
                whole.add(card)
                for step, value in seconds.items():
                    self.seconds[step] += value
                _copy_part(part, codes, files, whole)
        self._complain(whole)
        return whole

    def _complain(self, card: SourceCard) -> None:
        for line in card.rejected[:_SHOWN]:
            where = f"{line.file}, line {line.line:,}" if line.line else line.file
            self.reporter.warn(f"source {card.name!r}: {where}: {line.reason}; skipped")
        for note, count in sorted(card.notes.items()):
            self.reporter.warn(f"source {card.name!r}: {count:,} x {note}")
        check_bad_lines(card, self.corpus.max_bad_lines)
        if not card.documents_in:
            raise GanitaError(f"source {card.name!r}: {card.origin} holds no document")
        if not any(card.documents[split] for split in SPLITS):
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(card.dropped.items()) if count)
            raise GanitaError(f"source {card.name!r}: nothing is left of {card.documents_in:,} documents ({reasons})")


def _join(
    folder: Path, opened: Sequence[tuple[int, Opened]], tasks: Sequence[Task], corpus: Corpus, reporter: Reporter
) -> tuple[list[SourceCard], dict[str, float]]:
    """Find the duplicates over all parts and write the documents of every source; return counts and seconds."""
    started = time.perf_counter()
    parts = [part_folder(folder / PARTS, number) for number in range(len(tasks))]
    for split in SPLITS:
        remove(folder / split)
        (folder / split).mkdir(parents=True)
    codes = _duplicate_codes(parts, corpus, folder / PARTS)
    by_source: defaultdict[int, list[tuple[Path, NDArray[np.uint8]]]] = defaultdict(list)
    for task, part, code in zip(tasks, parts, codes, strict=True):
        by_source[task.source].append((part, code))
    found = time.perf_counter()
    joiner = _Joiner(folder, corpus, reporter)
    cards = [joiner.source(source, by_source[position]) for position, source in opened]
    _write_rejected(folder / "rejected.jsonl", cards)
    with (folder / "ledger.jsonl").open("wb") as ledger:
        for part in parts:
            ledger.write((part / "ledger.jsonl").read_bytes())
    seconds = {step: round(value, 2) for step, value in joiner.seconds.items()}
    seconds |= {"find duplicates": round(found - started, 2), "join": round(time.perf_counter() - found, 2)}
    return cards, seconds


def _duplicate_codes(parts: Sequence[Path], corpus: Corpus, scratch: Path) -> Iterable[NDArray[np.uint8]]:
    if not corpus.deduplicate:
        return [np.zeros(len(np.load(part / "flags.npy", mmap_mode="r")), dtype=np.uint8) for part in parts]
    return near.find_duplicates(parts, threshold=corpus.near_duplicates, scratch=scratch)


def _copy_part(part: Path, codes: NDArray[np.uint8], files: Mapping[str, IO[bytes]], card: SourceCard) -> None:
    """Copy the lines of the documents that are no duplicates, and count them."""
    flags, lines = np.load(part / "flags.npy"), np.load(part / "lines.npy")
    card.dropped["duplicate"] += int(np.count_nonzero(codes == near.EXACT_DUPLICATE))
    card.dropped["near duplicate"] += int(np.count_nonzero(codes == near.NEAR_DUPLICATE))
    kept = codes == near.KEPT
    card.with_equations += int(np.count_nonzero(flags[kept] & EQUATIONS))
    card.documents["deduplicate"] += int(np.count_nonzero(kept))
    owners, characters = lines[:, 0], lines[:, 1]
    card.characters["deduplicate"] += int(characters[kept[owners]].sum())
    with (part / "documents.jsonl").open("rb") as documents:
        for line, owner, size in zip(documents, owners.tolist(), characters.tolist(), strict=True):
            if kept[owner]:
                split = SPLITS[int(flags[owner]) & HELD_OUT]
                files[split].write(line)
                card.passed(split, size)


def load_benchmarks(corpus: Corpus, reporter: Reporter) -> tuple[Index, tuple[str, ...]]:
    """Read the benchmark sets that documents are checked against; return them and the ids of those not found.

    A benchmark that cannot be found is an error where a public set is trained on: that is where its items leak from,
    and the two are published side by side. Your own files, and a benchmark of `decontaminate_if_found`, go on with a
    warning that the card repeats. Generated problems alone do not even ask the network: ganita writes them itself.
    """
    strict = any(source.set or source.variants for source in corpus.sources)
    generated = all(source.families or source.procedural for source in corpus.sources)
    found: list[tuple[str, list[Problem]]] = []
    missing: list[str] = []
    for set_id in _benchmarks(corpus):
        if sets.find(set_id).use != "eval":
            raise GanitaError(f"corpus.decontaminate: {set_id!r} is a training set, not a benchmark")
        try:
            if generated and sets.at_hand(set_id) is None:
                missing.append(set_id)
            else:
                found.append((set_id, sets.load_problems(set_id, reporter)))
        except SourceMissingError as error:
            message = f"documents cannot be compared with benchmark {set_id!r}: {error}"
            if strict and set_id in corpus.decontaminate:
                raise GanitaError(f"{message}; or take it out of corpus.decontaminate and evaluate.tasks") from None
            reporter.warn(message)
            missing.append(set_id)
    return Index(found), tuple(missing)


def _benchmarks(corpus: Corpus) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*corpus.decontaminate, *corpus.decontaminate_if_found]))


def _write_rejected(path: Path, cards: Iterable[SourceCard]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for card in cards:
            for line in card.rejected:
                row = {"source": card.name, "file": line.file, "line": line.line, "reason": line.reason}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def input_fingerprint(recipe: Recipe) -> dict[str, Any]:
    """Return what the corpus is made from, as JSON: when it changes, the corpus has to be built again.

    Files stand for themselves by size and the hash of their first and last MiB, which is fast and notices every
    change but one in the middle that keeps the size. A set that is only on the hub stands by its id and revision.
    """
    sources = {source.label: _source_fingerprint(source, recipe.seed) for source in recipe.corpus.sources}
    benchmarks = {set_id: _set_fingerprint(set_id) for set_id in _benchmarks(recipe.corpus)}
    return {"version": VERSION, "sources": sources, "benchmarks": benchmarks}


def _source_fingerprint(source: Source, seed: int) -> Any:
    if source.families:
        rooms = ("families",) if source.collection == "core" else ("families", f"families/{source.collection}")
        return {"families": _engine_hash(*rooms), "seed": seed}
    if source.procedural:
        return {"procedural": _engine_hash("procedural"), "seed": seed}
    if named := source.set or source.variants:
        entry = {"entry": fingerprint(asdict(sets.find(named))), "files": _set_fingerprint(named)}
        return entry if source.set else {**entry, "engine": _engine_hash("families", "variants"), "seed": seed}
    path = Path(source.path).expanduser()
    root = path if path.is_dir() else path.parent
    files = list_files(path) if path.exists() else []
    return {file.relative_to(root).as_posix(): _file_fingerprint(file) for file in files}


def _set_fingerprint(set_id: str) -> Any:
    located = sets.at_hand(set_id)
    if located is None or located.origin.startswith("hub:"):
        hub = sets.find(set_id).hub
        # The same before and after the download: the first run must not invalidate itself.
        return {"hub": hub.id, "revision": hub.revision, "files": list(hub.files)} if hub else None
    return {file.name: _file_fingerprint(file) for file in located.files}


def _file_fingerprint(file: Path) -> dict[str, Any]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        digest = hashlib.sha256(stream.read(_HEAD))
        stream.seek(max(0, size - _HEAD))
        digest.update(stream.read(_HEAD))
    return {"bytes": size, "sha256_ends": digest.hexdigest()}


def _engine_hash(*rooms: str) -> str:
    """Hash the data and the code that generated problems come from."""
    digest = hashlib.sha256()
    for room in rooms:
        folder = resources.files("ganita.corpus").joinpath(room)
        for item in sorted(folder.iterdir(), key=lambda item: item.name) if folder.is_dir() else ():
            if item.is_file() and item.name.endswith((".toml", ".py")):
                digest.update(item.name.encode() + b"\0" + item.read_bytes())
    return digest.hexdigest()

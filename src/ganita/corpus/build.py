"""The corpus stage: every source is read, cleaned, checked against the benchmarks, split and written.

    corpus/train/<source>.jsonl, corpus/validation/<source>.jsonl   documents, one a line (document.py)
    corpus/card.json        per source what went in, was kept, was dropped and why
    corpus/ledger.jsonl     every benchmark item that was found in a source, and where
    corpus/rejected.jsonl   the first unreadable lines of each source

A document is held only while it is worked on; what stays in memory is 8 bytes per document (its hash) and the
n-grams of the benchmarks. The same recipe over the same files gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import IO, Any

from ganita.corpus import sets
from ganita.corpus.card import SPLITS, SourceCard, totals
from ganita.corpus.clean import contents, normalise_document, pieces, size, split_key
from ganita.corpus.document import Document, Problem, Text, equations, to_json
from ganita.corpus.hashes import HashSet, duplicate_key, hash64
from ganita.corpus.overlap import Index
from ganita.corpus.readers import BadLine, SourceMissingError, list_files
from ganita.corpus.sources import Opened, name_of, open_source, refuse_benchmarks
from ganita.errors import GanitaError
from ganita.progress import Bar, Reporter
from ganita.recipe import Corpus, Recipe, Source
from ganita.runs import Run
from ganita.storage import fingerprint, write_json

VERSION = 1  # of the cleaning rules; a change here makes finished corpora be built again
_SHOWN = 3  # unreadable lines shown per source
_HEAD = 1 << 20  # bytes hashed at either end of a file
_EARLY = 1_000  # unreadable lines after which a hopeless source is given up before its end


def build(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Build the corpus of `recipe` in `folder` (empty) and return the summary for its manifest.

    Raises `GanitaError` for a source that is missing, a benchmark, empty, or holds too many unreadable lines.
    """
    corpus, started = recipe.corpus, time.perf_counter()
    if not corpus.sources:
        raise GanitaError("the recipe names no source: add a [[corpus.sources]] table")
    for source in corpus.sources:
        refuse_benchmarks(source)
    # All are found before one is read: a mistyped path must not show after an hour of work.
    opened = [found for source in corpus.sources if (found := _open(source, recipe.seed, reporter)) is not None]
    if not opened:
        raise GanitaError("no source of the recipe could be found")
    index, missing = load_benchmarks(corpus, reporter)
    seen = HashSet()
    for split in SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
    with (folder / "ledger.jsonl").open("w", encoding="utf-8", newline="\n") as ledger:
        workers = (_Worker(corpus, source, index, seen, ledger, reporter) for source in opened)
        cards = [worker.run(folder) for worker in workers]
    _write_rejected(folder / "rejected.jsonl", cards)
    card: dict[str, Any] = {
        "sources": {entry.name: entry.to_json() for entry in cards},
        "totals": totals(cards),
        "benchmarks": {
            "compared": [set_id for set_id in corpus.decontaminate if set_id not in missing],
            "not_compared": list(missing),
            "items": len(index),
            "words": index.num_words,
        },
        "validation_share": corpus.validation_share,
    }
    write_json(folder / "card.json", card)
    seconds = time.perf_counter() - started
    characters = sum(entry.characters_in for entry in cards)
    rate = round(characters / max(seconds, 1e-9))
    return {**card["totals"], "sources": card["sources"], "characters_per_second": rate}


def load_benchmarks(corpus: Corpus, reporter: Reporter) -> tuple[Index, tuple[str, ...]]:
    """Read the benchmark sets that documents are checked against; return them and the ids of those not found.

    A benchmark that cannot be found is an error where a public set is trained on: that is where its items leak from,
    and the two are published side by side. Your own files go on with a warning that the card repeats. Generated
    problems alone do not even ask the network: ganita writes them itself.
    """
    strict = any(source.set for source in corpus.sources)
    generated = all(source.families for source in corpus.sources)
    found: list[tuple[str, list[Problem]]] = []
    missing: list[str] = []
    for set_id in corpus.decontaminate:
        if sets.find(set_id).use != "eval":
            raise GanitaError(f"corpus.decontaminate: {set_id!r} is a training set, not a benchmark")
        try:
            if generated and sets.at_hand(set_id) is None:
                missing.append(set_id)
            else:
                found.append((set_id, sets.load_problems(set_id, reporter)))
        except SourceMissingError as error:
            message = f"documents cannot be compared with benchmark {set_id!r}: {error}"
            if strict:
                raise GanitaError(f"{message}; or take it out of corpus.decontaminate") from None
            reporter.warn(message)
            missing.append(set_id)
    return Index(found), tuple(missing)


def _open(source: Source, seed: int, reporter: Reporter) -> Opened | None:
    try:
        return open_source(source, seed, reporter)
    except SourceMissingError as error:
        if not source.optional:
            raise GanitaError(f"source {name_of(source)!r}: {error}") from None
        reporter.warn(f"source {name_of(source)!r} is left out: {error}")
        return None


class _Worker:
    """Takes one source from its rows to its two files."""

    def __init__(
        self, corpus: Corpus, opened: Opened, index: Index, seen: HashSet, ledger: IO[str], reporter: Reporter
    ) -> None:
        self.corpus, self.opened, self.index, self.seen = corpus, opened, index, seen
        self.ledger, self.reporter = ledger, reporter
        self.card = SourceCard(opened.name, opened.kind, opened.licence, opened.origin)

    def run(self, folder: Path) -> SourceCard:
        """Read the source to its end, write what is kept, and return the counts."""
        with ExitStack() as stack:
            files = {
                split: stack.enter_context(
                    (folder / split / f"{self.opened.name}.jsonl").open("w", encoding="utf-8", newline="\n")
                )
                for split in SPLITS
            }
            bar = stack.enter_context(self.reporter.bar(self.opened.name))
            for document in self._documents(bar):
                self._write(document, files)
        self._check_bad_lines(final=True)
        self._check_kept()
        return self.card

    def _documents(self, bar: Bar) -> Iterator[Document]:
        """Yield the readable documents, normalised; count, show and skip what cannot be read."""
        for item in self.opened.documents:
            if isinstance(item, BadLine):
                self._reject(item)
                continue
            document = normalise_document(item)
            self.card.documents_in += 1
            self.card.characters_in += size(document)
            if self.card.documents_in % 64 == 0:
                bar.advance(64)
            yield document

    def _write(self, document: Document, files: Mapping[str, IO[str]]) -> None:
        card = self.card
        if self.corpus.deduplicate and not self.seen.add(duplicate_key(contents(document))):
            card.dropped["duplicate"] += 1
            return
        # Decided on the whole document, before anything is cut: its pieces stay on one side.
        split = split_of(document, self.corpus.validation_share)
        verdict = self.index.check(document)
        for hit in verdict.hits:
            row = {"source": card.name, "document": document.id, **vars(hit), "cut": verdict.num_cut > 0}
            self.ledger.write(json.dumps(row, ensure_ascii=False) + "\n")
        card.paragraphs_cut += verdict.num_cut
        if verdict.document is None:
            card.dropped["benchmark overlap"] += 1
            return
        for piece in self._cut(verdict.document):
            if size(piece) < self.corpus.min_characters:
                card.dropped["short"] += 1
                continue
            card.keep(split, size(piece))
            if not isinstance(piece, Text):
                card.with_equations += equations(piece) is not None
            files[split].write(json.dumps(to_json(piece), ensure_ascii=False) + "\n")

    def _cut(self, document: Document) -> Iterable[Document]:
        """Cut a long text into pieces; a worked problem has no border to cut at and is dropped."""
        if size(document) <= self.corpus.max_characters:
            return (document,)
        if not isinstance(document, Text):
            self.card.dropped["long"] += 1
            return ()
        parts = enumerate(pieces(document.text, self.corpus.max_characters), 1)
        return (replace(document, id=f"{document.id}/{number}", text=text) for number, text in parts)

    def _reject(self, line: BadLine) -> None:
        self.card.reject(line)
        if len(self.card.rejected) <= _SHOWN:
            where = f"{line.file}, line {line.line:,}" if line.line else line.file
            self.reporter.warn(f"source {self.card.name!r}: {where}: {line.reason}; skipped")
        self._check_bad_lines(final=False)

    def _check_bad_lines(self, *, final: bool) -> None:
        card, bad = self.card, self.card.dropped["unreadable"]
        if card.bad_share > self.corpus.max_bad_lines and (final or bad >= _EARLY) and bad:
            first = card.rejected[0]
            raise GanitaError(
                f"source {card.name!r}: {bad:,} of {bad + card.documents_in:,} lines are unreadable, more than "
                f"corpus.max_bad_lines = {self.corpus.max_bad_lines:g} allows "
                f"(first: {first.file}, line {first.line:,}: {first.reason})"
            )

    def _check_kept(self) -> None:
        card = self.card
        if not card.documents_in:
            raise GanitaError(f"source {card.name!r}: {card.origin} holds no document")
        if not sum(card.documents.values()):
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(card.dropped.items()) if count)
            raise GanitaError(f"source {card.name!r}: nothing is left of {card.documents_in:,} documents ({reasons})")


def split_of(document: Document, validation_share: float) -> str:
    """Return "train" or "validation", by the hash of the text or question alone.

    Neither the seed nor the other documents matter, so a document never changes sides between runs.
    """
    return "validation" if hash64(split_key(document)) < validation_share * 2.0**64 else "train"


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
    sources = {name_of(source): _source_fingerprint(source, recipe.seed) for source in recipe.corpus.sources}
    benchmarks = {set_id: _set_fingerprint(set_id) for set_id in recipe.corpus.decontaminate}
    return {"version": VERSION, "sources": sources, "benchmarks": benchmarks}


def _source_fingerprint(source: Source, seed: int) -> Any:
    if source.families:
        return {"families": _families_hash(), "seed": seed}
    if source.set:
        return {"entry": fingerprint(asdict(sets.find(source.set))), "files": _set_fingerprint(source.set)}
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


def _families_hash() -> str:
    """Hash the data and the engine of the procedural problems."""
    digest = hashlib.sha256()
    folder = resources.files("ganita.corpus").joinpath("families")
    for item in sorted(folder.iterdir(), key=lambda item: item.name) if folder.is_dir() else ():
        if item.is_file() and item.name.endswith((".toml", ".py")):
            digest.update(item.name.encode() + b"\0" + item.read_bytes())
    return digest.hexdigest()

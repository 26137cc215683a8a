"""The shards stage: every document of the corpus as tokens on disk, one stream per source and form."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganita.corpus.document import Document, Problem, Text
from ganita.errors import GanitaError
from ganita.progress import Bar, Reporter
from ganita.recipe import Recipe, Source
from ganita.runs import Run
from ganita.shards.files import INDEX, StreamWriter, token_dtype
from ganita.storage import write_json
from ganita.tokenizer.reading import read_documents, source_files
from ganita.tokenizer.template import render_problems, render_texts
from ganita.tokenizer.tokenizer import Tokenizer

SPLITS = ("train", "validation")
_CHUNK_BYTES = 4_000_000  # of JSON lines encoded at once: keeps all cores busy, bounds memory
_CHUNK_DOCUMENTS = 4096


def build(recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Write the token streams of both splits into `folder`; return tokens and documents by split and stream.

    Raises `GanitaError` when no source gives a training document.
    """
    tokenizer = Tokenizer.load(run.stage("tokenizer"))
    corpus = run.stage("corpus")
    started = time.monotonic()
    index: dict[str, Any] = {
        "dtype": token_dtype(tokenizer.vocabulary_size),
        "vocabulary_size": tokenizer.vocabulary_size,
        "pad_id": tokenizer.pad_id,
        "tokenizer": tokenizer.fingerprint,
        "splits": {},
    }
    without_form: dict[str, int] = {}
    for split in SPLITS:
        streams: dict[str, Any] = {}
        files = list(source_files(recipe, corpus, split))
        with reporter.bar(split, sum(path.stat().st_size for _, path in files)) as bar:
            for source, path in files:
                bar.note(source.label)
                writer = _SourceWriter(source, folder / split, tokenizer, recipe)
                streams.update(writer.write(path, bar, taken=streams))
                without_form[f"{split}/{writer.name}"] = writer.num_without_form
        index["splits"][split] = streams
    if not index["splits"]["train"]:
        raise GanitaError(f"{corpus}: no training documents to make shards from; check [[corpus.sources]]")
    write_json(folder / INDEX, index)
    return _summary(index, without_form, time.monotonic() - started, reporter)


class _SourceWriter:
    """Encodes the documents of one source in chunks and hands them to its streams."""

    def __init__(self, source: Source, folder: Path, tokenizer: Tokenizer, recipe: Recipe) -> None:
        self.name = source.label
        self.num_without_form = 0  # problems that have none of the forms asked for
        self._folder, self._tokenizer = folder, tokenizer
        self._forms, self._shard_tokens = recipe.shards.forms, recipe.shards.shard_tokens
        self._stack = contextlib.ExitStack()
        self._writers: dict[str, StreamWriter] = {}
        self._entries: dict[str, dict[str, Any]] = {}

    def write(self, path: Path, bar: Bar, taken: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Write all streams of the source and return their entries of the index."""
        with self._stack:
            for chunk in _chunks(path, bar):
                self._write_texts([document for document in chunk if isinstance(document, Text)], taken)
                self._write_problems([document for document in chunk if isinstance(document, Problem)], taken)
        for stream, writer in self._writers.items():
            self._entries[stream] |= {
                "tokens": writer.tokens,
                "documents": writer.documents,
                "files": writer.files,
            }
        return self._entries

    def _write_texts(self, texts: list[Text], taken: dict[str, Any]) -> None:
        if texts:
            rendered = render_texts([text.text for text in texts], self._tokenizer, [text.language for text in texts])
            self._writer("", taken).append([(ids, 0) for ids in rendered])

    def _write_problems(self, problems: list[Problem], taken: dict[str, Any]) -> None:
        has_form = [False] * len(problems)
        for form in self._forms:
            rendered = render_problems(problems, form, self._tokenizer)
            has_form = [had or item is not None for had, item in zip(has_form, rendered, strict=True)]
            if written := [item for item in rendered if item is not None]:
                self._writer(form, taken).append(written)
        self.num_without_form += has_form.count(False)

    def _writer(self, form: str, taken: dict[str, Any]) -> StreamWriter:
        stream = f"{self.name}.{form}" if form else self.name
        if stream not in self._writers:
            if stream in taken:
                raise GanitaError(f"two sources make a stream called {stream!r}; rename source {self.name!r}")
            dtype = token_dtype(self._tokenizer.vocabulary_size)
            writer = StreamWriter(self._folder, stream, dtype, self._shard_tokens)
            self._writers[stream] = self._stack.enter_context(writer)
            self._entries[stream] = {
                "source": self.name,
                "form": form,
                "kind": "problem" if form else "text",
            }
        return self._writers[stream]


def _chunks(path: Path, bar: Bar) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    size = 0
    for document, num_bytes in read_documents(path):
        chunk.append(document)
        size += num_bytes
        if size >= _CHUNK_BYTES or len(chunk) >= _CHUNK_DOCUMENTS:
            yield chunk
            bar.advance(size)
            chunk, size = [], 0
    if chunk:
        yield chunk
        bar.advance(size)


def _summary(index: dict[str, Any], without_form: dict[str, int], seconds: float, reporter: Reporter) -> dict[str, Any]:
    streams = {
        split: {name: {key: entry[key] for key in ("tokens", "documents")} for name, entry in entries.items()}
        for split, entries in index["splits"].items()
    }
    tokens = {split: sum(entry["tokens"] for entry in entries.values()) for split, entries in streams.items()}
    missing = {name: count for name, count in without_form.items() if count}
    for name, count in missing.items():
        reporter.warn(f"shards: {count:,} problems of {name} have none of the forms asked for and were left out")
    if not tokens["validation"]:
        reporter.warn("shards: the validation split is empty, so no validation loss can be measured")
    reporter.say(f"  {tokens['train']:,} tokens to train on, {tokens['validation']:,} held out")
    return {"tokens": tokens, "streams": streams, "without_form": missing, "seconds": round(seconds, 3)}

"""Documents of the corpus stage, one by one, for the stages that follow it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ganita.corpus.document import Document, from_json
from ganita.errors import IntegrityError
from ganita.recipe import Recipe, Source


def source_files(recipe: Recipe, corpus: Path, split: str) -> Iterator[tuple[Source, Path]]:
    """Yield each source of the recipe that has documents in `split`, with its file, in the recipe's order."""
    for source in recipe.corpus.sources:
        path = corpus / split / f"{source.label}.jsonl"
        # An optional source that was not found leaves no file; one that lost every document an empty one.
        if path.is_file() and path.stat().st_size > 0:
            yield source, path


def read_documents(path: Path) -> Iterator[tuple[Document, int]]:
    """Yield (document, bytes of its line) from a file of the corpus stage.

    Raises `IntegrityError` naming file and line: our own stage wrote the file, so a bad line is damage.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield from_json(json.loads(line)), len(line)
            except (ValueError, KeyError, TypeError) as error:
                raise IntegrityError(f"{path}:{number}: not a document ({error}); rebuild the corpus stage") from None

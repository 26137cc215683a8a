"""The ledger of a corpus: every benchmark item that was found in a source, where, by which rule, and what was done.

One JSON object a line, written by `Verdict.rows` (overlap.py):

    set, item          the benchmark and its item
    source, document   where it was found
    rule               exact, 13-gram or 8-gram (overlap.py says what each asks for)
    ratio              edit ratio of the 8-gram rule, else null
    start, stop        characters of the document
    hash               of the question (exact) or of the first shared n-gram; the text itself is not repeated here
    decision           dropped: the whole document; cut: the paragraphs that hold it, out of a longer text

An item that stands here is *touched*: something like it was in the sources. It was taken out before training, but
what looks like it in a way that no rule knows may have stayed, so a benchmark is scored on its touched and its clean
items apart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganita.errors import GanitaError, IntegrityError

LEDGER = "ledger.jsonl"
_TEXTS = ("set", "item", "source", "document", "rule", "decision")


def read_ledger(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a ledger. Raises `GanitaError` if there is none, `IntegrityError` for a broken line."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield _row(line, f"{path}, line {number}")
    except FileNotFoundError:
        raise GanitaError(f"{path}: no such file; build the corpus again") from None
    except UnicodeDecodeError:
        raise IntegrityError(f"{path}: not UTF-8; build the corpus again") from None


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise IntegrityError(f"{where}: not valid JSON; build the corpus again") from None
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in _TEXTS):
        raise IntegrityError(f"{where}: not a row of this version's ledger; build the corpus again")
    return row


def touched_items(path: Path) -> dict[str, set[str]]:
    """Return the items that were found, by benchmark."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in read_ledger(path):
        found[row["set"]].add(row["item"])
    return dict(found)


def summarise(path: Path) -> dict[str, Any]:
    """Return the counts of a ledger for the data card.

    `hits`: per benchmark, source, rule and decision the places (`hits`), documents and different items; `touched`:
    the different items of each benchmark, whatever the source and rule.
    """
    items: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    hits: defaultdict[tuple[str, ...], int] = defaultdict(int)
    documents: defaultdict[tuple[str, ...], int] = defaultdict(int)
    latest: dict[tuple[str, ...], str] = {}
    touched: defaultdict[str, set[str]] = defaultdict(set)
    for row in read_ledger(path):
        key = tuple(row[name] for name in ("set", "source", "rule", "decision"))
        hits[key] += 1
        items[key].add(row["item"])
        touched[row["set"]].add(row["item"])
        # The rows of a document follow each other: comparing with the last one counts documents in no memory.
        documents[key] += latest.get(key) != row["document"]
        latest[key] = row["document"]
    return {
        "hits": [
            {
                **dict(zip(("set", "source", "rule", "decision"), key, strict=True)),
                "hits": hits[key],
                "documents": documents[key],
                "items": len(items[key]),
            }
            for key in sorted(hits)
        ],
        "touched": {set_id: len(found) for set_id, found in sorted(touched.items())},
    }

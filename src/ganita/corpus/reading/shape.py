"""How the rows of a source are looked at: which column holds which field of a document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganita.corpus.reading.languages import known_language, language_of


class BadRowError(ValueError):
    """The row cannot become a document; the message says why."""


class SkippedRowError(BadRowError):
    """The row is readable but not wanted; the message is one word: why (readers.Skipped)."""


@dataclass(frozen=True)
class Shape:
    """How the rows of a source become documents.

    `fields` maps a canonical field to the column that holds it; "meta.score" is the column `score` inside the column
    `meta`. Rows whose `score` column is below `min_score` are left out. `language` (languages.py) is that of a row
    that does not say its own.
    """

    form: str
    fields: Mapping[str, str]
    source: str
    licence: str = ""
    language: str = ""
    score: str = ""
    min_score: float = 0.0

    def column(self, name: str) -> str:
        """Return the column that holds the canonical field `name`."""
        return self.fields.get(name, name)


class RowView:
    """A row seen through the field map."""

    def __init__(self, values: Mapping[str, Any], shape: Shape) -> None:
        self.values, self.shape = values, shape

    def get(self, name: str) -> Any:
        """Return a field as it stands; None if its column is missing."""
        return look_up(self.values, self.shape.column(name))

    def identity(self) -> str:
        """Return the row's own id; several columns joined by "+" in the field map make one id."""
        values = [look_up(self.values, column) for column in self.shape.column("id").split("+")]
        return "/".join(str(value) for value in values if isinstance(value, (str, int)) and value != "")

    def number(self, column: str) -> float:
        """Return a column as a number, also one that is written as text."""
        value = look_up(self.values, column)
        try:
            if isinstance(value, (int, float, str)) and not isinstance(value, bool):
                return float(value)
        except ValueError:
            pass
        raise BadRowError(f"column {column!r} holds no number")

    def language(self, text: str) -> str:
        """Return the language the row says it is in, else that of its path, else that of the source."""
        own, path = self.get("language"), self.get("path")
        found = known_language(own) if isinstance(own, str) else ""
        return found or (language_of(path, text) if isinstance(path, str) else "") or self.shape.language

    def text(self, name: str, default: str | None = None) -> str:
        """Return a field as text; numbers are written out, a missing or empty one is the default or an error."""
        value = self.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            if default is not None:
                return default
            column = self.shape.column(name)
            raise BadRowError(
                f"column {column!r} is {'empty' if value is not None or column in self.values else 'missing'}"
            )
        if not isinstance(value, str):
            raise BadRowError(f"column {self.shape.column(name)!r} holds a {type(value).__name__}, not text")
        if not value.strip() and default is None:
            raise BadRowError(f"column {self.shape.column(name)!r} is blank")
        return value


def look_up(values: Mapping[str, Any], column: str) -> Any:
    """Return a column; "meta.score" is `score` inside `meta`, which may be an object or one written as JSON."""
    if column in values or "." not in column:
        return values.get(column)
    head, _, rest = column.partition(".")
    inner = values.get(head)
    if isinstance(inner, str) and inner.startswith("{"):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            return None
    return look_up(inner, rest) if isinstance(inner, dict) else None

"""HTML that is escaped by default, and numbers as people read them.

Every string that is not `Markup` is escaped when it becomes a child or an attribute, so text of a corpus or a
model cannot turn into elements whatever it holds.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

NONE = "–"  # what a table shows for "nothing here"
_VOID = frozenset({"line", "circle", "rect", "path", "polyline", "input", "br", "col"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(value: Any) -> Markup:
    """Return `value` as HTML text: unchanged if it is `Markup`, escaped (quotes too) if not."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value), quote=True))


def tag(name: str, *children: Any, **attributes: Any) -> Markup:
    """Build one element. `class_` is written `class`, `_` in names becomes `-`; None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[Any]) -> Markup:
    """Concatenate, escaping what is not markup."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def table(
    headers: Sequence[str], rows: Sequence[Sequence[Any]], *, numeric: Iterable[int] = (), class_: str = ""
) -> Markup:
    """Build a table; the columns in `numeric` are set flush right in tabular figures."""
    right = set(numeric)

    def cell(kind: str, index: int, value: Any) -> Markup:
        return tag(kind, NONE if value is None else value, class_="n" if index in right else None)

    head = tag("tr", *(cell("th", index, header) for index, header in enumerate(headers)))
    body = [tag("tr", *(cell("td", index, value) for index, value in enumerate(row))) for row in rows]
    grid = tag("table", tag("thead", head), tag("tbody", *body), class_=class_ or None)
    return tag("div", grid, class_="scroll", tabindex="0")


def definitions(pairs: Iterable[tuple[str, Any]]) -> Markup:
    """Build a list of names and values; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value not in (None, "")]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in shown))


def missing(what: str) -> Markup:
    """Say that a part of the run is not there."""
    return tag("p", what, class_="missing")


def data_block(identifier: str, value: Any) -> Markup:
    """Embed JSON that no text inside can close: `<`, `>`, `&` and the line separators are written as escapes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{escape(identifier)}">{text}</script>')


def whole(value: Any) -> str:
    """Write a count in full: `1,319`."""
    return f"{round(value):,}" if isinstance(value, (int, float)) else NONE


def short(value: Any) -> str:
    """Write a count with three digits and a unit: `31.5B`, `208M`, `17.4k`."""
    if not isinstance(value, (int, float)):
        return NONE
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}" if abs(value) < 999.5 * size else f"{value / size:,.0f}{unit}"
    return f"{value:.4g}"


def percent(share: Any, places: int = 1) -> str:
    """Write a share as percent without the sign."""
    return f"{100 * share:.{places}f}" if isinstance(share, (int, float)) else NONE


def duration(seconds: Any) -> str:
    """Write a time span in the two units that matter."""
    if not isinstance(seconds, (int, float)):
        return NONE
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def energy(joules: Any) -> str:
    """Write an energy in Wh or kWh."""
    if not isinstance(joules, (int, float)):
        return NONE
    watt_hours = joules / 3600
    return f"{watt_hours / 1000:.3g} kWh" if watt_hours >= 1000 else f"{watt_hours:.3g} Wh"


def scalar(value: Any) -> str:
    """Write a recipe or environment value on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(scalar(item) for item in value) or NONE
    if isinstance(value, dict):
        return ", ".join(f"{key} {scalar(item)}" for key, item in value.items()) or NONE
    return NONE if value in (None, "") else str(value)

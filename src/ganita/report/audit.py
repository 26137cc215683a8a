"""The audit of the tokenizer on the page: a plot and tables of `audit.json`, if it was made of this tokenizer."""

from __future__ import annotations

from typing import Any

from ganita.errors import GanitaError
from ganita.report.charts import Bar, bar_groups
from ganita.report.gather import number
from ganita.report.markup import Markup, join, percent, table, tag, whole
from ganita.runs import Run
from ganita.storage import read_json

_AUDIT = "audit.json"
_OWN = "this run"


def read_audit(run: Run, fingerprint: Any) -> dict[str, Any]:
    """Return the contestants of the run's audit by name; empty if there is none, or it was of another tokenizer."""
    try:
        found = read_json(run.root / _AUDIT)
    except (GanitaError, OSError):
        return {}
    if not isinstance(found, dict) or found.get("tokenizer") != fingerprint:
        return {}
    entries = found.get("contestants")
    if not isinstance(entries, dict):
        return {}
    entries = {name: entry for name, entry in entries.items() if isinstance(entry, dict)}
    return entries if _kinds(entries.get(_OWN, {})) else {}


def _kinds(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    kinds = entry.get("kinds")
    if not isinstance(kinds, dict):
        return {}
    return {
        kind: found
        for kind, found in kinds.items()
        if isinstance(found, dict) and number(found.get("bytes_per_token")) is not None
    }


def audit_tables(entries: dict[str, Any]) -> Markup:
    """Return the plot of bytes per token by kind of text, the same as a table, and a table of the vocabularies."""
    kinds = {name: _kinds(entry) for name, entry in entries.items()}
    columns = list(kinds[_OWN])
    groups = []
    for kind in columns:
        measured = [(name, found[kind]["bytes_per_token"]) for name, found in kinds.items() if kind in found]
        groups.append((kind, [Bar(name, figure, own=name == _OWN) for name, figure in measured]))
    rows = [[name, *(_cell(found.get(kind)) for kind in columns)] for name, found in kinds.items()]
    about = [f"{name}: {entry['about']}" for name, entry in entries.items() if entry.get("about")]
    headers = (
        "",
        "Tokens",
        "Never used",
        "Under 10 uses",
        "LaTeX commands that are one token",
        "Uncut in text",
        "Eight digits",
    )
    return join([
        tag("h3", "Held-out bytes per token"),
        tag("figure", bar_groups("Bytes per token by kind of text", groups, lambda value: f"{value:.2f}"),
            class_="plot"),
        table(["", *columns], rows, numeric=range(1, len(columns) + 1)),
        tag("p", "In brackets: by how much this run takes more tokens than the other. Numbers: every run of digits in "
            "the held-out texts, by itself.", class_="note"),
        tag("h3", "Vocabulary"),
        table(headers, [_vocabulary(name, entry) for name, entry in entries.items()], numeric=(1, 2, 3, 4, 5)),
        tag("p", "Never used, and under 10 uses: learned tokens, on the sample that the tokenizer was trained on. "
            "Uncut: how often a common command in running text lies in one token.", class_="note"),
        tag("p", ". ".join(about), class_="note") if about else None,
    ])  # fmt: skip


def _cell(found: dict[str, Any] | None) -> Markup | None:
    if found is None:
        return None
    against = number(found.get("this_run_takes"))
    remark = tag("span", f" ({100 * against:+.1f} %)", class_="small") if against is not None else None
    return join([f"{found['bytes_per_token']:.2f}", remark])


def _vocabulary(name: str, entry: dict[str, Any]) -> list[Any]:
    uses, commands, numbers = (entry.get(key) for key in ("uses", "commands", "numbers"))
    uses = uses if isinstance(uses, dict) else {}
    commands = commands if isinstance(commands, dict) else {}
    last = numbers[-1] if isinstance(numbers, list) and numbers and isinstance(numbers[-1], dict) else {}
    rare, uncut = number(uses.get("rare_share")), number(commands.get("uncut_share"))
    return [
        tag("b", name),
        whole(entry.get("vocabulary_size")),
        whole(uses.get("dead")),
        None if rare is None else percent(rare) + " %",
        f"{whole(commands['whole'])} of {whole(commands.get('of'))}" if "whole" in commands else None,
        None if uncut is None else percent(uncut, 0) + " %",
        str(last["example"]) if "example" in last else None,
    ]

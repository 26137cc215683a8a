"""The data card of a run: what the model has read, where it came from, what was left out and why.

The corpus stage counts documents and characters at each step; the shards stage counts tokens of what was kept. The
tokens of the other steps are estimated from their characters at the characters per token of what was kept of the
same source, and marked with "about".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganita.report.gather import Findings, gather, number
from ganita.report.markup import Markup, join, missing, scalar, short, table, tag, whole
from ganita.runs import Run
from ganita.storage import write_text

CARD = "data-card.md"
_STEP_TITLES = {
    "read": "read, licence and score allow it",
    "select": "good enough: language, repetition, quality",
    "decontaminate": "free of benchmark items",
    "cut": "neither too short nor too long",
    "deduplicate": "said once: exact and near duplicates out",
}
_SOURCE_HEADERS = (
    "Source",
    "Licence",
    "Commercial use",
    "Documents in",
    "Kept to train on",
    "Held out",
    "Tokens",
    "From",
)
_STEP_HEADERS = ("After the step", "Documents", "Characters", "Tokens, about")
_LEDGER_HEADERS = ("Benchmark", "Items found", "Rule", "In source", "Hits", "Decision")


@dataclass(frozen=True)
class Step:
    """What is left of the corpus, or of one source, after a step. `tokens` is an estimate; None: no shards yet."""

    title: str
    documents: int
    characters: int
    tokens: float | None


def source_tokens(findings: Findings) -> dict[str, int]:
    """Return the tokens of each source in the shards, both splits; of the forms of a problem the longest counts."""
    streams = findings.stages["shards"].summary.get("streams")
    found: dict[str, int] = {}
    for name, card in sources(findings).items():
        per_split = []
        for entries in streams.values() if isinstance(streams, dict) else ():
            forms = [entry["tokens"] for stream, entry in entries.items() if _belongs(stream, name, card)]
            per_split.append(max(forms, default=0))
        if any(per_split):
            found[name] = sum(per_split)
    return found


def _belongs(stream: str, source: str, card: Mapping[str, Any]) -> bool:
    """Say whether a stream is of a source: `name`, or `name.form` for worked problems."""
    return stream == source or (card.get("kind") == "problem" and stream.rpartition(".")[0] == source)


def sources(findings: Findings) -> dict[str, dict[str, Any]]:
    """Return the cards of the sources; empty where the corpus stage has not finished."""
    found = findings.card.get("sources")
    return {name: card for name, card in found.items() if isinstance(card, dict)} if isinstance(found, dict) else {}


def steps(findings: Findings) -> list[Step]:
    """Return what is left after each step, over all sources."""
    tokens = source_tokens(findings)
    found = [_sum_step("in all", findings, tokens, lambda card: (card.get("documents_in"), card.get("characters_in")))]
    for step, title in _STEP_TITLES.items():
        found.append(_sum_step(title, findings, tokens, lambda card, step=step: _counts(card.get("steps"), step)))
    return found


def _counts(tree: Any, key: str) -> tuple[Any, Any]:
    entry = tree.get(key) if isinstance(tree, dict) else None
    return (entry.get("documents"), entry.get("characters")) if isinstance(entry, dict) else (None, None)


def _sum_step(title: str, findings: Findings, tokens: Mapping[str, int], counts: Any) -> Step:
    documents, characters, estimate = 0, 0, 0.0
    for name, card in sources(findings).items():
        num_documents, num_characters = (number(value) or 0 for value in counts(card))
        documents, characters = documents + int(num_documents), characters + int(num_characters)
        kept = sum(number(_counts(card.get("kept"), split)[1]) or 0 for split in ("train", "validation"))
        if kept and name in tokens:
            estimate += num_characters * tokens[name] / kept
    return Step(title, documents, characters, estimate if tokens else None)


def source_rows(findings: Findings) -> list[list[str]]:
    """Return one row per source: licence, what came in, what was kept."""
    tokens = source_tokens(findings)
    rows = []
    for name, card in sources(findings).items():
        train, held_out = (_counts(card.get("kept"), split)[0] for split in ("train", "validation"))
        rows.append([
            name,
            scalar(card.get("licence") or "not stated"),
            {True: "yes", False: "no"}.get(card.get("commercial_use"), "not stated"),  # type: ignore[arg-type]
            whole(card.get("documents_in")),
            whole(train),
            whole(held_out),
            short(tokens.get(name)),
            scalar(card.get("from")),
        ])  # fmt: skip
    return rows


def dropped_rows(findings: Findings) -> list[list[str]]:
    """Return (source, what was dropped and why, what else is to be said of it)."""
    rows = []
    for name, card in sources(findings).items():
        dropped = card.get("dropped") if isinstance(card.get("dropped"), dict) else {}
        reasons = [f"{count:,} {reason}" for reason, count in (dropped or {}).items() if count]
        notes = [f"{count:,} {note}" for note, count in (card.get("notes") or {}).items()]
        if card.get("paragraphs_cut"):
            notes.append(f"{card['paragraphs_cut']:,} paragraphs cut out of longer texts")
        if reasons or notes:
            rows.append([name, ", ".join(reasons) or "nothing", "; ".join(notes)])
    return rows


def ledger_rows(findings: Findings) -> list[list[str]]:
    """Return what of which benchmark was found in which source."""
    benchmarks = findings.card.get("benchmarks")
    hits = benchmarks.get("hits") if isinstance(benchmarks, dict) else None
    rows = hits if isinstance(hits, list) else []
    keys = ("set", "items", "rule", "source", "hits", "decision")
    return [[scalar(row.get(key)) for key in keys] for row in rows if isinstance(row, dict)]


def compared(findings: Findings) -> str:
    """Say which benchmarks the documents were compared with."""
    benchmarks = findings.card.get("benchmarks")
    if not isinstance(benchmarks, dict):
        return "The documents were not compared with any benchmark."
    names, absent = benchmarks.get("compared") or [], benchmarks.get("not_compared") or []
    said = (
        f"Compared with {scalar(names)} ({whole(benchmarks.get('items'))} items)." if names else "Compared with none."
    )
    return said + (f" Not at hand, so not compared: {scalar(absent)}." if absent else "")


def corpus_section(findings: Findings) -> Markup:
    """The section of the report: sources, steps, what was dropped, what the ledger holds."""
    if not sources(findings):
        return missing("There is no corpus card: the corpus stage has not finished.")
    parts = [
        table(_SOURCE_HEADERS, source_rows(findings), numeric=range(3, 7)),
        tag("h3", "Steps"),
        table(_STEP_HEADERS, _step_rows(findings), numeric=(1, 2, 3)),
    ]
    if rows := dropped_rows(findings):
        parts += [tag("h3", "Left out"), table(("Source", "Documents dropped", "Remarks"), rows)]
    parts += [tag("h3", "Benchmark items in the sources"), tag("p", compared(findings), class_="note")]
    if rows := ledger_rows(findings):
        parts.append(table(_LEDGER_HEADERS, rows, numeric=(1, 4)))
    return join(parts)


def _step_rows(findings: Findings) -> list[list[str]]:
    return [[step.title, whole(step.documents), short(step.characters), short(step.tokens)] for step in steps(findings)]


def write_data_card(run: Run) -> Path:
    """Write `data-card.md` into the run folder, atomically, and return its path.

    Raises `GanitaError` if `run` is no run folder or its corpus stage has not finished.
    """
    run.stage("corpus")
    path = run.root / CARD
    write_text(path, markdown(gather(run)))
    return path


def markdown(findings: Findings) -> str:
    """Return the data card as Markdown."""
    share = findings.card.get("validation_share")
    parts = [
        f"# Data card of {findings.recipe.name}",
        findings.recipe.description,
        "## Sources",
        _grid(_SOURCE_HEADERS, source_rows(findings)),
        "## Steps",
        "Tokens are counted for what was kept, and estimated from the characters before that.",
        _grid(_STEP_HEADERS, _step_rows(findings)),
        f"Held out by document hash: {100 * share:g} %." if isinstance(share, (int, float)) else "",
        "## Left out",
        _grid(("Source", "Documents dropped", "Remarks"), dropped_rows(findings)) or "Nothing.",
        "## Benchmark items in the sources",
        compared(findings),
        _grid(_LEDGER_HEADERS, ledger_rows(findings)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _grid(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    if not body:
        return ""
    return "\n".join(["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers), *body])

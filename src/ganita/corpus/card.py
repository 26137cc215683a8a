"""The data card: per source, what went in, what was kept, what was dropped and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ganita.corpus.readers import BadLine

SPLITS = ("train", "validation")
REASONS = ("unreadable", "duplicate", "benchmark overlap", "short", "long")
MAX_REJECTED = 100  # bad lines listed per source


@dataclass
class SourceCard:
    """Counts of one source, filled while it is read."""

    name: str
    kind: str
    licence: str
    origin: str
    documents_in: int = 0
    characters_in: int = 0
    with_equations: int = 0
    paragraphs_cut: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    rejected: list[BadLine] = field(default_factory=list)

    def reject(self, line: BadLine) -> None:
        """Count an unreadable line, and remember it if it is one of the first."""
        self.dropped["unreadable"] += 1
        if len(self.rejected) < MAX_REJECTED:
            self.rejected.append(line)

    def keep(self, split: str, characters: int) -> None:
        """Count a document that was written."""
        self.documents[split] += 1
        self.characters[split] += characters

    @property
    def bad_share(self) -> float:
        """Share of unreadable lines among all lines read so far."""
        bad = self.dropped["unreadable"]
        return bad / max(1, bad + self.documents_in)

    def to_json(self) -> dict[str, Any]:
        """Return the card as JSON; equal inputs give equal bytes, so no time is in it."""
        return {
            "kind": self.kind,
            "licence": self.licence,
            "from": self.origin,
            "documents_in": self.documents_in,
            "characters_in": self.characters_in,
            "kept": {
                split: {"documents": self.documents[split], "characters": self.characters[split]} for split in SPLITS
            },
            "dropped": {reason: self.dropped[reason] for reason in REASONS},
            "paragraphs_cut": self.paragraphs_cut,
            "problems_with_equations": self.with_equations,
        }


def totals(cards: list[SourceCard]) -> dict[str, Any]:
    """Sum the kept documents and characters, and the dropped documents, over all sources."""
    dropped: Counter[str] = Counter()
    for card in cards:
        dropped.update(card.dropped)
    return {
        "documents": {split: sum(card.documents[split] for card in cards) for split in SPLITS},
        "characters": {split: sum(card.characters[split] for card in cards) for split in SPLITS},
        "dropped": {reason: dropped[reason] for reason in REASONS},
    }

"""Which public sets of a recipe are at hand and which are not: what a plan says before anything is downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from ganita.corpus.registry import hub, sets
from ganita.corpus.registry.sets import PublicSet
from ganita.recipe import Corpus


@dataclass
class Supply:
    """The sets that are not at hand: on the hub, or nowhere this machine could look (optional ones apart)."""

    to_download: list[PublicSet] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield the lines of a plan: what, value, reason."""
        if self.to_download:
            known = sum(entry.bytes for entry in self.to_download)
            more = " and more" * any(not entry.bytes for entry in self.to_download)
            names = ", ".join(_named(entry) for entry in self.to_download)
            size = f": {known / 1e9:.1f} GB{more}" if known else ""
            yield "to download", _count(len(self.to_download)) + size, f"{names}; from {hub.endpoint()}"
        data = f"GANITA_DATA ({os.environ.get('GANITA_DATA') or 'not set'})"
        if self.left_out:
            names = ", ".join(self.left_out)
            yield "left out", _count(len(self.left_out)), f"{names}: optional, not under {data} nor on the hub"
        if self.missing:
            names = ", ".join(self.missing)
            yield (
                "missing",
                _count(len(self.missing)),
                f"{names}: not under {data} nor on the hub; nothing runs without",
            )


def supply(corpus: Corpus) -> Supply:
    """Look for every set of the sources, and for the benchmarks they are compared with; no network is touched."""
    found, seen = Supply(), set[str]()
    for name, optional in _wanted(corpus):
        if name in seen or sets.at_hand(name):
            continue
        seen.add(name)
        entry = sets.find(name)
        if entry.hub:
            found.to_download.append(entry)
        else:
            (found.left_out if optional else found.missing).append(name)
    return found


def _wanted(corpus: Corpus) -> Iterator[tuple[str, bool]]:
    """Yield (set, whether the run goes on without it), as the corpus stage will ask for them."""
    public = [source for source in corpus.sources if source.set or source.variants]
    for source in public:
        name = source.set or source.variants
        if not corpus.commercial_only or sets.find(name).commercial:
            yield name, source.optional
    # Generated problems and files of one's own are compared with what is at hand; only public sets insist.
    if public:
        yield from ((name, False) for name in corpus.decontaminate)
        yield from ((name, True) for name in corpus.decontaminate_if_found)


def _named(entry: PublicSet) -> str:
    size = f" {entry.bytes / 1e9:.1f} GB" if entry.bytes >= 5e7 else ""
    return f"{entry.id}{size}{' (gated: its terms and HF_TOKEN)' if entry.gated else ''}"


def _count(number: int) -> str:
    return f"{number} set{'s' * (number > 1)}"

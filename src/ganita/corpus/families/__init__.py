"""Procedural word problems: families are data, the engine is small.

A *family* is a situation with a web of relations of its own, written by hand in one of the `*.toml` files of this
folder (one file a topic). The engine draws numbers, names and one of the wordings, computes the steps, and has the
calculator recompute every one. To add a family, add a table like this one to a file and run `Library.check`:

    [[family]]
    id = "packs-and-change"
    topic = "money"
    difficulty = 2                                        # 1 (one step) to 5
    numbers = { packs = "2..9", price = "3..12", paid = [50, 100] }
    conditions = ["packs*price < paid"]                   # drawn again until all hold
    slots = { p = "person", item = "toy" }                # pools of pools.toml
    steps = [
      { name = "cost", expr = "packs*price", say = "The {item.s} cost {#} = ${=}." },
      { name = "change", expr = "paid-cost", say = "{p} gets {#} = ${=} back." },
    ]
    wordings = [                                          # at least 4, for training
      "{p} [buys|picks up] {packs:item} at ${price} each and pays with ${paid}. How much change does {p.he} get?",
      ...
    ]
    held-out = [ ... ]                                    # at least 1, never used for training

Numbers: `"2..9"`, `"10..90 by 10"`, `[5, 10]`, bounds and `"= expressions"` may use the numbers before them. Results of
steps are whole and positive unless the step says `decimals = 2`; a draw that breaks this is drawn again. The answer is
the result of the last step. Every wording must tell every number that a step uses; others are named in `distractors`.
The language of the sentences is described in `template.py`, a longer guide is docs/families.md.

The splits share no wording, no name or object, and no number tuple: one tuple in ten, chosen by a hash of family and
numbers, belongs to "held-out" alone.

    expressions.py   arithmetic and conditions, compiled once
    english.py       plurals, articles, number words, pronouns
    template.py      sentences with holes and alternatives
    family.py        one family: draw, fill, tell
    entries.py       which families there are, by their headings
    loading.py       TOML to families, mistakes in one line
    extras.py        the optional keys: independent checks, and what joins a family with others
    compose.py       two or three families told as one problem
    library.py       the stream, the fingerprint
    faults.py        what is wrong with a problem: marks, answer, language
    checking.py      every wording of every family, over processes
    skeletons.py     operation graphs up to renaming
    similar.py       families and wordings that repeat each other
    stats.py         variety, beside a set of human problems
    pools.toml       names, objects and places
    *.toml           the families of the collection `core`, by topic
    plain/*.toml     those of `plain`: everyday problems of one or two steps, told in many ways
    stories/*.toml   those of `stories`: longer tales, two to eight steps, a web of relations each
"""

from __future__ import annotations

import functools
from pathlib import Path

from ganita.corpus.families.entries import read_entries
from ganita.corpus.families.library import Library
from ganita.corpus.families.loading import POOLS_FILE

__all__ = ["COLLECTIONS", "Library", "cached_library", "library", "open_library", "read_library"]

FOLDER = Path(__file__).parent
COLLECTIONS = {"core": FOLDER, "plain": FOLDER / "plain", "stories": FOLDER / "stories"}


def library(collection: str = "core") -> Library:
    """Return a collection that comes with the package; each family is read when it is first drawn from."""
    return cached_library(COLLECTIONS[collection])


@functools.lru_cache(maxsize=4)
def cached_library(folder: Path) -> Library:
    """Return the families of a folder, the same object each time: for a process that draws from it again and again."""
    return open_library(folder)


def read_library(folder: Path) -> Library:
    """Return the families of a folder of one's own, read in full; without a `pools.toml` there, the package's serve.

    Raises `GanitaError` for a malformed file.
    """
    opened = open_library(folder)
    _ = opened.families  # mistakes are found now, not at some problem of the stream
    return opened


def open_library(folder: Path) -> Library:
    """Return the families of a folder as it is now, each read when it is first drawn from."""
    own_pools = (folder / POOLS_FILE).exists()
    files = {*folder.glob("*.toml"), *FOLDER.glob("*.py"), *([] if own_pools else [FOLDER / POOLS_FILE])}
    return Library(read_entries(folder, FOLDER / POOLS_FILE), files)

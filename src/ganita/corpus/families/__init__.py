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
    wordings = [                                          # at least 6, for training
      "{p} [buys|picks up] {packs:item} at ${price} each and pays with ${paid}. How much change does {p.he} get?",
      ...
    ]
    held-out = [ ... ]                                    # at least 2, never used for training

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
    loading.py       TOML to families, mistakes in one line
    library.py       the stream, the check, the fingerprint
    pools.toml       names, objects and places
    *.toml           the families, by topic
"""

from __future__ import annotations

import functools
from pathlib import Path

from ganita.corpus.families.library import Library
from ganita.corpus.families.loading import POOLS_FILE, read_families, read_pools

__all__ = ["Library", "library", "read_library"]

_HERE = Path(__file__).parent


@functools.lru_cache(maxsize=1)
def library() -> Library:
    """Return the library that comes with the package (compiled once per process)."""
    return read_library(_HERE)


def read_library(folder: Path) -> Library:
    """Return the families of a folder of one's own; without a `pools.toml` there, the package's pools serve.

    Raises `GanitaError` for a malformed file.
    """
    pools = None if (folder / POOLS_FILE).exists() else read_pools(_HERE / POOLS_FILE)
    files = {*folder.glob("*.toml"), *_HERE.glob("*.py"), *([] if pools is None else [_HERE / POOLS_FILE])}
    return Library(read_families(folder, pools), files)

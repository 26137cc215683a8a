"""All families together: the stream of problems, and the check of every wording."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ganita.corpus.document import Problem
from ganita.corpus.families.family import SPLITS, Family, calculate_cached
from ganita.errors import GanitaError, nearest
from ganita.storage import fingerprint, sha256_file

_MARK = re.compile(r"<<([^<>=]+)=([^<>=]+)>>(\S*)")
# What a badly filled sentence looks like.
_BLEMISHES = (
    r"[{}\[\]|]|  |None",  # a hole, doubled spaces
    r"\s[.,?!]|[.?!][A-Za-z]",  # a space on the wrong side of a stop
    r"\b(a|an|the|of|is|has|and|for|to|in) \1\b",  # the the
    r"(?<![\d.,/])(?<!day )(?<![Rr]ow )1 (?!(?:is|was|has)\b)[a-z]+s\b",  # 1 apples
    r"\b[Aa] [aeio]\w+|\b[Aa]n [b-df-gj-np-tv-z]\w+",  # a apple, an pear
)
_BLEMISH = re.compile("|".join(_BLEMISHES))
# In questions alone: a mark shows what the calculator shows, which is 7.5 for $7.50.
_SHORT_CENTS = re.compile(r"\$\d+\.\d(?!\d)")


class Library:
    """An ordered collection of families."""

    def __init__(self, families: Sequence[Family], files: Iterable[Path] = ()) -> None:
        self.families = tuple(families)
        self._files = sorted(files)
        self._by_id = {family.id: family for family in self.families}

    def __len__(self) -> int:
        return len(self.families)

    def __getitem__(self, family_id: str) -> Family:
        """Return one family. Raises `GanitaError` for an unknown id."""
        if family_id not in self._by_id:
            raise GanitaError(f"no problem family {family_id!r}{nearest(family_id, self._by_id)}")
        return self._by_id[family_id]

    @property
    def num_wordings(self) -> int:
        """Number of wordings over all families and both splits, alternatives not counted."""
        return sum(len(family.wordings[split]) for family in self.families for split in SPLITS)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the family files and the engine: equal fingerprints give equal streams."""
        return fingerprint({path.name: sha256_file(path) for path in self._files})

    def only(self, *, topic: str = "", difficulty: int = 0) -> Library:
        """Return the part of the library that has this topic and difficulty. Raises `GanitaError` if nothing has."""
        chosen = [
            family
            for family in self.families
            if (not topic or family.topic == topic) and (not difficulty or family.difficulty == difficulty)
        ]
        if not chosen:
            topics = sorted({family.topic for family in self.families})
            raise GanitaError(f"no family of topic {topic!r}, difficulty {difficulty}; topics are {', '.join(topics)}")
        return Library(chosen, self._files)

    def problem(self, index: int, seed: int, split: str) -> Problem:
        """Return item `index` of the stream: a function of (seed, split, index) and nothing else."""
        # Seeding with a text goes through SHA-512, the same on every machine and in every process.
        rng = random.Random(f"{split}/{seed}/{index}")  # noqa: S311 - no secrets are made here
        family = self.families[int(rng.random() * len(self.families))]
        return family.problem(rng, split, f"{split}-{seed}-{index}")

    def generate(self, count: int, seed: int, split: str, start: int = 0) -> Iterator[Problem]:
        """Yield items start..start+count-1 of the stream of `split` ("train" or "held-out")."""
        if split not in SPLITS:
            raise GanitaError(f"split {split!r}: must be one of {', '.join(SPLITS)}")
        for index in range(start, start + count):
            yield self.problem(index, seed, split)

    def check(self, draws: int, seed: int = 0) -> list[str]:
        """Draw every wording of every family `draws` times; return one line per kind of fault found (none: empty)."""
        faults: dict[str, str] = {}
        for family in self.families:
            for split in SPLITS:
                for wording in range(len(family.wordings[split])):
                    for draw in range(draws):
                        rng = random.Random(f"check/{seed}/{family.id}/{split}/{wording}/{draw}")  # noqa: S311
                        for fault in _check_one(family, rng, split, wording):
                            kind = fault.split(":")[0]
                            faults.setdefault(f"{family.where}: {split} wording {wording}: {kind}", fault)
        return [f"{place}: {fault}" for place, fault in faults.items()]


def _check_one(family: Family, rng: random.Random, split: str, wording: int) -> list[str]:
    try:
        problem = family.problem(rng, split, "check", wording)
    except GanitaError as error:
        return [str(error)]
    return problem_faults(problem)


def problem_faults(problem: Problem) -> list[str]:
    """Return what is wrong with one problem: marks, answer, and sentences that were filled badly."""
    faults = []
    result = ""
    for step in problem.steps:
        marks = _MARK.findall(step)
        if len(marks) != 1:
            faults.append(f"marks: {step!r} has {len(marks)}")
            continue
        arithmetic, result, shown = marks[0]
        if calculate_cached(arithmetic) != result or not shown.startswith(result):
            faults.append(f"arithmetic: {step!r}")
    if result != problem.answer:
        faults.append(f"answer: {problem.answer!r} is not the last result {result!r}")
    if result.startswith("-") or result == "0":
        faults.append(f"answer: {result} is not positive")
    for text in (problem.question, *(_MARK.sub(r"\2", step) for step in problem.steps)):
        if match := _BLEMISH.search(text):
            faults.append(f"language: {match.group()!r} in {text!r}")
    if match := _SHORT_CENTS.search(problem.question):
        faults.append(f"language: {match.group()!r} for an amount of money; write {{name.money}}")
    if problem.question.count("?") > 1 or not problem.question.rstrip().endswith(("?", ".")):
        faults.append(f"language: no single question in {problem.question!r}")
    return faults

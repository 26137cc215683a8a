"""The stream of variants of a set of problems, what became of each problem, and the check of a variant."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ganita.arithmetic import calculate, parse_number
from ganita.corpus.clean import normalise_problem, split_key
from ganita.corpus.document import MARK, Problem
from ganita.corpus.faulty import fault_of
from ganita.corpus.hashes import hash64
from ganita.corpus.variants.asking import other_questions
from ganita.corpus.variants.distracting import distracted
from ganita.corpus.variants.linking import RefusedError
from ganita.corpus.variants.merging import Merger
from ganita.corpus.variants.rewording import reworded
from ganita.corpus.variants.template import Template

Change = Callable[[Problem, random.Random], Problem | None]
_PROBES = 3
_MAX_BARREN = 8  # variants in a row that nothing could be made of
_REWORDED_SHARE = 0.5
# What a badly filled sentence looks like.
_BLEMISH = re.compile(
    r"(?<![\d.,/])\b(?:a|an) (?:an?|the)\b|\b[Aa] (?:8|11|18|eight|eleven|eighteen)\b|\b(\d+) \1\b apiece"
)


class Variants:
    """The problems of a set that can be varied, compiled, and why the others cannot."""

    def __init__(self, problems: Iterable[Problem], kinds: Sequence[str] = ("numbers",)) -> None:
        """Compile every problem; those that cannot be varied are counted by reason in `refused`."""
        self.templates: list[Template] = []
        self.origins: list[str] = []
        self.refused: Counter[str] = Counter()
        self.kinds = tuple(kinds)
        self.asked: list[tuple[Template, str]] = []  # problems that ask for another quantity, with their origin
        for problem in problems:
            # The hash that decides between training and validation, taken as the corpus stage takes it.
            if fault := fault_of(problem, varied=True):
                self.refused[f"read and found faulty: {fault}"] += 1
                continue
            normal = normalise_problem(problem)
            origin = f"{hash64(split_key(normal)):016x}"
            try:
                self.templates.append(Template(normal))
                self.origins.append(origin)
            except RefusedError as reason:
                self.refused[str(reason)] += 1
            if "asked" in self.kinds:
                self.asked += ((template, origin) for template in _asking(normal))

    def __len__(self) -> int:
        return len(self.templates)

    def generate(self, count: int, seed: int) -> Iterator[Problem]:
        """Yield `count` variants, as many of each kind; kind by kind, as even over the problems as their numbers allow.

        Variant k of a problem is a function of (seed, kind, problem, k): a larger count goes on where a smaller one
        ended. A problem with fewer different number tuples than its share gives those it has.
        """
        share, more = divmod(count, len(self.kinds))
        for place, kind in enumerate(self.kinds):
            yield from self._of_kind(kind, share + (place < more), seed)

    def _of_kind(self, kind: str, count: int, seed: int) -> Iterator[Problem]:
        if kind == "merged":
            merged = Merger(self.templates, self.origins).generate(seed)
            kept = (made for problem in merged if (made := self._finished(problem)) is not None)
            yield from itertools.islice(kept, count)
            return
        streams = self._streams(kind, seed)
        if streams:
            share, more = divmod(count, len(streams))
            for number, stream in enumerate(streams):
                yield from itertools.islice(stream, share + (number < more))

    def _streams(self, kind: str, seed: int) -> list[Iterator[Problem]]:
        """Return for every problem that has variants of this kind their stream."""
        if kind == "numbers":
            return [self.of_template(number, seed) for number in range(len(self.templates))]
        if kind == "asked":
            return [self._stream(kind, template, origin, seed, None) for template, origin in self.asked]
        change = {"reworded": reworded, "distractor": distracted}[kind]
        return [
            self._stream(kind, template, origin, seed, change)
            for template, origin in zip(self.templates, self.origins, strict=True)
            if any(change(template.problem, random.Random(probe)) for probe in range(_PROBES))  # noqa: S311
        ]

    def of_template(self, number: int, seed: int, *, rename: bool = True) -> Iterator[Problem]:
        """Yield the number variants of one problem in order; without `rename` the people keep their names."""
        template, origin = self.templates[number], self.origins[number]
        stem = f"{seed}/{template.problem.id}"
        for k, values in enumerate(template.search.draws(stem)):
            # Seeding with a text goes through SHA-512, the same on every machine and in every process.
            rng = random.Random(f"{stem}/{k}")  # noqa: S311 - no secrets are made here
            names = None if rename else template.cast.names
            yield template.fill(values, rng, f"{template.problem.id}/variant-{seed}-{k}", origin, names)

    def _stream(
        self, kind: str, template: Template, origin: str, seed: int, change: Change | None
    ) -> Iterator[Problem]:
        """Yield number variants of one problem that are changed besides; those that cannot be are left out."""
        stem, barren = f"{seed}/{kind}/{template.problem.id}", 0
        for k, values in enumerate(template.search.draws(stem)):
            rng = random.Random(f"{stem}/{k}")  # noqa: S311 - no secrets are made here
            filled = template.fill(values, rng, f"{template.problem.id}/{kind}-{seed}-{k}", origin)
            changed = change(filled, rng) if change is not None else filled
            made = self._finished(changed) if changed is not None else None
            barren = barren + 1 if made is None else 0
            if made is not None:
                yield made
            elif barren == _MAX_BARREN:
                return

    def _finished(self, problem: Problem) -> Problem | None:
        """Reword half of the problems of the other kinds, where rewording is asked for; None for a faulty problem."""
        if "reworded" in self.kinds and self.kind_of(problem) != "reworded":
            rng = random.Random(f"reworded/{problem.id}")  # noqa: S311 - no secrets are made here
            problem = (reworded(problem, rng) if rng.random() < _REWORDED_SHARE else None) or problem
        return None if faults(problem) else problem

    @staticmethod
    def kind_of(problem: Problem) -> str:
        """Return the kind of a variant, which its id ends in."""
        kind = problem.id.rpartition("/")[2].partition("-")[0]
        return "numbers" if kind == "variant" else kind


def _asking(problem: Problem) -> Iterator[Template]:
    """Yield the templates of the problems that ask for another quantity; a problem that is not understood has none."""
    with contextlib.suppress(RefusedError):
        for other in other_questions(problem):
            with contextlib.suppress(RefusedError):
                yield Template(other)


def faults(problem: Problem) -> list[str]:
    """Return what is wrong with a variant: marks that the calculator denies, another answer, blemishes of language."""
    found, result = [], ""
    for step in problem.steps:
        for match in MARK.finditer(step):
            left, _, result = match.group()[2:-2].rpartition("=")
            if calculate(left) != result:
                found.append(f"arithmetic: {match.group()}")
            shown = re.match(r"\$?([\d,]*\.?\d+)", step[match.end() :])
            if shown and parse_number(shown[1]) != parse_number(result):
                found.append(f"arithmetic: {match.group()} is followed by {shown[1]}")
    if result != problem.answer:
        found.append(f"answer: {problem.answer} is not the last result {result}")
    for text in (problem.question, *problem.steps):
        if blemish := _BLEMISH.search(MARK.sub("", text)):
            found.append(f"language: {blemish.group()!r}")
    return found

"""One family: a situation, its numbers, its steps and its wordings; and how a problem is drawn from it."""

from __future__ import annotations

import functools
import hashlib
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ganita.arithmetic import calculate
from ganita.corpus.document import Problem
from ganita.corpus.families.english import Noun, Person
from ganita.corpus.families.expressions import Expression, Number, show, tidy
from ganita.corpus.families.template import Template
from ganita.errors import GanitaError

SPLITS = ("train", "held-out")
MAX_DRAWS = 50_000
# One number tuple in ten belongs to the held-out split and to nothing else.
HELD_OUT_SHARE = 10
# A number that comes from another family may be so many times the largest that would be drawn; and so the results.
STRETCH = 4
_USUAL_DRAWS = 40
_NOTHING: Mapping[str, Number] = {}


@dataclass(frozen=True)
class Pool:
    """Words that can stand in a slot; the two splits share none."""

    name: str
    kind: str
    words: Mapping[str, tuple[Noun | Person, ...]]


@dataclass(frozen=True)
class NumberRule:
    """How one number is drawn: from `choices`, from low..high by `step`, or computed from the ones before it."""

    name: str
    choices: tuple[Number, ...] = ()
    low: Expression | None = None
    high: Expression | None = None
    step: int = 1
    formula: Expression | None = None

    def draw(self, rng: random.Random, values: Mapping[str, Any]) -> Number | None:
        """Return a value, or None where the range is empty for the numbers drawn so far."""
        if self.choices:
            return self.choices[int(rng.random() * len(self.choices))]
        if self.formula is not None:
            return tidy(self.formula.call(values))
        assert self.low is not None
        assert self.high is not None
        low, high = -(-self.low.call(values) // 1), self.high.call(values) // 1
        if high < low:
            return None
        return int(low) + self.step * int(rng.random() * ((high - low) // self.step + 1))

    def accept(self, value: Number, values: Mapping[str, Any]) -> Number | None:
        """Return a value that comes from elsewhere, None where it is out of all proportion to what would be drawn."""
        if self.choices:
            largest = max(self.choices)
        elif self.formula is not None:  # drawn so that things come out even: the steps will say if they do
            return value
        else:
            assert self.high is not None
            largest = self.high.call(values)
        return value if 2 <= value <= STRETCH * largest else None

    def every(self, values: Mapping[str, Any]) -> Iterable[Number]:
        """Return all values that can be drawn."""
        if self.choices:
            return self.choices
        if self.formula is not None:
            return (tidy(self.formula.call(values)),)
        assert self.low is not None
        assert self.high is not None
        return range(math.ceil(self.low.call(values)), math.floor(self.high.call(values)) + 1, self.step)


@dataclass(frozen=True)
class Step:
    """One line of the solution: the arithmetic, how many decimals its result may have, and how it is told."""

    name: str
    expression: Expression
    decimals: int
    say: Template


@dataclass(frozen=True)
class Search:
    """The answer by brute force: all values of `ranges` that meet `where`, then count, or a figure over `of`."""

    ranges: tuple[NumberRule, ...]
    where: tuple[Expression, ...]
    give: str  # count, sum, least, greatest
    of: Expression | None = None


@dataclass(frozen=True)
class Gives:
    """What the answer is: a kind, the thing it counts (a fixed noun or a slot), how a sentence refers to it."""

    kind: str
    noun: str  # singular of a fixed noun, or the name of a slot
    pool: str  # pool of that slot, empty for a fixed noun
    tell: Template
    stories: tuple[Template, ...]  # the situation told without its question


@dataclass(frozen=True)
class Takes:
    """A number that may be the answer of another family, and the questions that go on with it."""

    number: str
    kind: str
    noun: str
    pools: tuple[str, ...]  # pools of the slot `noun`; empty: `noun` is fixed
    wordings: tuple[Template, ...]
    stories: tuple[Template, ...]


@dataclass(frozen=True)
class Family:
    """A situation with a web of relations of its own, compiled from its TOML table."""

    id: str
    topic: str
    difficulty: int
    numbers: tuple[NumberRule, ...]
    conditions: tuple[Expression, ...]
    slots: tuple[tuple[str, Pool], ...]
    steps: tuple[Step, ...]
    wordings: Mapping[str, tuple[Template, ...]]
    where: str
    check: tuple[Expression, ...] = ()  # independent formulas of the answer, or equations that it solves
    search: Search | None = None  # the answer by trying all possibilities
    gives: Gives | None = None  # what the answer is, for a family that goes on with it
    takes: tuple[Takes, ...] = ()  # what the family can go on with

    def problem(self, rng: random.Random, split: str, problem_id: str, wording: int | None = None) -> Problem:
        """Draw one problem; `wording` picks a wording by index instead of at random.

        Raises `GanitaError` if no number tuple meets the conditions, or if a step does not recompute.
        """
        values = self.draw(rng, split)
        self.fill_slots(rng, split, values)
        templates = self.wordings[split]
        template = templates[int(rng.random() * len(templates)) if wording is None else wording]
        question = template.render(values, rng)
        return Problem(problem_id, "families", question, self.tell(values, rng), self.answer(values), family=self.id)

    def tell(self, values: dict[str, Any], rng: random.Random) -> tuple[str, ...]:
        """Return the lines of the solution. Raises `GanitaError` if a step does not recompute."""
        return tuple([self._tell(step, values, rng) for step in self.steps])

    def answer(self, values: Mapping[str, Any]) -> str:
        """Return the result of the last step as the calculator writes it."""
        return show(values[self.steps[-1].name])

    def draw(self, rng: random.Random, split: str) -> dict[str, Any]:
        """Return the numbers and the results of the steps, by rejection."""
        for _ in range(MAX_DRAWS):
            values: dict[str, Any] = {}
            try:
                # The hash comes last: it costs more than the steps, and most draws fail before it.
                if self._try_numbers(rng, values) and self._try_steps(values) and self.split_of(values) == split:
                    return values
            except ZeroDivisionError:
                continue
        raise GanitaError(
            f"{self.where}: no {split} numbers met the conditions in {MAX_DRAWS} draws: widen numbers or conditions"
        )

    def draw_with(self, given: Mapping[str, Number], rng: random.Random, split: str) -> dict[str, Any] | None:
        """Try once to draw with some numbers given; None where the rest does not go with them."""
        values: dict[str, Any] = {}
        try:
            fits = self._try_numbers(rng, values, given) and self._try_steps(values) and self.split_of(values) == split
        except ZeroDivisionError:
            return None
        return values if fits else None

    @functools.cached_property
    def usual(self) -> Mapping[str, tuple[Number, Number]]:
        """The smallest and the largest value of every number and result in forty draws of its own."""
        rng = random.Random(f"usual/{self.id}")  # noqa: S311 - no secrets are made here
        draws = [self.draw(rng, "train") for _ in range(_USUAL_DRAWS)]
        return {name: (min(d[name] for d in draws), max(d[name] for d in draws)) for name in draws[0]}

    def in_proportion(self, values: Mapping[str, Any], taken: str) -> bool:
        """Say if a number from elsewhere and the results it leads to are such as the family has: no 900 tubs of yogurt.

        A result of 1 where there never is one would be told in the plural.
        """
        for name in (taken, *(step.name for step in self.steps)):
            low, high = self.usual[name]
            value = values[name]
            if value * STRETCH < low or value > high * STRETCH or value == 1 < low:
                return False
        return True

    def _try_numbers(self, rng: random.Random, values: dict[str, Any], given: Mapping[str, Number] = _NOTHING) -> bool:
        for rule in self.numbers:
            value = rule.accept(given[rule.name], values) if rule.name in given else rule.draw(rng, values)
            # The calculator writes at most 4 decimals: a number it would round cannot stand in a question.
            if value is None or value < 0 or (type(value) is not int and 10_000 % value.denominator):
                return False
            values[rule.name] = value
        for condition in self.conditions:  # noqa: SIM110 - a generator costs as much as the condition itself
            if not condition.call(values):
                return False
        return True

    def _try_steps(self, values: dict[str, Any]) -> bool:
        for step in self.steps:
            value = tidy(step.expression.call(values))
            if value <= 0 or (type(value) is not int and 10**step.decimals % value.denominator):
                return False
            values[step.name] = value
        return True

    def split_of(self, values: Mapping[str, Any]) -> str:
        """Say which split owns this number tuple: decided by a hash of family and numbers, whatever the seed."""
        key = f"{self.id}|{','.join([show(values[rule.name]) for rule in self.numbers])}"
        digest = hashlib.blake2b(key.encode(), digest_size=4).digest()
        return "train" if int.from_bytes(digest, "little") % HELD_OUT_SHARE else "held-out"

    def fill_slots(self, rng: random.Random, split: str, values: dict[str, Any]) -> None:
        """Give every slot without a word one; slots of one pool get different ones."""
        used: list[Noun | Person] = [values[name] for name, _ in self.slots if name in values]
        for name, pool in self.slots:
            if name in values:
                continue
            words = pool.words[split]
            word = words[int(rng.random() * len(words))]
            while word in used:
                word = words[int(rng.random() * len(words))]
            used.append(word)
            values[name] = word

    def _tell(self, step: Step, values: dict[str, Any], rng: random.Random) -> str:
        """Write one line of the solution, its mark recomputed by the calculator from the text of the mark."""
        arithmetic, result = step.expression.written_out(values), show(values[step.name])
        judged = calculate_cached(arithmetic)
        if judged != result:
            raise GanitaError(
                f"{self.where}: step {step.name!r}: the calculator gives {judged} for {arithmetic}, not {result}: "
                "use fewer decimals"
            )
        values["#"], values["="] = arithmetic, f"<<{arithmetic}={result}>>{result}"
        return step.say.render(values, rng)


@functools.lru_cache(maxsize=1 << 16)
def calculate_cached(arithmetic: str) -> str | None:
    """Return what the calculator gives; grade-school arithmetic repeats itself, so this pays."""
    return calculate(arithmetic)

"""One family: a situation, its numbers, its steps and its wordings; and how a problem is drawn from it."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ganita.arithmetic import calculate
from ganita.corpus.document import Problem
from ganita.corpus.families.english import Noun, Person
from ganita.corpus.families.expressions import Expression, Number, show, tidy
from ganita.corpus.families.template import Template
from ganita.errors import GanitaError

SPLITS = ("train", "held-out")
MAX_DRAWS = 5_000
# One number tuple in ten belongs to the held-out split and to nothing else.
HELD_OUT_SHARE = 10


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


@dataclass(frozen=True)
class Step:
    """One line of the solution: the arithmetic, how many decimals its result may have, and how it is told."""

    name: str
    expression: Expression
    decimals: int
    say: Template


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

    def problem(self, rng: random.Random, split: str, problem_id: str, wording: int | None = None) -> Problem:
        """Draw one problem; `wording` picks a wording by index instead of at random.

        Raises `GanitaError` if no number tuple meets the conditions, or if a step does not recompute.
        """
        values = self._draw(rng, split)
        self._fill_slots(rng, split, values)
        templates = self.wordings[split]
        template = templates[int(rng.random() * len(templates)) if wording is None else wording]
        question = template.render(values, rng)
        steps = tuple(self._tell(step, values, rng) for step in self.steps)
        answer = show(values[self.steps[-1].name])
        return Problem(problem_id, "families", question, steps, answer, family=self.id)

    def _draw(self, rng: random.Random, split: str) -> dict[str, Any]:
        """Return the numbers and the results of the steps, by rejection."""
        for _ in range(MAX_DRAWS):
            values: dict[str, Any] = {}
            try:
                if self._try_numbers(rng, values) and self.split_of(values) == split and self._try_steps(values):
                    return values
            except ZeroDivisionError:
                continue
        raise GanitaError(
            f"{self.where}: no {split} numbers met the conditions in {MAX_DRAWS} draws: widen numbers or conditions"
        )

    def _try_numbers(self, rng: random.Random, values: dict[str, Any]) -> bool:
        for rule in self.numbers:
            value = rule.draw(rng, values)
            # The calculator writes at most 4 decimals: a number it would round cannot stand in a question.
            if value is None or value < 0 or (type(value) is not int and 10_000 % Fraction(value).denominator):
                return False
            values[rule.name] = value
        return all(condition.call(values) for condition in self.conditions)

    def _try_steps(self, values: dict[str, Any]) -> bool:
        for step in self.steps:
            value = tidy(step.expression.call(values))
            if value <= 0 or (type(value) is not int and (10**step.decimals) % Fraction(value).denominator):
                return False
            values[step.name] = value
        return True

    def split_of(self, values: Mapping[str, Any]) -> str:
        """Say which split owns this number tuple: decided by a hash of family and numbers, whatever the seed."""
        key = f"{self.id}|{','.join(show(values[rule.name]) for rule in self.numbers)}"
        digest = hashlib.blake2b(key.encode(), digest_size=4).digest()
        return "train" if int.from_bytes(digest, "little") % HELD_OUT_SHARE else "held-out"

    def _fill_slots(self, rng: random.Random, split: str, values: dict[str, Any]) -> None:
        """Give every slot a word; slots of one pool get different ones."""
        used: list[Noun | Person] = []
        for name, pool in self.slots:
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

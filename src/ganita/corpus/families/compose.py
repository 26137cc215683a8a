"""Two or three families told as one problem: the answer of one is a number of the next.

    Maria picks up 3 kites at $5 each and pays with $50.                       story of the first: its question left out
    She puts the change toward a tent that costs $95 ... How many weeks ...?   question of the second: {it} in words

A family says what its answer is (`answer`: a kind, the thing counted, the words that refer to it) and what it can go on
with (`takes`: for a number, the kind it takes and questions with `{it}` in the number's place). Two families go
together when the kinds are the same and count the same thing: one fixed noun, or words of one pool. The person `p` is
the same one in all of them, a thing that is handed on keeps its name, other words are used once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ganita.corpus.document import Problem
from ganita.corpus.families.expressions import Number
from ganita.corpus.families.family import Family, Gives, Takes
from ganita.corpus.families.template import Template
from ganita.errors import GanitaError

MAX_STEPS = 8
# A third of the chains is tried with a third family.
LONG_SHARE = 1 / 3
# Of the sentences that could begin with a pronoun in place of the name, how many do.
PRONOUN_SHARE = 0.6
# Numbers for one chain of families; chains of families for one problem.
_MAX_DRAWS, _MAX_CHAINS = 60, 40
_DRAWS_OF_NEXT = 20

Link = tuple[Family, Takes | None]  # a family, and how it goes on with the one before it


def fits(gives: Gives, takes: Takes) -> bool:
    """Say if an answer can stand in the place of a number: of one kind, and counting the same thing."""
    if gives.kind != takes.kind:
        return False
    return gives.pool in takes.pools if gives.pool else not takes.pools and gives.noun == takes.noun


class Joints:
    """Which families of a library go together."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._next: dict[str, list[Link]] = defaultdict(list)
        self._first: dict[tuple[str, str], list[Family]] = defaultdict(list)
        self._ends: list[tuple[Family, Takes]] = []
        for family in families:
            for takes in family.takes:
                for giver in families:
                    if (
                        giver is not family
                        and giver.gives
                        and fits(giver.gives, takes)
                        and _length(giver, family) <= MAX_STEPS
                    ):
                        self._next[giver.id].append((family, takes))
                        self._first[family.id, takes.number].append(giver)
                if self._first[family.id, takes.number]:
                    self._ends.append((family, takes))

    @property
    def pairs(self) -> list[tuple[str, str, str]]:
        """Every pair that goes together: id of the first, id of the second, the number that is handed on."""
        return [
            (giver.id, family.id, takes.number)
            for family, takes in self._ends
            for giver in self._first[family.id, takes.number]
        ]

    def problem(self, rng: random.Random, problem_id: str) -> Problem:
        """Draw a composed training problem. Raises `GanitaError` if no numbers can be found for forty chains."""
        for _ in range(_MAX_CHAINS):
            chain = self._chain(rng)
            for _ in range(_MAX_DRAWS):
                if drawn := draw_chain(chain, rng):
                    return tell_chain(chain, drawn, rng, problem_id)
        names = " + ".join(family.id for family, _ in chain)
        raise GanitaError(f"no numbers for composed families, e.g. {names}: widen their numbers or conditions")

    def _chain(self, rng: random.Random) -> list[Link]:
        # By what is taken, then by who gives it: a question with many givers is not drawn more often for that.
        family, takes = self._ends[int(rng.random() * len(self._ends))]
        givers = self._first[family.id, takes.number]
        giver = givers[int(rng.random() * len(givers))]
        chain: list[Link] = [(giver, None), (family, takes)]
        room = MAX_STEPS - _length(giver, family)
        longer = [
            link
            for link in self._next[family.id]
            if link[0] is not giver and len(link[0].steps) <= room and _still_fits(giver, (family, takes), link)
        ]
        if takes.stories and longer and rng.random() < LONG_SHARE:
            chain.append(longer[int(rng.random() * len(longer))])
        return chain


def _still_fits(first: Family, second: Link, third: Link) -> bool:
    """Say if the third family takes the thing that the second was handed: it may be of another pool."""
    family, takes = second
    assert first.gives is not None
    assert takes is not None
    assert third[1] is not None
    passed_on = family.gives is not None and takes.pools and family.gives.noun == takes.noun
    return not passed_on or first.gives.pool in third[1].pools


def _length(*families: Family) -> int:
    return sum(len(family.steps) for family in families)


def draw_chain(chain: Sequence[Link], rng: random.Random) -> list[dict[str, Any]] | None:
    """Draw the numbers of every family of a chain, each answer handed on; None where they did not fit this time."""
    drawn: list[dict[str, Any]] = []
    result: Number = 0
    for family, takes in chain:
        values = family.draw(rng, "train") if takes is None else _draw_next(family, takes, result, rng)
        if values is None:
            return None
        drawn.append(values)
        result = values[family.steps[-1].name]
    return drawn


def _draw_next(family: Family, takes: Takes, value: Number, rng: random.Random) -> dict[str, Any] | None:
    for _ in range(_DRAWS_OF_NEXT):
        values = family.draw_with({takes.number: value}, rng, "train")
        if values and family.in_proportion(values, takes.number) and not _breaks_formula(family, takes, values):
            return values
    return None


def _breaks_formula(family: Family, takes: Takes, values: dict[str, Any]) -> bool:
    """Say if an amount with cents was taken, and a number that is computed from it has become a fraction: $274.5."""
    if type(values[takes.number]) is int:
        return False
    computed = [rule.name for rule in family.numbers if rule.formula is not None and rule.name != takes.number]
    return any(type(values[name]) is not int for name in computed)


def tell_chain(chain: Sequence[Link], drawn: Sequence[dict[str, Any]], rng: random.Random, problem_id: str) -> Problem:
    """Tell the numbers of a chain as one problem: stories, the last question, the steps of all."""
    _cast(chain, drawn, rng)
    sentences: list[str] = []
    steps: list[str] = []
    it = ""
    before: Template | None = None
    for place, ((family, takes), values) in enumerate(zip(chain, drawn, strict=True)):
        values["it"] = it
        if place == len(chain) - 1:
            assert takes is not None
            templates = takes.wordings
        elif takes is None:
            assert family.gives is not None
            templates = family.gives.stories
        else:
            templates = takes.stories
        template = templates[int(rng.random() * len(templates))]
        person: Any = values.get("p")
        if before is not None and _may_say_he(before, template, chain[place - 1][0]) and rng.random() < PRONOUN_SHARE:
            values["p"] = replace(person, name=person.subject)
        sentences.append(template.render(values, rng))
        values["p"], before = person, template
        steps.extend(family.tell(values, rng))
        it = family.gives.tell.phrase(values, rng) if family.gives else ""
    answer = chain[-1][0].answer(drawn[-1])
    name = "+".join(family.id for family, _ in chain)
    return Problem(problem_id, "families", " ".join(sentences), tuple(steps), answer, family=name)


def _may_say_he(before: Template, template: Template, family: Family) -> bool:
    """Say if a text that begins with `{p}` may begin with a pronoun: only `p` was spoken of, and is named once here."""
    spoken = {name for name, pool in family.slots if pool.kind == "person" and name in before.sequence.ever}
    text = template.text
    return spoken == {"p"} and text.startswith("{p} ") and text.count("{p}") == 1 and "{p's}" not in text


def _cast(chain: Sequence[Link], drawn: Sequence[dict[str, Any]], rng: random.Random) -> None:
    """Fill the slots: one person `p` for all, what is handed on keeps its name, every other word is new."""
    used: set[Any] = set()
    person: Any = None
    before: tuple[Family, dict[str, Any]] | None = None
    for (family, takes), values in zip(chain, drawn, strict=True):
        if takes is not None and takes.pools:
            assert before is not None
            assert before[0].gives is not None
            values[takes.noun] = before[1][before[0].gives.noun]
        if person is not None and any(name == "p" for name, _ in family.slots):
            values["p"] = person
        own = {name for name, _ in family.slots} - values.keys()
        for _ in range(20):  # the pools are large: a word that is taken is rare
            family.fill_slots(rng, "train", values)
            if not used & {values[name] for name in own}:
                break
            for name in own:
                del values[name]
        family.fill_slots(rng, "train", values)
        used |= {values[name] for name, _ in family.slots}
        person = values.get("p", person)
        before = (family, values)

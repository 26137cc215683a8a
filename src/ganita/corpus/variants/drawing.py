"""New numbers for a problem: drawn by the thousand, kept where everything that held of the original holds again.

A block of `BLOCK` draws is evaluated in floating point, all at once; what passes is computed again exactly. Draw k of
a problem is the k-th that passes, counted over blocks 0, 1, 2 ...: a function of (seed, problem, k) and nothing else.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganita.corpus.families.expressions import Number, tidy
from ganita.corpus.variants.linking import COMPARES, Graph
from ganita.corpus.variants.marks import Node, differences, exact, rough, variables

BLOCK = 1024
MAX_BLOCKS = 64
MAX_BARREN = 6  # blocks without anything new after which nothing more is hoped for
PROBE_BLOCKS = 8
ENOUGH = 24
_EPSILON = 1e-7
_SPREAD = 4.0  # a result may be this many times larger or smaller than the original's
_SHOWN_PLACES = 4  # of a derived operand, as the calculator writes it (arithmetic.format_number)

Values = tuple[Number, ...]


@dataclass(frozen=True)
class Range:
    """The whole numbers low..high by `step`, each over `scale` (100 for cents)."""

    low: int
    high: int
    step: int
    scale: int = 1

    def draw(self, share: NDArray[np.float64]) -> NDArray[np.int64]:
        """Turn numbers from [0, 1) into numbers of the range, not yet divided by `scale`."""
        count = (self.high - self.low) // self.step + 1
        return self.low + self.step * np.floor(share * count).astype(np.int64)


def range_of(value: Number, units: frozenset[str], text: str, *, fine: bool = False) -> Range:
    """Return the numbers that may stand for `value`: as round, of a similar size, and within what its unit allows.

    `fine`: five times less round, 16 beside 20 and 110 beside 100.
    """
    scale = 1 if type(value) is int else 10 ** _places(value)
    whole = int(value * scale)
    step = max(1, _step(whole) // 5) if fine else _step(whole)
    # 2 is the least: with 1 the nouns and verbs around it would have to change.
    low, high = max(2, math.ceil(whole * 0.4)), math.floor(whole * 2.2)
    if scale == 1 and whole <= 12:
        low, high, step = 2, max(whole + 4, math.floor(whole * 1.7)), 1
    if "%" in units:
        step = 5 if whole % 5 == 0 and scale == 1 else step
        low, high = max(low, step), min(high, 95 * scale) if value < 100 else high
    if (cap := most(value, units, text)) is not None:
        high = min(high, math.floor(cap * scale))
    low = max(low, math.ceil(least(value, units, text) * scale))
    low = -(-low // step) * step
    return Range(low, max(low, high), step, scale)


def most(value: Number, units: frozenset[str], text: str) -> Number | None:
    """Return the largest sensible number in these units, where the original kept to it; None: no bound."""
    for names, bound, needed in _BOUNDS:
        if units & names and value <= bound and re.search(needed, text):
            return bound
    if value <= 100 and _GRADED.search(text):
        return 100  # a test out of 100: neither the marks nor the mark that is still needed
    if units & {"years", "year"} and re.search(r"\bold\b|\bage|birthday", text):
        return max(value, 40) if value <= 40 else max(value, 95)
    return None


def least(value: Number, units: frozenset[str], text: str) -> Number:
    """Return the smallest sensible number in these units.

    Those who are grown up stay so where somebody marries, parents keep most of their years, and who earns an A has
    no 50 %.
    """
    if value >= _ADULT and units & _AGES:
        if _MARRIED.search(text):
            return _ADULT
        if value >= _PARENT and _PARENTS.search(text):
            return value - value // 4
    return _PASSED if _PASSED <= value <= 100 and _MARKED.search(text) and _GRADED.search(text) else 0


_ONLY = re.compile(r"\b[Oo]nly\b|\b(?:less|more|fewer) than (?:that|this)\b")
_TURNED = re.compile(r"\bturned $")
_ADULT = 18
_AGES = frozenset({"years", "year", ""})
_MARRIED = re.compile(r"\b(?:marr(?:y|ied|ies|iage)|retired?)\b")
_PARENT, _PASSED = 28, 60
_PARENTS = re.compile(
    r"(?=.*\b(?:age[sd]?|old|older|young(?:er)?|years ago)\b)"
    r"(?=.*\b(?:[Mm]others?|[Ff]athers?|[Pp]arents?|[Mm]om|[Dd]ad|[Gg]rand\w+|sons?|daughters?|uncles?|aunts?)\b)",
    re.DOTALL,
)
_MARKED = re.compile(r"\b(?:an A|grade of [AB]|[Aa] B|to pass)\b")
_GRADED = re.compile(
    r"(?=.*\b(?:tests?|quiz(?:zes)?|exams?|grades?|assignments?)\b)"
    r"(?=.*\b(?:scores?d?|average[ds]?|marks|grade is|(?:got|gets?|earns?|received) an? \d+)\b)",
    re.DOTALL,
)
_BOUNDS: tuple[tuple[frozenset[str], int, str], ...] = (
    (frozenset({"hours", "hour"}), 10, r"\bday\b|\bdays\b|daily|night"),
    (frozenset({"hours", "hour"}), 24, r""),
    (frozenset({"hours", "hour"}), 60, r"\bweek"),
    (frozenset({"minutes", "minute", "seconds"}), 59, r""),
    (frozenset({"mornings", "afternoons", "evenings", "nights"}), 7, r"\bweek"),
    (frozenset({"days", "day", "times"}), 6, r"\bweek"),
    (frozenset({"days", "day"}), 30, r"month"),
    (frozenset({"days", "day"}), 365, r"\byear\b"),
    (frozenset({"weeks", "week"}), 4, r"month"),
    (frozenset({"weeks", "week"}), 51, r""),
    (frozenset({"months", "month"}), 11, r""),
    (frozenset({"years", "year"}), 13, r"years of (?:\w+ )?school"),
    (frozenset({"times"}), 4, r"times (?:a|each|every|per) day"),
    (frozenset({"mph", "miles/hour"}), 5, r"\b(?:hik|walk)"),
    (frozenset({"mph", "miles/hour"}), 12, r"\b(?:runs?|ran|running|jog)"),
    (frozenset({"%"}), 100, r""),
    (frozenset({"degrees"}), 180, r""),
    (frozenset({"inches", "inch"}), 80, r"inches tall"),
    (frozenset({"feet", "foot"}), 7, r"(?:feet|foot) tall"),
    (frozenset({"pounds", "pound", "lbs"}), 450, r"\b[A-Z][a-z]+ weigh(?:s|ed) (?:only )?\d+"),
)


def _places(value: Number) -> int:
    places = 0
    while (Fraction(value) * 10**places).denominator != 1:
        places += 1
        if places > 6:
            return places
    return places


def _step(whole: int) -> int:
    """Return how round a number is: 1 for 37, 5 for 45, 10 for 250, 50 for 500."""
    ten = 1
    while whole % (ten * 10) == 0:
        ten *= 10
    if ten > 1:
        return ten if whole // ten >= 10 else ten // 2
    return 5 if whole % 5 == 0 and whole > 12 else 1


class Search:
    """Finds numbers for one problem."""

    def __init__(
        self,
        graph: Graph,
        shown: Sequence[Node],
        result_units: Sequence[str],
        held: Sequence[int] = (),
        *,
        fine: bool = False,
    ) -> None:
        text = graph.question
        self.num_leaves = len(graph.leaves)
        self.original = graph.leaves
        self.ranges = [range_of(v, u, text, fine=fine) for v, u in zip(graph.leaves, graph.units, strict=True)]
        self.num_held = len(held)
        for index in held:
            scale = self.ranges[index].scale
            self.ranges[index] = Range(int(graph.leaves[index] * scale), int(graph.leaves[index] * scale), 1, scale)
        self.trees = [mark.tree for mark in graph.marks]
        self.results = [mark.result for mark in graph.marks]
        self.places = [0 if type(result) is int else max(2, _places(result)) for result in self.results]
        self.floors = [least(r, frozenset({u}), text) for r, u in zip(self.results, result_units, strict=True)]
        self.caps = [most(r, frozenset({u}), text) for r, u in zip(self.results, result_units, strict=True)]
        self.positive = [node for tree in self.trees for node in differences(tree)]
        derived = [node for mark in graph.marks for node in mark.operands if node[0] not in "vc"]
        self.shown = list(dict.fromkeys([*derived, *(node for node in shown if node[0] not in "vc")]))
        self.whole_shown = [type(tidy(Fraction(exact(node, graph.values)))) is int for node in self.shown]
        self.orders = list(_orders(graph, result_units))
        self.percents = [i for i, units in enumerate(graph.units) if "%" in units]
        self.fractions = _fractions(graph)

    def draws(self, seed: str, num_blocks: int = MAX_BLOCKS) -> Iterator[Values]:
        """Yield values (leaves, then results), each leaves' tuple once; ends after `num_blocks` blocks."""
        seen: set[Values] = {self.original}
        barren = 0
        for block in range(num_blocks):
            if barren == MAX_BARREN:
                return
            known = len(seen)
            digest = hashlib.sha256(f"{seed}/{block}".encode()).digest()
            rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
            share = rng.random((self.num_leaves, BLOCK))
            columns = [spec.draw(row) for spec, row in zip(self.ranges, share, strict=True)]
            for place in np.flatnonzero(self._passes(columns)).tolist():
                leaves = tuple(
                    int(column[place]) if spec.scale == 1 else tidy(Fraction(int(column[place]), spec.scale))
                    for column, spec in zip(columns, self.ranges, strict=True)
                )
                if leaves not in seen:
                    seen.add(leaves)
                    if (values := self.compute(leaves)) is not None:
                        yield values
            barren = 0 if len(seen) > known else barren + 1

    def count(self) -> int:
        """Return how many number tuples a first look of `PROBE_BLOCKS` blocks finds, counted up to `ENOUGH`."""
        return sum(1 for _ in itertools.islice(self.draws("probe", PROBE_BLOCKS), ENOUGH))

    def _passes(self, columns: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
        values: list[Any] = [
            column.astype(np.float64) / spec.scale for column, spec in zip(columns, self.ranges, strict=True)
        ]
        good = np.ones(BLOCK, dtype=np.bool_)
        with np.errstate(all="ignore"):
            limits = zip(self.trees, self.results, self.places, self.floors, self.caps, strict=True)
            for tree, original, places, floor, cap in limits:
                found = np.broadcast_to(rough(tree, values), (BLOCK,))
                values.append(found)
                good &= (found > float(original) / _SPREAD) & (found < float(original) * _SPREAD)
                good &= _is_whole(found * 10**places)
                if variables(tree):
                    good &= (np.abs(found - 1) < _EPSILON) == (original == 1)
                    good &= (found < 1) == (original < 1)
                good &= found >= floor
                if cap is not None:
                    good &= found <= cap
            for node in self.positive:
                good &= rough(node, values) > _EPSILON
            for node, whole in zip(self.shown, self.whole_shown, strict=True):
                face = rough(node, values)
                good &= _is_whole(face * (1 if whole else 10**_SHOWN_PLACES)) & (face > _EPSILON)
                good &= (np.abs(face - 1) > _EPSILON) | (not whole)
        for column, spec, value in zip(columns, self.ranges, self.original, strict=True):
            if spec.scale > 1:
                good &= ((column > spec.scale) == (value > 1)) & (column != spec.scale)
        for low, high in self.orders:
            good &= rough(low, values) < rough(high, values) - _EPSILON
        for top, bottom, proper in self.fractions:
            above, below = rough(top, values), rough(bottom, values)
            good &= (above < below) == proper
            good &= np.gcd(np.asarray(above, dtype=np.int64), np.asarray(below, dtype=np.int64)) == 1
            good &= np.asarray(below) <= 12
        if len(self.percents) > 1 and sum(self.original[i] for i in self.percents) <= 100:
            good &= sum(values[i] for i in self.percents) <= 100
        return good

    def compute(self, leaves: Values) -> Values | None:
        """Return leaves and results, exactly; None if a result is not as whole as the original's, or not positive."""
        values: list[Number] = list(leaves)
        for tree, places in zip(self.trees, self.places, strict=True):
            try:
                result = exact(tree, values)
            except ZeroDivisionError:
                return None
            if type(result) is not int:
                result = tidy(result)
            if result <= 0 or (result * 10**places if places else Fraction(result)).denominator != 1:
                return None
            values.append(result)
        return tuple(values)


def _is_whole(found: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(found - np.rint(found)) < _EPSILON * np.maximum(1.0, np.abs(found)))


def _orders(graph: Graph, result_units: Sequence[str]) -> Iterator[tuple[Node, Node]]:
    """Yield (smaller, larger): numbers of one unit keep their order, fixed ones and results beside leaves included."""
    items: list[tuple[Node, Number, frozenset[str], bool]] = [
        (("v", index), value, units, True)
        for index, (value, units) in enumerate(zip(graph.leaves, graph.units, strict=True))
    ]
    for index, (mark, unit) in enumerate(zip(graph.marks, result_units, strict=True), len(graph.leaves)):
        items.append((("v", index), mark.result, frozenset({unit}), False))
    # A constant that is read is mostly a conversion, except where words compare: "6 nails, the other only 2".
    told = _ONLY.search(graph.question) is not None
    read = set() if told else {node[1] for mark in graph.marks for node in mark.operands if node[0] == "c"}
    fixed = {(n.value, n.unit): None for n in graph.numerals if n.value not in {*graph.leaves, *read} and n.value > 1}
    items += [(("c", value), value, frozenset({unit}), False) for value, unit in fixed]
    count = len(graph.leaves)
    # Who "turned 23" is at least as old by now, and so are the others.
    past = {n.value for n in graph.numerals if _TURNED.search(graph.question[: n.start])}
    ages = [(node, value) for node, value, units, _ in items if units & _AGES]
    for (young, before), (old, now) in itertools.permutations(ages, 2):
        if before in past and before < now:
            yield young, old
    used = set().union(*(variables(mark.tree) for mark in graph.marks))
    # A result that no calculation reads is there to be compared: "the winner is the one with 38".
    compared = {index for index in range(count, count + len(graph.marks) - 1) if index not in used}
    every = bool(compared) or COMPARES.search(graph.question) is not None
    for one, other in itertools.combinations(items, 2):
        shared = one[2] & other[2] - ({""} if not compared else set())
        kept = (one[3] and other[3]) or "c" in (one[0][0], other[0][0]) or every
        if one[1] == other[1] or not shared or not kept:
            continue
        low, high = sorted((one, other), key=lambda item: item[1])
        yield low[0], high[0]


def _fractions(graph: Graph) -> list[tuple[Node, Node, bool]]:
    """Return (numerator, denominator, is proper) of the fractions of the question that hold a leaf."""
    places = {leaf: index for index, leaf in enumerate(graph.leaves)}

    def node(value: Number) -> Node:
        return ("v", places[value]) if value in places else ("c", value)

    return [
        (node(a.value), node(b.value), a.value < b.value)
        for a, b in itertools.pairwise(graph.numerals)
        if graph.question[a.end : b.start] == "/" and (a.value in places or b.value in places)
    ]

"""Is a drawn solution of a known question worth training on? Its arithmetic, its numbers, what it computes.

A right answer is no proof of a right chain: where the question has a 2 and a 2, adding them and multiplying them come
to the same. So the chain is followed from the question's numbers, and computed again with other numbers in their
places: it has to go along with the question's own solution. Where that one cannot be followed (about a quarter of
GSM8K train, see variants/linking.py), both are read in two ways, and have to go along in each.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ganita.arithmetic import calculate, parse_number
from ganita.corpus.document import MARK, Problem
from ganita.corpus.families.expressions import Number, tidy
from ganita.corpus.variants.linking import Graph, RefusedError, link
from ganita.corpus.variants.marks import MarkError, Node, exact, is_number, parse, split
from ganita.corpus.variants.marks import variables as variables_of
from ganita.corpus.variants.numerals import scan
from ganita.corpus.variants.pins import constants_of, hidden_values

MAX_READINGS = 512
_NUM_PROBES = 3
_SHOWN = re.compile(r"\s*\$?(\d[\d,]*(?:\.\d+)?|\.\d+)")
_ANSWER = "#### "
OWN = "the question's own solution"  # it is right, and nothing new to train on
_OTHERWISE, _PERHAPS = "computes otherwise than the question's own solution", "perhaps computes otherwise"


@dataclass(frozen=True)
class Calculation:
    """One mark: its tokens and its result, both as they stand and as numbers."""

    tokens: tuple[str, ...]
    result: Number

    @property
    def operands(self) -> list[Number]:
        """The numbers that it reads."""
        return [_number(token) for token in self.tokens if is_number(token)]


@dataclass(frozen=True)
class Chain:
    """A solution as calculations. Two are equal if they calculate the same, whatever the order or the words."""

    key: tuple[str, ...]
    steps: tuple[str, ...] = field(compare=False)
    calculations: tuple[Calculation, ...] = field(compare=False)


def read_chain(text: str, answer: str) -> Chain | str:
    """Return the chain of a solution that ends at `answer`, or in a few words what is wrong with it.

    Every mark is computed again. A bare mark, as the equation form has them, is told: `48/2 = <<48/2=24>>24`.
    """
    lines = [line.strip() for line in text.partition(_ANSWER)[0].split("\n") if line.strip()]
    calculations = []
    for line in lines:
        for match in MARK.finditer(line):
            calculation = _calculation(match.group()[2:-2])
            if isinstance(calculation, str):
                return calculation
            shown = _SHOWN.match(line, match.end())
            if shown and parse_number(shown[1]) != calculation.result:
                return "another number after a mark than in it"
            calculations.append(calculation)
    if not calculations:
        return "no calculation"
    if calculations[-1].result != parse_number(answer):
        return "the last calculation does not give the answer"
    try:
        key = tuple(sorted(_canonical(parse(c.tokens, _constants(c))) for c in calculations))
    except (MarkError, ZeroDivisionError):
        return "a mark that is no plain arithmetic"
    return Chain(key, tuple(map(_told, lines)), tuple(calculations))


class Judge:
    """Judges chains of one question."""

    def __init__(self, problem: Problem) -> None:
        self.question = problem.question
        own = read_chain("\n".join(problem.steps), problem.answer)
        self.own = own if isinstance(own, Chain) else None
        numbers = {numeral.value for numeral in scan(problem.question)}
        self.numbers = numbers | {tidy(Fraction(digits)) for digits in re.findall(r"\d+", problem.question)}
        text = problem.question + " " + " ".join(problem.steps)
        self.constants = hidden_values(problem.question) | constants_of(text) | {1, 2, 100}
        if self.own:
            self.constants |= {value for _, value in _places(self.own)} - self.numbers
        try:
            self.graph: Graph | None = link(problem)
        except RefusedError:
            self.graph = None

    def why_not(self, chain: Chain) -> str:
        """Return in a few words why a chain should not be trained on; empty if it may."""
        if chain == self.own:
            return OWN
        results = [calculation.result for calculation in chain.calculations]
        if any(result not in _later(chain, place) for place, result in enumerate(results[:-1])):
            return "a result that no later step reads"
        if len(set(chain.key)) < len(chain.key):
            return "the same calculation twice"
        if not all(self._explained(value, place, chain) for place, value in _places(chain)):
            return "a number from nowhere"
        if self.graph is not None:
            return "" if self._follows(chain, self.graph) else _OTHERWISE
        if self.own is None:
            return "nothing to compare with"
        return "" if self._reads_alike(chain, self.own) else _PERHAPS

    def _explained(self, value: Number, place: int, chain: Chain) -> bool:
        """Say if a number of calculation `place` is the question's, an earlier result, or may be a constant."""
        before = {calculation.result for calculation in chain.calculations[:place]}
        faces = {tidy(Fraction(exact(node, ()))) for n in self.numbers for node in _faces(("c", n), self.question)}
        return value in self.numbers or value in before or value in self.constants or value in faces

    def _follows(self, chain: Chain, graph: Graph) -> bool:
        """Say if some reading of a chain goes along with the question's own graph when the numbers change."""
        held = {value for mark in graph.marks for node in mark.operands for value in _constants_in(node)}
        varied = [value for value in sorted(held) if self._may_vary(value)]
        variables = [*graph.leaves, *varied]
        own = [_moved(mark.tree, len(graph.leaves), varied) for mark in graph.marks]
        choices = [list(self._options(value, place, chain, variables)) for place, value in _places(chain)]
        if not 0 < math.prod(map(len, choices)) <= MAX_READINGS:
            return False
        readings = (_trees(chain, reading) for reading in itertools.product(*choices))
        return any(_equal(trees, own, len(variables)) for trees in readings)

    def _may_vary(self, value: Number) -> bool:
        """Say if a constant is one of the story (twice, three friends, a pinned 12) and not one of the world (100)."""
        return type(value) is int and value > 1 and value != 100 and (value <= 10 or value in self.numbers)

    def _reads_alike(self, chain: Chain, own: Chain) -> bool:
        """Say if two chains go along, whether a number is first taken for the question's or for an earlier result."""
        read = {value for _, value in _places(own)}
        variables = sorted(self.numbers | {value for value in read & self.constants if self._may_vary(value)})
        for results_first in (False, True):
            both = []
            for each in (chain, own):
                nodes = []
                for place, value in _places(each):
                    options = list(self._options(value, place, each, variables))
                    results = [node for node in options if max(variables_of(node), default=0) >= len(variables)]
                    nodes.append([*(results if results_first else ()), *options][0])
                both.append(_trees(each, nodes))
            if not _equal(both[0], both[1], len(variables)):
                return False
        return True

    def _options(self, value: Number, place: int, chain: Chain, variables: Sequence[Number]) -> Iterator[Node]:
        """Yield what a number of calculation `place` may be: a variable, a result before it, a constant."""
        for index in range(len(variables)):
            for node in _faces(("v", index), self.question):
                if tidy(Fraction(exact(node, variables))) == value:
                    yield node
        for (a, first), (b, second) in itertools.permutations(enumerate(variables), 2):
            if re.search(rf"(?<!\d){first}/{second}(?!\d)", self.question):
                for node in (("/", ("v", a), ("v", b)), ("-", ("v", b), ("v", a))):
                    if tidy(Fraction(exact(node, variables))) == value:
                        yield node
        for before in range(place):
            result: Node = ("v", len(variables) + before)
            if chain.calculations[before].result == value:
                yield result
            elif Fraction(chain.calculations[before].result) == 100 * value:
                yield ("/", result, ("c", 100))
        # What the chain has worked out itself it does not take from the world: 24 may be hours, where "today" is said.
        worked_out = {calculation.result for calculation in chain.calculations[:place]}
        if value in self.constants and value not in variables and value not in worked_out:
            yield ("c", value)


# ----------------------------------------------------------------------------------------------------- what is computed


def _equal(chain: Sequence[Node], own: Sequence[Node], num_variables: int) -> bool:
    """Say if two lists of trees give the same last value for any variables, and the first makes no detour.

    A detour is a result that is not read in this reading, or that is always the same as a number before it.
    """
    read = set().union(*map(variables_of, chain))
    if any(num_variables + place not in read for place in range(len(chain) - 1)):
        return False
    chance = random.Random(0)  # noqa: S311 - any numbers do, and the same ones every time
    probed = []
    for _ in range(_NUM_PROBES):
        values: list[Number] = [chance.randrange(2, 10_000) for _ in range(num_variables)]
        mine, its = _values(chain, values), _values(own, values)
        if mine is None or its is None or mine[-1] != its[-1]:
            return False
        probed.append(mine)
    pairs = itertools.combinations(range(len(probed[0])), 2)
    return not any(b >= num_variables and all(values[a] == values[b] for values in probed) for a, b in pairs)


def _values(trees: Sequence[Node], variables: Sequence[Number]) -> list[Number] | None:
    """Return the variables and the value of every tree after them; None where one divides by zero."""
    values = list(variables)
    try:
        for tree in trees:
            values.append(exact(tree, values))
    except ZeroDivisionError:
        return None
    return values


def _trees(chain: Chain, nodes: Sequence[Node]) -> list[Node]:
    """Return the trees of a chain whose numbers are `nodes`."""
    left, trees = iter(nodes), []
    for calculation in chain.calculations:
        mine = [next(left) for _ in calculation.operands]
        trees.append(parse(calculation.tokens, mine.__getitem__))
    return trees


def _moved(node: Node, num_leaves: int, varied: Sequence[Number]) -> Node:
    """Make variables of the constants of a graph's tree that vary; results come after them."""
    if node[0] == "v":
        return node if node[1] < num_leaves else ("v", node[1] + len(varied))
    if node[0] == "c":
        return ("v", num_leaves + varied.index(node[1])) if node[1] in varied else node
    return (node[0], _moved(node[1], num_leaves, varied), _moved(node[2], num_leaves, varied))


def _constants_in(node: Node) -> set[Number]:
    if node[0] == "c":
        return {node[1]}
    return set() if node[0] == "v" else _constants_in(node[1]) | _constants_in(node[2])


def _faces(leaf: Node, question: str) -> Iterator[Node]:
    """Yield what a number of the question may stand as in a calculation: of 30 % also 0.3, 0.7, 1.3, 70 and 130."""
    yield leaf
    if re.search(r"%|percent", question):
        share: Node = ("/", leaf, ("c", 100))
        yield from (share, ("-", ("c", 1), share), ("+", ("c", 1), share))
        yield from (("-", ("c", 100), leaf), ("+", ("c", 100), leaf))
    if re.search(r"\$|\bcents?\b", question):
        yield from (("*", leaf, ("c", 100)), ("/", leaf, ("c", 100)))
    if re.search(r"hour|minute", question):
        yield from (("*", leaf, ("c", 60)), ("/", leaf, ("c", 60)))


# ------------------------------------------------------------------------------------------------------- how it is read


def _calculation(mark: str) -> Calculation | str:
    left, equals, right = mark.rpartition("=")
    shown, result = parse_number(right), calculate(left)
    if not equals or shown is None or result is None or parse_number(result) != shown:
        return "a wrong mark"
    try:
        tokens = tuple(split(left))
    except MarkError:
        return "a mark that is no plain arithmetic"
    if sum(map(is_number, tokens)) < 2:
        return "a mark that calculates nothing"
    return Calculation(tokens, tidy(shown))


def _number(token: str) -> Number:
    return tidy(Fraction(token.replace(",", "")))


def _constants(calculation: Calculation) -> Callable[[int], Node]:
    operands = calculation.operands
    return lambda place: ("c", operands[place])


def _canonical(node: Node) -> str:
    """Write a calculation so that 3+4 and 4+3, and 2*(5-1) and (5-1)*2, are the same."""
    if node[0] == "c":
        return str(node[1])
    pair, turned = ("+", "-") if node[0] in "+-" else ("*", "/")
    return f"({pair} {' '.join(sorted(_terms(node, pair, turned)))})"


def _terms(node: Node, pair: str, turned: str) -> Iterator[str]:
    """Yield the terms of a sum or the factors of a product; those that are taken off or divided by are marked."""
    if node[0] == pair:
        yield from _terms(node[1], pair, turned)
        yield from _terms(node[2], pair, turned)
    elif node[0] == turned:
        yield from _terms(node[1], pair, turned)
        for term in _terms(node[2], pair, turned):
            yield term.removeprefix(turned) if term.startswith(turned) else turned + term
    else:
        yield _canonical(node)


def _places(chain: Chain) -> Iterator[tuple[int, Number]]:
    """Yield every number that the chain reads, with the place of its calculation."""
    for place, calculation in enumerate(chain.calculations):
        for value in calculation.operands:
            yield place, value


def _later(chain: Chain, place: int) -> set[Number]:
    """Return the numbers that the calculations after `place` read, and a hundredth's face of them (a percentage)."""
    read = {value for calculation in chain.calculations[place + 1 :] for value in calculation.operands}
    return read | {tidy(Fraction(value) * 100) for value in read}


def _told(line: str) -> str:
    """Tell a mark that stands alone."""
    return f"{line[2:-2].rpartition('=')[0]} = {line}{line[2:-2].rpartition('=')[2]}" if MARK.fullmatch(line) else line

"""A problem compiled once into text with holes, so that a variant costs a draw and a few joins."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ganita.arithmetic import calculate, parse_number
from ganita.corpus.document import MARK, Problem
from ganita.corpus.families.expressions import Number, show, tidy
from ganita.corpus.variants.drawing import Search, Values
from ganita.corpus.variants.linking import Graph, Mark, RefusedError, link, refuse_not_scanned, result_units, stem
from ganita.corpus.variants.marks import Node, exact, is_number
from ganita.corpus.variants.naming import Cast
from ganita.corpus.variants.numerals import PLAIN, Form, Numeral, scan
from ganita.corpus.variants.pins import constants_of, hidden_values

MIN_DRAWS = 3  # a problem with fewer different number tuples is not worth a template
_SOUNDS_LIKE_VOWEL = re.compile(r"8|11(?!\d)|11,|18(?!\d)|18,|eight|eleven", re.IGNORECASE)
_RELATION = re.compile(r"([=<>])")
_UNITS = re.compile(r"(?<=\d)/[A-Za-z]+|(?<=\d) (?:[A-Za-z]+)(?: [A-Za-z]+)?(?= [-+*/=–×÷])")
_ARITHMETIC_END = re.compile(r"[\d.,+\-*/×÷–$() ]*$")
_ARITHMETIC_START = re.compile(r"[\d.,+\-*/×÷–$() ]*")
_ARTICLE = re.compile(r"\b([Aa])n? (\$?)$")
_KNOWN_FACT = re.compile(
    r"\bstandard (?:basketball|football|soccer|deck)|\bregulation\b|Great Pyramid|Everest|Eiffel|Empire State|equator"
    r"|speed of (?:light|sound)|Pacific|Atlantic|Statue of Liberty|Golden Gate|Niagara"
    r"|(?:United States|US|American) flag|original (?:13|thirteen) colonies|[Ww]orld [Rr]ecord"
    r"|Taipei 101|Burj Khalifa|Kilimanjaro"
)
_TOLD_PRICES = re.compile(r"\b(?:is|are|was|were) (?:[a-z]+ )?cheaper\b")
_PROBES = (37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)

_COUNTED = 6
_DIVISORS = frozenset({100, 60, 12, 7, 24})

Piece = str | int  # text, or the index of a writer


@dataclass(frozen=True)
class Writer:
    """How one hole is filled: the value of `node`, written in `form`, after an article if it had one."""

    node: Node
    form: Form
    article: str = ""
    sign: str = ""

    def write(self, values: Sequence[Number]) -> str:
        """Return the text for these values."""
        node = self.node
        value = values[node[1]] if node[0] == "v" else tidy(Fraction(exact(node, values)))
        text = self.form.write(value)
        if not self.article:
            return text
        vowel = _SOUNDS_LIKE_VOWEL.match(text) is not None
        return f"{self.article}{'n' if vowel else ''} {self.sign}{text}"


class Template:
    """One problem that can be varied."""

    def __init__(self, problem: Problem) -> None:
        """Compile `problem`. Raises `RefusedError` with the reason if it cannot be varied safely."""
        self.problem = problem
        if _KNOWN_FACT.search(problem.question):
            raise RefusedError("the question tells a fact of the world")
        if _TOLD_PRICES.search(problem.question):
            raise RefusedError("the question tells what is cheaper")
        graph = link(problem)
        self.graph = graph
        builder = _Builder(graph)
        question = builder.question()
        steps = [builder.step(number) for number in range(len(graph.steps))]
        self.writers = builder.writers
        self.answer = len(graph.values) - 1
        self.search = _search(graph, [writer.node for writer in self.writers], builder.result_units)
        self._check_sentences(steps)
        self.cast = Cast(problem.question, problem.steps)
        self.question = self._with_names(question)
        self.steps = [self._with_names(step) for step in steps]

    @property
    def num_leaves(self) -> int:
        """Numbers of the question that vary."""
        return len(self.graph.leaves) - self.search.num_held

    def fill(
        self, values: Values, rng: random.Random, name: str, origin: str, names: Sequence[str] | None = None
    ) -> Problem:
        """Return the problem with these numbers, and `names` (None: drawn ones) for its people."""
        texts = [writer.write(values) for writer in self.writers]
        texts += self.cast.draw(rng) if names is None else names
        return Problem(
            id=name,
            source=self.problem.source,
            question=_join(self.question, texts),
            steps=tuple(_join(step, texts) for step in self.steps),
            answer=show(values[self.answer]),
            licence=self.problem.licence,
            variant_of=origin,
        )

    def _check_sentences(self, steps: Sequence[Sequence[Piece]]) -> None:
        """Refuse a solution that calculates in its sentences what no mark tells: `5+5*3=5+15`."""
        for values in itertools.islice(self.search.draws("sentences"), 3):
            texts = [writer.write(values) for writer in self.writers]
            for step, pieces in zip(self.graph.steps, steps, strict=True):
                if any(
                    was and not now
                    for was, now in zip(_relations(step), _relations(_join(pieces, texts)), strict=False)
                ):
                    raise RefusedError("a sentence calculates beside the marks")

    def _with_names(self, pieces: Iterable[Piece]) -> tuple[Piece, ...]:
        first = len(self.writers)
        out: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, int):
                out.append(piece)
            else:
                out += [part if isinstance(part, str) else first + part for part in self.cast.cut(piece)]
        return tuple(out)


def _relations(step: str) -> list[bool]:
    """Return for every `=`, `<`, `>` between two pieces of arithmetic of a sentence whether it holds."""
    text = _UNITS.sub(" ", MARK.sub("", step).replace(" x ", " * ").replace(" X ", " * "))
    sides = _RELATION.split(text)
    found = []
    for left, relation, right in zip(sides[::2], sides[1::2], sides[2::2], strict=False):
        a, b = _ARITHMETIC_END.search(left), _ARITHMETIC_START.match(right)
        values = [parse_number(calculate(side[0].strip(" ,.")) or "") if side else None for side in (a, b)]
        if values[0] is None or values[1] is None:
            found.append(False)
        else:
            near = abs(values[0] - values[1]) <= abs(values[1]) / 100
            found.append(near if relation == "=" else (values[0] < values[1]) == (relation == "<"))
    return found


def _search(graph: Graph, shown: Sequence[Node], units: Sequence[str]) -> Search:
    """Return a search that finds enough; leaves that leave no room for others are held fast, as few as can be.

    Numbers that are as round as the original's are looked for first.
    """
    leaves = range(len(graph.leaves))
    for fine, num_held in itertools.product((False, True), range(min(3, len(leaves)))):
        best: tuple[int, Search] | None = None
        for held in itertools.combinations(leaves, num_held):
            search = Search(graph, shown, units, held, fine=fine)
            found = search.count()
            if found >= MIN_DRAWS and (best is None or found > best[0]):
                best = found, search
        if best is not None:
            return best[1]
    raise RefusedError("too few other numbers fit")


def _join(pieces: Sequence[Piece], texts: Sequence[str]) -> str:
    return "".join([texts[piece] if type(piece) is int else piece for piece in pieces])  # type: ignore[misc]


class _Builder:
    """Cuts the texts of a problem at its numbers and says what each is."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.places = {value: index for index, value in enumerate(graph.leaves)}
        self.writers: list[Writer] = []
        self.by_writer: dict[Writer, int] = {}
        self.result_units = result_units(graph.marks, graph.steps)
        self.units = [frozenset(map(stem, names)) for names in graph.units]
        self.units += [frozenset({stem(unit)}) for unit in self.result_units]
        self.stated = {n.value for n in graph.numerals} - set(graph.leaves) | hidden_values(graph.question)
        self.allowed = constants_of(graph.question + " " + " ".join(graph.steps))
        self.probes = [self._probe(shift) for shift in (0, 3)]

    def question(self) -> list[Piece]:
        """Return the pieces of the question."""
        text = self.graph.question
        holes = [
            (n.start, n.end, ("v", self.places[n.value]), n.form) for n in self.graph.numerals if n.value in self.places
        ]
        return self._cut(text, holes)

    def step(self, number: int) -> list[Piece]:
        """Return the pieces of a step: sentences and marks by turns."""
        text, pieces, position = self.graph.steps[number], list[Piece](), 0
        own = [(i, mark) for i, mark in enumerate(self.graph.marks, len(self.graph.leaves)) if mark.step == number]
        shown: int | None = None
        for index, mark in own:
            pieces += self._sentence(text[position : mark.start], own, mark, shown)
            pieces += self._mark(mark, index)
            position, shown = mark.end, index
        return pieces + self._sentence(text[position:], own, None, shown)

    def _mark(self, mark: Mark, index: int) -> Iterator[Piece]:
        yield "<<"
        operands = iter(mark.operands)
        for token in mark.tokens:
            if not is_number(token):
                yield token
            elif (node := next(operands))[0] == "c":
                yield token.replace(",", "")
            else:
                yield self._writer(Writer(node, PLAIN))
        yield "="
        yield self._writer(Writer(("v", index), PLAIN))
        yield ">>"

    def _sentence(
        self, text: str, own: Sequence[tuple[int, Mark]], mark: Mark | None, shown: int | None
    ) -> list[Piece]:
        """Cut what stands before `mark` (None: the end of the step); `shown` is the value of the mark before that."""
        numerals = scan(text)
        refuse_not_scanned(text, numerals, self.graph.values)
        holes: list[tuple[int, int, Node, Form]] = []
        if shown is not None and numerals and not text[: numerals[0].start].strip(" $"):
            first = numerals.pop(0)
            if first.value != self.graph.values[shown]:
                raise RefusedError("a sentence shows another result than its mark")
            holes.append((first.start, first.end, ("v", shown), Form(commas=first.form.commas)))
        echo = self._echo(numerals, mark)
        # "He has 3 left because 6 - 3 = 3" tells the result first, and a 3 that is read only looks like it.
        reason = text.rfind(" because ")
        result = next((index for index, each in own if each is mark), None)
        for place, numeral in enumerate(numerals):
            if result is not None and numeral.end <= reason and numeral.value == self.graph.values[result]:
                echo[place] = ("v", result)
        for place, numeral in enumerate(numerals):
            if numeral.value in _DIVISORS and text[: numeral.start].rstrip(" $").endswith("/") and place not in echo:
                continue  # the 100 of "(50/100)" is no result, even where a result is 100
            node = echo[place] if place in echo else self._resolve(numeral, own, mark)
            if node is not None and node[0] != "c":
                holes.append((numeral.start, numeral.end, node, numeral.form))
        return self._cut(text, holes)

    def _echo(self, numerals: Sequence[Numeral], mark: Mark | None) -> dict[int, Node]:
        """Match the numbers just before a mark with its operands, where a sentence writes them in the same order."""
        if mark is None or len(numerals) < len(mark.operands):
            return {}
        first, values = len(numerals) - len(mark.operands), self.graph.values
        pairs = list(zip(numerals[first:], mark.operands, strict=True))
        if any(numeral.value != _value(node, values) for numeral, node in pairs):
            return {}
        return {first + place: node for place, (_, node) in enumerate(pairs)}

    def _resolve(self, numeral: Numeral, own: Sequence[tuple[int, Mark]], mark: Mark | None) -> Node | None:
        """Return what a number of a sentence is; None for one that stays. Raises `RefusedError` if nobody can say."""
        value, values = numeral.value, self.graph.values
        if numeral.pinned and numeral.form.words and value <= _COUNTED:
            same = [units for other, units in zip(values, self.units, strict=True) if other == value]
            if same and not any(stem(numeral.unit) in units for units in same):
                # "on all three activities" counts them, whatever else is 3; "the three" alone may be either.
                raise RefusedError("a number of a sentence has several meanings")
        if numeral.unit == "%" and value in self.places and "%" in self.graph.units[self.places[value]]:
            return ("v", self.places[value])
        results: list[Node] = [("v", index) for index, _ in own]
        operands = [node for _, each in own for node in each.operands]
        upto = own[-1][0] + 1 if own else len(values)
        # What stands before a mark tells its operands, what stands after the last one its result.
        tiers = [mark.operands, operands, results] if mark is not None else [results, operands]
        here = self._of_unit(numeral, [*results, *operands]) if mark is None else []
        for tier in tiers:
            here = here or self._distinct(node for node in tier if _value(node, values) == value)
        if len(here) == 1:
            return here[0]
        known: list[Node] = here or self._distinct(
            [("v", i) for i, other in enumerate(values[:upto]) if other == value]
            + [("c", value)] * (value in self.stated)
        )
        if len(known) > 1 and numeral.unit:
            known = [node for node in known if node[0] == "v" and stem(numeral.unit) in self.units[node[1]]] or known
        if len(known) == 1:
            return known[0]
        if known:
            raise RefusedError("a number of a sentence has several meanings")
        used = [node for mark in self.graph.marks for node in mark.operands if node[0] not in "vc"]
        faces = self._distinct(node for node in [*used, *self._faces()] if _value(node, values) == value)
        if len(faces) == 1:
            return faces[0]
        if value in self.allowed or (value <= 2 and numeral.form.words):
            return None
        raise RefusedError("a number of a sentence of unknown origin")

    def _of_unit(self, numeral: Numeral, nodes: Sequence[Node]) -> list[Node]:
        """Return what counts the same as a number that several have: "4 figs a meal for the next 4 meals"."""
        same = self._distinct(node for node in nodes if _value(node, self.graph.values) == numeral.value)
        alike = [node for node in same if node[0] == "v" and stem(numeral.unit) in self.units[node[1]]]
        return alike if numeral.unit and len(same) > 1 and len(alike) == 1 else []

    def _faces(self) -> Iterator[Node]:
        for index, units in enumerate(self.graph.units):
            if "%" in units:
                yield ("-", ("c", 100), ("v", index))
                yield ("/", ("v", index), ("c", 100))
                yield ("+", ("c", 100), ("v", index))

    def _distinct(self, nodes: Iterable[Node]) -> list[Node]:
        """Drop nodes that compute the same as an earlier one."""
        found: dict[tuple[Any, ...], Node] = {}
        for node in nodes:
            found.setdefault(tuple(_value(node, probe) for probe in self.probes), node)
        return list(found.values())

    def _probe(self, shift: int) -> list[Number]:
        values: list[Number] = [_PROBES[(i + shift) % len(_PROBES)] for i in range(len(self.graph.leaves))]
        for mark in self.graph.marks:
            values.append(_value(mark.tree, values))
        return values

    def _cut(self, text: str, holes: Sequence[tuple[int, int, Node, Form]]) -> list[Piece]:
        pieces: list[Piece] = []
        position = 0
        for start, end, node, form in holes:
            before = text[position:start]
            article = _ARTICLE.search(before)
            if article:
                pieces.append(before[: article.start()])
                pieces.append(self._writer(Writer(node, form, article[1], article[2])))
            else:
                pieces.append(before)
                pieces.append(self._writer(Writer(node, form)))
            position = end
        pieces.append(text[position:])
        return [piece for piece in pieces if piece != ""]

    def _writer(self, writer: Writer) -> int:
        if writer not in self.by_writer:
            self.by_writer[writer] = len(self.writers)
            self.writers.append(writer)
        return self.by_writer[writer]


def _value(node: Node, values: Sequence[Number]) -> Number:
    try:
        return tidy(Fraction(exact(node, values)))
    except ZeroDivisionError:
        return 0

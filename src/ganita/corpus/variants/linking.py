"""Where every number of a solution comes from: the computation graph of a worked problem.

The numbers of a question with the same value are one leaf: they vary together, so it cannot matter which of them an
operand means. An operand that could be a leaf or an earlier result is settled by what is left over: in a good reading
every leaf and every result is used. Readings that compute the same are one; otherwise the problem is refused.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ganita.arithmetic import calculate, parse_number
from ganita.corpus.document import MARK, Problem
from ganita.corpus.families.expressions import Number, tidy
from ganita.corpus.variants.grammar import ends_noun
from ganita.corpus.variants.marks import MarkError, Node, exact, is_number, longest_sum, parse, split, variables
from ganita.corpus.variants.numerals import Numeral, scan
from ganita.corpus.variants.pins import (
    constants_of,
    conversions,
    days_of_a_week,
    groups_with_one_more,
    hidden_values,
    listed,
    told_conversions,
)

MAX_READINGS = 512
_SMALL = 7
_LISTABLE = 20  # numbers up to this one may count what the question then tells one by one
_SHARE_AFTER = re.compile(r"\s+(?:\w+ )?of (?:the|them|these|those|his|her|their|its)\b")
_REST_BEFORE = re.compile(r"\b(?:other|remaining|rest of the)\s+$")
_EQUALS = re.compile(r"=\s*\$?\s*(?=(\d[\d,]*(?:\.\d+)?|\.\d+))")
_NOT_ARITHMETIC = re.compile(r"/[A-Za-z]+|[A-Za-z’'’%°\"]+(?:-[A-Za-z]+)*")
COMPARES = re.compile(
    r"\b(?!interest|rest|test|west|nest|guest|forest|request|harvest|invest|contest|chest|vest|best friend)\w{2,}est\b"
    r"|\bmost\b|\bleast\b|winner|cheaper|compare|enough|afford|if .* (?:exceed|more than|less than)",
    re.IGNORECASE,
)
_AREA = re.compile(r"\b(?:square|cubic|area|volume)\b")
_LEFT = re.compile(r"(?: \w+){1,4} (?:left|remain\w*)\b")
_AVERAGE = re.compile(r"\baverage\b|\bmean\b")
_IDLE_MARK = re.compile(r"<<\s*\$?[\d.,]+\s*%?(?:\s*=\s*\$?[\d.,]+%?)?\s*>>")  # calculates nothing: <<20=20>>
_PROBES = (3, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43)


class RefusedError(ValueError):
    """A problem that cannot be varied; the message is the reason, one of a few."""


@dataclass(frozen=True)
class Mark:
    """One calculation: its tokens, the nodes of its operands, its tree; `place` is (step, start, end) in the text."""

    step: int
    start: int
    end: int
    tokens: tuple[str, ...]
    result: Number
    operands: tuple[Node, ...] = ()
    tree: Node = ("c", 0)


@dataclass(frozen=True)
class Graph:
    """A problem understood: leaves (values 0..n-1), then the results of the marks in order (values n..)."""

    question: str
    steps: tuple[str, ...]
    leaves: tuple[Number, ...]
    numerals: tuple[Numeral, ...]
    marks: tuple[Mark, ...]
    units: tuple[frozenset[str], ...] = field(default=())

    @property
    def values(self) -> list[Number]:
        """The values of the original: leaves, then results."""
        return [*self.leaves, *(mark.result for mark in self.marks)]


def link(problem: Problem) -> Graph:
    """Return the computation graph of a problem. Raises `RefusedError`."""
    steps = tuple(complete_marks(_IDLE_MARK.sub("", step)) for step in problem.steps)
    marks = list(_marks(steps))
    if not marks:
        raise RefusedError("no marks")
    answer = parse_number(problem.answer)
    if answer is None or tidy(answer) != marks[-1].result:
        raise RefusedError("answer is not the last result")
    numerals = scan(problem.question)
    pinned = {n.value for n in numerals if n.pinned} | hidden_values(problem.question)
    pinned |= told_conversions(problem.question) | days_of_a_week(problem.question, steps, numerals)
    pinned |= conversions(problem.question) | _complements(numerals, problem.question, steps)
    apart = _not_scanned(problem.question, numerals)
    pinned |= apart | {value - 1 for value in apart}  # "for 12 days", and then "on the 13th day"
    counts = _term_counts(marks)
    if _AVERAGE.search(problem.question):
        counts |= _terms_and_one_more(marks)
    pinned |= listed(problem.question, numerals, counts)
    operands = [[_value(token) for token in mark.tokens if is_number(token)] for mark in marks]
    pinned |= {value for value in hidden_values(" ".join(steps)) if value <= 12}
    # 2 may always be a count that nothing tells: he and his date.
    untold = constants_of(problem.question + " " + " ".join(steps)) | {2}
    untold |= groups_with_one_more(problem.question, numerals)
    pinned |= _overused(numerals, operands) & untold
    pinned |= _oversaid(numerals, operands) | _parts(numerals, problem.question)
    in_question = {n.value for n in numerals}
    free = [value for value in dict.fromkeys(n.value for n in numerals) if value not in pinned]
    leaves = _used(free, operands, numerals)
    if not leaves:
        raise RefusedError("no number of the question can vary")
    _refuse_hidden_relations(problem.question, numerals, leaves, marks, operands)
    stated = in_question - set(leaves) | hidden_values(problem.question)
    allowed = constants_of(problem.question + " " + " ".join(steps))
    units = tuple(frozenset(n.unit for n in numerals if n.value == leaf) for leaf in leaves)
    stems = [frozenset(map(stem, names)) for names in units]
    stems += [frozenset({stem(unit)}) for unit in result_units(marks, steps)]
    asked = list(_operand_units(marks, steps))
    # The whole part of a result with cents may stand in a step by itself: it is then no constant such as 24 hours.
    allowed -= {int(mark.result) for mark in marks if type(mark.result) is not int and mark.result > 2}
    chosen = _read(marks, operands, leaves, (stated, allowed, conversions(problem.question)), numerals, stems, asked)
    _refuse_idle_results(problem.question, steps, chosen, len(leaves))
    return Graph(problem.question, steps, tuple(leaves), tuple(numerals), tuple(chosen), units)


def _complements(numerals: Sequence[Numeral], question: str, steps: Sequence[str]) -> set[Number]:
    """Return both numbers of a fraction whose rest the solution uses: after 2/3 its 1/3 is no constant."""
    text = " ".join(steps)
    found: set[Number] = set()
    for a, b in itertools.pairwise(numerals):
        fraction = question[a.end : b.start] == "/" and a.value < b.value
        if (
            fraction
            and re.search(rf"(?<!\d){b.value - a.value}\s*/\s*{b.value}(?!\d)", text)
            and a.value * 2 != b.value
        ):
            found |= {a.value, b.value}
    return found


def _overused(numerals: Sequence[Numeral], operands: Sequence[Sequence[Number]]) -> set[Number]:
    """Return small numbers that the solution reads more often than the question says them.

    One of the readings may be a count that no numeral tells (5 weekdays, 3 people at the table) and only looks alike.
    """
    read = Counter(value for row in operands for value in row)
    said = Counter(numeral.value for numeral in numerals)
    return {value for value in said if value <= _SMALL and read[value] > said[value]}


def _oversaid(numerals: Sequence[Numeral], operands: Sequence[Sequence[Number]]) -> set[Number]:
    """Return small numbers that the question says of more things than the solution reads.

    "4 tomato plants ... 4 more tomatoes", and then one plant, another and the two remaining ones: what counts the
    plants only looks like the leaf.
    """
    read = Counter(value for row in operands for value in row)
    said = Counter(numeral.value for numeral in numerals if numeral.unit not in ("%", "$"))
    few = {value for value in said if 1 < value <= _LISTABLE and said[value] > read[value] > 0}
    return {value for value in few if len({stem(n.unit) for n in numerals if n.value == value}) > 1}


def _parts(numerals: Sequence[Numeral], question: str) -> set[Number]:
    """Return the parts of a whole that is said or known, and the whole.

    "5 days a week and 10 hours a day for the other 2", "90% of her sheep, but the remaining 10%", "5 bottles: 3 of the
    bottles ... 2 of the bottles": none of these can be another number without the others.
    """
    found: set[Number] = set()
    for one, two in itertools.permutations(numerals, 2):
        whole = one.value + two.value
        said = any(n.value == whole <= _LISTABLE for n in numerals)
        known = (whole == 7 and "week" in question) or (whole == 100 and one.unit == two.unit == "%")
        rest = _REST_BEFORE.search(question[: two.start]) is not None
        shares = said and all(_SHARE_AFTER.match(question, n.end) for n in (one, two))
        if shares or (rest and (known or said)):
            found |= {one.value, two.value, whole}
    return found


def _not_scanned(text: str, numerals: Sequence[Numeral]) -> set[Number]:
    """Return the numbers that stand in a text where no numeral was seen: ordinals, clocks, digits beside letters."""
    covered = {place for numeral in numerals for place in range(numeral.start, numeral.end)}
    return {int(match.group()) for match in re.finditer(r"\d+", text) if match.start() not in covered}


def refuse_not_scanned(text: str, numerals: Sequence[Numeral], values: Sequence[Number]) -> None:
    """Refuse a sentence with a varying number in a place where it cannot be replaced."""
    if _not_scanned(text, numerals) & set(values):
        raise RefusedError("a number of a sentence is part of a word")


def _refuse_idle_results(question: str, steps: Sequence[str], marks: Sequence[Mark], num_leaves: int) -> None:
    """Refuse a solution that leaves a result lying: it goes on with something worked out in the head."""
    read = set().union(*(variables(mark.tree) for mark in marks))
    idle = [index for index in range(num_leaves, num_leaves + len(marks) - 1) if index not in read]
    if idle and not COMPARES.search(question) and not any(re.search("[<>]", _without_marks(step)) for step in steps):
        raise RefusedError("a result that no calculation reads")


def complete_marks(step: str) -> str:
    """Put the mark into `23 - 10 = 13` where the annotators left it out."""
    out, position = [], 0
    for match in _EQUALS.finditer(step):
        if match.end() < position or step[match.end() :].startswith("<<") or _inside_mark(step, match.start()):
            continue
        shown = match[1].rstrip(".,")
        before = _without_marks(step[: match.start()])
        if (expression := _expression_before(before, shown)) is not None:
            out.append(step[position : match.end()] + f"<<{expression}={shown.replace(',', '')}>>")
            position = match.end()
    return "".join(out) + step[position:]


def _inside_mark(step: str, position: int) -> bool:
    return step.rfind("<<", 0, position) > step.rfind(">>", 0, position)


def _without_marks(text: str) -> str:
    return MARK.sub("", text)


def _expression_before(before: str, shown: str) -> str | None:
    """Return the arithmetic that ends `before` and gives `shown`, if there is one with at least one operator."""
    sentence = re.split(r"(?:[.;:?!,]\s|=|\bso\b|\band\b)", before)[-1]
    bare = _NOT_ARITHMETIC.sub(" ", re.sub(r"(?<=[\w)]) [xX] (?=[$\d(])", " * ", sentence)).replace("$", " ")
    target = parse_number(shown)
    for match in re.finditer(r"[\d.(]", bare):
        try:
            tokens = split(bare[match.start() :])
        except MarkError:
            continue
        text = "".join(tokens)
        if len([token for token in tokens if is_number(token)]) < 2:
            return None
        result = calculate(text)
        if result is not None and parse_number(result) == target:
            return text
    return None


def _marks(steps: Sequence[str]) -> Iterator[Mark]:
    for number, step in enumerate(steps):
        for match in MARK.finditer(step):
            left, equals, right = match.group()[2:-2].rpartition("=")
            shown, result = parse_number(right), calculate(left)
            if not equals or shown is None or result is None:
                raise RefusedError("a mark is no arithmetic")
            if parse_number(result) != shown:
                raise RefusedError("a mark is wrong or rounded")
            try:
                tokens = tuple(split(left))
                seen = [token for token in tokens if is_number(token)]
                value = tidy(Fraction(exact(parse(tokens, lambda i, seen=seen: ("c", _value(seen[i]))), ())))  # type: ignore[misc]
            except (MarkError, ZeroDivisionError):
                raise RefusedError("a mark is no arithmetic") from None
            if value != shown:
                raise RefusedError("a mark is wrong or rounded")
            if value <= 0:
                raise RefusedError("a result is not positive")
            if len(seen) < 2:
                raise RefusedError("a mark is no arithmetic")
            yield Mark(number, match.start(), match.end(), tokens, value)


def _term_counts(marks: Iterable[Mark]) -> set[int]:
    """Return what divides a sum of as many terms: the `/ 3` of an average counts things and is no free number."""
    marks = list(marks)
    counts = {longest_sum(parse(mark.tokens, lambda i: ("c", 1))) for mark in marks}
    divisors = {second for mark in marks for first, second in itertools.pairwise(mark.tokens) if first == "/"}
    return {count for count in counts if count > 2 and str(count) in divisors}


def _terms_and_one_more(marks: Iterable[Mark]) -> set[int]:
    """Return how many numbers are added up, and one more: an average of five is asked for where four are told."""
    sums = {longest_sum(parse(mark.tokens, lambda i: ("c", 1))) for mark in marks}
    return {count + more for count in sums if count > 2 for more in (0, 1)}


def _value(token: str) -> Number:
    return tidy(Fraction(token.replace(",", "")))


def _used(free: Sequence[Number], operands: Sequence[Sequence[Number]], numerals: Sequence[Numeral]) -> list[Number]:
    """Keep the values that a mark reads, as they are or derived (30 % as 0.3)."""
    present = {value for row in operands for value in row}
    return [
        value
        for value in free
        if value in present or any(_at(node, value) in present for node in _derived(0, value, numerals))
    ]


def _at(node: Node, value: Number) -> Number:
    return tidy(Fraction(exact(node, [value])))


def _derived(index: int, value: Number, numerals: Sequence[Numeral]) -> list[Node]:
    """Return the other faces of a leaf: of 30 % 0.3, 0.7, 1.3, 70, 130; of $1.08 also 108 cents; of 1/4 also 0.25."""
    units = {n.unit for n in numerals if n.value == value}
    leaf: Node = ("v", index)
    nodes: list[Node] = []
    if "%" in units:
        share: Node = ("/", leaf, ("c", 100))
        nodes += [share, ("-", ("c", 1), share), ("+", ("c", 1), share)]
        nodes += [("-", ("c", 100), leaf), ("+", ("c", 100), leaf)]
    if "$" in units:
        nodes.append(("*", leaf, ("c", 100)))
    if "cents" in units or "cent" in units:
        nodes.append(("/", leaf, ("c", 100)))
    if "minutes" in units:
        nodes.append(("/", leaf, ("c", 60)))
    if units & {"hours", "hour", "minutes", "minute"}:
        nodes.append(("*", leaf, ("c", 60)))
    return nodes


def _refuse_hidden_relations(
    question: str,
    numerals: Sequence[Numeral],
    leaves: Sequence[Number],
    marks: Sequence[Mark],
    operands: Sequence[Sequence[Number]],
) -> None:
    """Refuse a question that states a number which follows from others: varying those would make it false."""
    read = {value for row in operands for value in row}
    idle = {n.value for n in numerals if n.value > 2} - set(leaves) - read
    if idle & {mark.result for mark in marks}:
        raise RefusedError("the question states a result")
    values = [n.value for n in numerals]
    if any(stated in _sums([v for v in values if v < stated]) for stated in idle):
        raise RefusedError("the question states a sum of its numbers")
    if {n.value for n in numerals} & _weights(marks):
        raise RefusedError("the question states a sum of its numbers")
    # "The sides measure 8 by 5 inches, the top 40 square inches": it would have to change with both.
    if _AREA.search(question) and any(a * b in values for a, b in itertools.combinations(set(values) - {1}, 2)):
        raise RefusedError("the question states a product of its numbers")
    # "5 paintings ... 3 of the paintings": how they make up the whole is told in words.
    left = {n.value for n in numerals if n.value == 1 and _LEFT.match(question, n.end)} - read
    units = {stem(n.unit) for n in numerals if n.value in idle | left} - {""}
    if any(stem(n.unit) in units for n in numerals if n.value in leaves):
        raise RefusedError("the question states a number that the solution does not read")


def _weights(marks: Sequence[Mark]) -> set[Number]:
    """Return what divides a sum of products whose factors add up to it: the 9 of "9 votes: 4 for five, 5 for two"."""
    products = [[_value(mark.tokens[0]), _value(mark.tokens[2])] for mark in marks if mark.tokens[1::2] == ("*",)]
    if len(products) < 2:
        return set()
    results = {mark.result for mark in marks}
    parts = [mark.tokens for mark in marks if mark.tokens[1::2] == ("/",)]
    divisors = {_value(tokens[2]) for tokens in parts if _value(tokens[0]) in results}
    return divisors & {sum(factors) for factors in zip(*products, strict=True)}


def _sums(values: Sequence[Number]) -> set[Number]:
    """Return the sums of two or more of the values, of the first ten."""
    sums: set[tuple[Number, bool]] = {(0, False)}
    result: set[Number] = set()
    for value in values[:10]:
        new = {(total + value, total != 0) for total, _ in sums}
        result |= {total for total, several in new if several}
        sums |= new
    return result


def _read(
    marks: Sequence[Mark],
    operands: Sequence[Sequence[Number]],
    leaves: Sequence[Number],
    constants: tuple[set[Number], set[Number], set[Number]],
    numerals: Sequence[Numeral],
    units: Sequence[frozenset[str]],
    asked: Sequence[str],
) -> list[Mark]:
    """Choose for every operand what it is. Raises `RefusedError` if none or several readings make sense."""
    count, choices = len(leaves), []
    counts = _term_counts(marks)
    for position, row in enumerate(operands):
        shares = _percent_divisors(marks[position], numerals) | _counts_divided_by(marks[position], counts)
        for place, value in enumerate(row):
            options = _options(value, position, marks, leaves, constants, numerals)
            options = [("c", value)] if place in shares else options
            if not options:
                raise RefusedError("an operand of unknown origin")
            choices.append(options)
    size = 1
    for options in choices:
        size *= len(options)
    if size > MAX_READINGS:
        raise RefusedError("too many readings")
    told = {value: frozenset(stem(n.unit) for n in numerals if n.value == value) for value in constants[0]}
    unlike = [[_unlike(option, unit, units, told) for option in row] for row, unit in zip(choices, asked, strict=True)]
    best: dict[tuple[Number, ...], tuple[Node, ...]] = {}
    least = (10**9, 0)
    for picks in itertools.product(*(range(len(row)) for row in choices)):
        reading = tuple(row[pick] for row, pick in zip(choices, picks, strict=True))
        used = set().union(*(variables(node) for node in reading))
        unused = sum(index not in used for index in range(count + len(marks) - 1))
        penalty = unused, sum(row[pick] for row, pick in zip(unlike, picks, strict=True))
        if penalty > least:
            continue
        if penalty < least:
            least, best = penalty, {}
        best.setdefault(_signature(reading, marks, operands, count), reading)
    if len(best) > 1:
        raise RefusedError("ambiguous operand")
    return _with_trees(next(iter(best.values())), marks, operands)


def _percent_divisors(mark: Mark, numerals: Sequence[Numeral]) -> set[int]:
    """Return which operands are the 100 of `40/100`, where the question has 40 %: no result that happens to be 100."""
    percents = {str(numeral.value) for numeral in numerals if numeral.unit == "%"}
    numbers = [place for place, token in enumerate(mark.tokens) if is_number(token)]
    return {
        count
        for count, place in enumerate(numbers)
        if place > 1 and mark.tokens[place - 1 : place + 1] == ("/", "100") and mark.tokens[place - 2] in percents
    }


def _counts_divided_by(mark: Mark, counts: set[int]) -> set[int]:
    """Return which operands divide a sum by the number of its terms, written in one mark or in two."""
    numbers = [place for place, token in enumerate(mark.tokens) if is_number(token)]
    return {
        count
        for count, place in enumerate(numbers)
        if place and mark.tokens[place - 1] == "/" and _value(mark.tokens[place]) in counts
    }


def _unlike(option: Node, unit: str, units: Sequence[frozenset[str]], told: Mapping[Number, frozenset[str]]) -> int:
    """Return 1 if a number written with this unit is unlikely to be `option`, which counts something else.

    What "10 each day" counts is not said: it may be anything. `told` has what the fixed numbers of the question count.
    """
    mine = units[option[1]] if option[0] == "v" else told.get(option[1], frozenset())
    return int(bool(unit) and unit not in mine and not any(map(ends_noun, mine)))


def stem(unit: str) -> str:
    """Return a unit without its plural s."""
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") else unit


def _operand_units(marks: Sequence[Mark], steps: Sequence[str]) -> Iterator[str]:
    """Yield for every operand what it counts where the sentence before the mark writes it.

    Of equal numbers the last to be written are the operands, in their order: "6 hours/week * 6 weeks = <<6*6=36>>".
    """
    for mark in marks:
        text = _without_marks(steps[mark.step][: mark.start])
        values = [_value(token) for token in mark.tokens if is_number(token)]
        written: dict[Number, list[str]] = {}
        for numeral in scan(text, pins=False):
            written.setdefault(numeral.value, []).append(stem(numeral.unit))
        left = {value: units[-values.count(value) :] for value, units in written.items() if value in values}
        yield from (left[value].pop(0) if left.get(value) else "" for value in values)


def result_units(marks: Sequence[Mark], steps: Sequence[str]) -> list[str]:
    """Return for every mark what its result counts, from the words after it: "$", "%", a noun, or nothing."""
    units = []
    for mark in marks:
        text = steps[mark.step]
        shown = next(iter(scan(text[mark.end : mark.end + 60], pins=False)), None)
        money = text[: mark.start].rstrip().endswith("$")
        units.append("$" if money else shown.unit if shown is not None and not shown.start else "")
    return units


def _options(
    value: Number,
    position: int,
    marks: Sequence[Mark],
    leaves: Sequence[Number],
    constants: tuple[set[Number], set[Number], set[Number]],
    numerals: Sequence[Numeral],
) -> list[Node]:
    count = len(leaves)
    options: list[Node] = [("v", index) for index, leaf in enumerate(leaves) if leaf == value]
    options += [("v", count + earlier) for earlier in range(position) if marks[earlier].result == value]
    stated, allowed, converted = constants
    # What the question says counts as much as a result; any other constant is what nothing else explains.
    constant: list[Node] = [("c", value)] if value in stated or value in converted else []
    if options:
        return options + constant
    for index, leaf in enumerate(leaves):
        faces = zip(_derived(index, leaf, numerals), _derived(0, leaf, numerals), strict=True)
        options += [node for node, probe in faces if _at(probe, leaf) == value]
    for earlier in range(position):
        result, node = marks[earlier].result, ("v", count + earlier)
        options += [("/", node, ("c", 100))] if Fraction(result) / 100 == value and 0 < value < 1 else []
    options += [
        ("/", ("v", a), ("v", b)) for a, b in _fractions(leaves, numerals) if Fraction(leaves[a]) / leaves[b] == value
    ]
    options += [("-", ("v", b), ("v", a)) for a, b in _fractions(leaves, numerals) if leaves[b] - leaves[a] == value]
    options += [("-", ("v", b), ("c", 1)) for b in _unit_fractions(leaves, numerals) if leaves[b] - 1 == value]
    options += [
        ("/", ("c", 1), ("v", b)) for b in _unit_fractions(leaves, numerals) if Fraction(1) / leaves[b] == value
    ]
    options += constant
    if not options and value in allowed and not _may_follow(value, leaves):
        options.append(("c", value))
    return options


def _may_follow(value: Number, leaves: Sequence[Number]) -> bool:
    """Say whether a small constant could be a calculation in the head: the 4 parts of "three times as many"."""
    if value in (0, 1) or value > 10:
        return False
    pairs = itertools.combinations(leaves, 2)
    return any(value in (leaf + 1, leaf - 1) for leaf in leaves) or any(value in (a + b, abs(a - b)) for a, b in pairs)


def _fractions(leaves: Sequence[Number], numerals: Sequence[Numeral]) -> list[tuple[int, int]]:
    """Return the (numerator, denominator) leaves of the fractions a/b of the question."""
    places = {leaf: index for index, leaf in enumerate(leaves)}
    pairs = [(a, b) for a, b in itertools.pairwise(numerals) if b.start - a.end == 1 and a.value < b.value]
    return [(places[a.value], places[b.value]) for a, b in pairs if a.value in places and b.value in places]


def _unit_fractions(leaves: Sequence[Number], numerals: Sequence[Numeral]) -> list[int]:
    places = {leaf: index for index, leaf in enumerate(leaves)}
    return [
        places[b.value]
        for a, b in itertools.pairwise(numerals)
        if a.value == 1 and b.start - a.end == 1 and b.value in places
    ]


def _with_trees(reading: Sequence[Node], marks: Sequence[Mark], operands: Sequence[Sequence[Number]]) -> list[Mark]:
    nodes, out = iter(reading), []
    for mark, row in zip(marks, operands, strict=True):
        mine = tuple(next(nodes) for _ in row)
        tree = parse(mark.tokens, mine.__getitem__)
        out.append(Mark(mark.step, mark.start, mark.end, mark.tokens, mark.result, mine, tree))
    return out


def _signature(
    reading: Sequence[Node], marks: Sequence[Mark], operands: Sequence[Sequence[Number]], count: int
) -> tuple[Number, ...]:
    """Return the results for two sets of leaves: readings with the same signature compute the same."""
    found: list[Number] = []
    for shift in (0, 5):
        values: list[Number] = [_PROBES[(index + shift) % len(_PROBES)] + shift for index in range(count)]
        for mark in _with_trees(reading, marks, operands):
            try:
                values.append(exact(mark.tree, values))
            except ZeroDivisionError:
                values.append(0)
        found += values[count:]
    return tuple(found)

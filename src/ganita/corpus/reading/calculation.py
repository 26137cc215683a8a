"""A calculation over the numbers of a question, checked against it and told in steps with calculator marks.

    (60 + 40) * 20/100      ->      The sum is 60 + 40 = <<60+40=100>>100.
                                    20% of 100 is 100 * 20/100 = <<100*20/100=20>>20.

MathQA's formulas, LILA's programs and one-line equations all become such a tree. The result alone proves little: the
annotators of MathQA were shown the right option, and many a formula reaches it by accident. So every number must come
from the question or be a conversion that its words allow, every number of the question must be used, sums must be of
one kind of thing (money with money), nothing may cancel out, and no step may be negative.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from ganita.arithmetic import ArithmeticRefusedError, evaluate, format_number, parse_number
from ganita.corpus.variants.numerals import Numeral, scan
from ganita.corpus.variants.pins import hidden_values

MAX_STEPS = 8
MAX_SIZE = 100  # numbers in a whole calculation
MAX_VALUE = 10**12
MAX_TERMS = 5  # numbers in one step: more is hard to follow
_COUNTED = re.compile(
    r"\bhow many (?!hours|minutes|seconds|miles|dollars|kilo|pounds|ounces|cups|lit|gallons|meters|metres|feet|inches"
    r"|grams|years|weeks|days|acres|km|kg|percent|times|cm|cubic|square|more (?:hours|litres|liters|miles|days))",
    re.IGNORECASE,
)
_TIMES = re.compile(
    r"\btimes\b|\btwice\b|\bdouble\b|\bas (?:much|many|old)\b|original number|of (?:it|the same)\b", re.IGNORECASE
)
_TIME = r"\bhours?\b|\bhrs?\b|minute|\bmins?\b|second|\bsec\b|kmph|km/h|\bmph\b"
# Numbers that a solution may bring in where the question speaks of these things.
_CONVERSIONS: tuple[tuple[str, tuple[int, ...]], ...] = (
    (r"%|percent|interest|profit|loss|gain|discount|\bcents?\b|\bcm\b|met(?:er|re)s?\b", (100,)),
    (_TIME, (60, 3600)),
    (r"km|kilom|\bkg\b|kilog|litre|liter|\bml\b|\bgm?\b|grams?\b", (1000,)),
    (r"\byears?\b|annual|annum|yearly|feet|foot|inch|dozen", (12,)),
    (r"\bhours?\b.*\bdays?\b|\bdays?\b.*\bhours?\b", (24,)),
    (r"\bweeks?\b.*\bdays?\b|\bdays?\b.*\bweeks?\b", (7,)),
    (r"half|twice|double|both|each way|round trip|and back|returns?\b|consecutive", (2,)),
    (r"triang|perimeter|fenc|compounded semi", (2,)),
    (r"\bsquare\b(?! (?:feet|foot|met|cent|inch|yard|km|mile))", (4,)),
    (r"quarter", (4,)),
    (r"third|triple|thrice", (3,)),
    (r"yards?\b.*\bfeet|feet.*yards?\b", (3,)),
)
_KINDS: tuple[tuple[str, str], ...] = (
    (r"(?:km/hr?|kmph|km ph|km/hour|kph|kmh|km per hour|mph|miles (?:per|an) hour)", "speed"),
    (r"(?:m/s(?:ec)?|mps|met(?:er|re)s per second)", "speed"),
    (r"(?:hours?|hrs?|minutes?|mins?|seconds?|secs?|days?|weeks?|months?|years?)", "time"),
    (r"(?:kms?|kilomet(?:er|re)s?|met(?:er|re)s?|m|cm|miles?|feet|foot|ft|inch(?:es)?|yards?)", "length"),
    (r"(?:kgs?|kilograms?|grams?|gms?|g|pounds?|lbs?|ounces?|oz|tons?)", "mass"),
    (r"(?:lit(?:er|re)s?|gallons?|ml|pints?|quarts?|cups?)", "volume"),
    (r"(?:dollars?|rupees?|cents?|rs)", "money"),
    (r"percent(?:age)?", "%"),
)  # fmt: skip


class NotToldError(ValueError):
    """The calculation is not told as steps; the message, one of few, says why."""


@dataclass(frozen=True)
class Leaf:
    """A number; `named` if its author brought it in as a constant rather than read it in the question."""

    value: Fraction
    named: bool = False

    def __post_init__(self) -> None:
        """Raise `NotToldError` for a number that no such question has."""
        if abs(self.value) >= MAX_VALUE or self.value.denominator > MAX_VALUE:
            raise NotToldError("does not calculate")


@dataclass(frozen=True)
class Op:
    """`left` and `right` joined by one of + - * /."""

    sign: str
    left: Node
    right: Node
    size: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise `NotToldError` for a tree that is too large: a program can double it with every line."""
        object.__setattr__(
            self, "size", sum(part.size if isinstance(part, Op) else 1 for part in (self.left, self.right))
        )
        if self.size > MAX_SIZE:
            raise NotToldError("more than 8 steps")


Node = Leaf | Op
ONE, HUNDRED = Fraction(1), Fraction(100)


def value_of(node: Node) -> Fraction:
    """Return the exact value. Raises `NotToldError` for a division by zero."""
    if isinstance(node, Leaf):
        return node.value
    left, right = value_of(node.left), value_of(node.right)
    if node.sign == "/" and not right:
        raise NotToldError("does not calculate")
    return {"+": left.__add__, "-": left.__sub__, "*": left.__mul__, "/": left.__truediv__}[node.sign](right)


def tell(question: str, node: Node) -> tuple[tuple[str, ...], str]:
    """Return the steps of a calculation and its answer. Raises `NotToldError` with the check that it fails."""
    answer = value_of(node)
    _check_answer(question, answer)
    if any(parse_number(format_number(leaf.value)) != leaf.value for leaf in _leaves(node)):
        raise NotToldError("no plain arithmetic")
    numerals = scan(question)
    twice = {value for value, count in Counter(Fraction(n.value) for n in numerals).items() if count > 1}
    _check_numbers(question, numerals, node)
    node = simplify(node)
    if isinstance(node, Leaf):
        raise NotToldError("nothing to calculate")
    for part in _parts(node):
        _check_part(part, twice)
    _check_kinds(question, numerals, node)
    _check_base(question, node)
    steps = _Teller(question, numerals).steps(node)
    return steps, format_number(answer)


def _parts(node: Node) -> Iterator[Op]:
    """Yield the operations of a tree, inner ones first."""
    if isinstance(node, Op):
        yield from _parts(node.left)
        yield from _parts(node.right)
        yield node


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    else:
        yield from _leaves(node.left)
        yield from _leaves(node.right)


def _check_answer(question: str, answer: Fraction) -> None:
    if answer <= 0:
        raise NotToldError("its answer is not positive")
    if (answer * 100).denominator != 1 or answer >= 10**9:
        raise NotToldError("its answer is no number of at most 2 decimals")
    if answer.denominator != 1 and _COUNTED.search(question):
        raise NotToldError("part of a thing that is counted")


def _check_part(part: Op, twice: set[Fraction]) -> None:
    """Refuse what nobody would calculate who has understood the question; `twice` are numbers that it has twice."""
    value = value_of(part)
    if value <= 0:
        raise NotToldError("a step is not positive")
    if value >= MAX_VALUE or value.denominator > MAX_VALUE:
        raise NotToldError("does not calculate")
    left, right = part.left, part.right
    if part.sign in "+-" and isinstance(left, Leaf) and isinstance(right, Leaf) and left.named and right.named:
        raise NotToldError("constants reckoned with constants")
    above, below = _factors(part) if part.sign in "*/" else _terms(part)
    # Two numbers of the question may happen to be equal: each train is 120 m long.
    if any(not (isinstance(both, Leaf) and both.value in twice) for both in above & below):
        raise NotToldError("something cancels out")


def simplify(node: Node) -> Node:
    """Return a tree without factors of 1, and without constants that undo each other: * 100 / 100, + 1 - 1."""
    if isinstance(node, Leaf):
        return node
    node = Op(node.sign, simplify(node.left), simplify(node.right))
    product = node.sign in "*/"
    above, below = _factors(node) if product else _terms(node)
    undone = Counter({leaf: count for leaf, count in (above & below).items() if isinstance(leaf, Leaf) and leaf.named})
    idle = {leaf for leaf in (*above, *below) if product and isinstance(leaf, Leaf) and leaf.value == 1}
    if not undone and not idle:
        return node
    kept, taken = list((above - undone).elements()), list((below - undone).elements())
    kept = [part for part in kept if part not in idle]
    if not product and not kept:
        return node
    found: Node = kept[0] if kept else Leaf(ONE, True)
    for part in kept[1:]:
        found = Op("*" if product else "+", found, part)
    for part in taken:
        if part not in idle:
            found = Op("/" if product else "-", found, part)
    return found


def _factors(node: Node) -> tuple[Counter[Node], Counter[Node]]:
    """Return the factors of a product above and below its line."""
    if isinstance(node, Leaf) or node.sign in "+-":
        return Counter({node: 1}), Counter()
    (above, below), (more, less) = _factors(node.left), _factors(node.right)
    return (above + more, below + less) if node.sign == "*" else (above + less, below + more)


def _terms(node: Node) -> tuple[Counter[Node], Counter[Node]]:
    """Return the terms of a sum that are added, and those that are taken away."""
    if isinstance(node, Leaf) or node.sign in "*/":
        return Counter({node: 1}), Counter()
    (plus, minus), (more, less) = _terms(node.left), _terms(node.right)
    return (plus + more, minus + less) if node.sign == "+" else (plus + less, minus + more)


def _check_numbers(question: str, numerals: list[Numeral], node: Op) -> None:
    # "One worker" gives no 1 to reckon with.
    asked = {Fraction(numeral.value) for numeral in numerals if numeral.value != 1 or not numeral.form.words}
    used = {leaf.value for leaf in _leaves(node)}
    for part in _parts(node):  # "for 2 years": the factor 1.1 is used twice
        used |= {Fraction(count) for count in _factors(part)[0].values() if part.sign == "*"}
    words = {Fraction(value) for value in hidden_values(question)}
    allowed = {Fraction(value) for pattern, values in _CONVERSIONS if re.search(pattern, question) for value in values}
    if re.search(r"km|kilom", question) and re.search(r"sec|met(?:er|re)|\bm\b|m/s|mps", question):
        allowed |= {Fraction(5), Fraction(18), Fraction(18, 5)}
    leaves = {leaf.value for leaf in _leaves(node)}
    if leaves - asked - words - allowed - {ONE}:
        raise NotToldError("a number that the question does not explain")
    if ONE in leaves and ONE not in asked and not _TIMES.search(question) and not _one_is_a_whole(node):
        raise NotToldError("a number that the question does not explain")
    # A small number may only count what is then told one by one ("two trains"); a year may only say when it was.
    idle = (
        n for n in numerals if (n.value <= 3 and (n.form.words or n.pinned)) or (n.pinned and 1900 < n.value < 2100)
    )
    if {Fraction(n.value) for n in numerals if n.value > 1} - used - {Fraction(n.value) for n in idle}:
        raise NotToldError("a number of the question is not used")


def _one_is_a_whole(node: Node) -> bool:
    """Say whether each 1 stands for a whole: 1 + 20/100, 1 - 1/3, or 1/4 of a work in an hour."""
    if isinstance(node, Leaf):
        return True
    one = Leaf(ONE, True)
    if one in (node.left, node.right):
        other = node.right if node.left == one else node.left
        part = isinstance(other, Op) and node.sign in "+-" and any(p.sign == "/" for p in _parts(other))
        inverse = node.sign == "/" and node.left == one
        if not part and not inverse:
            return False
    return _one_is_a_whole(node.left) and _one_is_a_whole(node.right)


def _kinds(question: str, numerals: list[Numeral]) -> dict[Fraction, set[str]]:
    """Return of what kind (money, time, %) each number of the question is; one may be of several."""
    found: dict[Fraction, set[str]] = {}
    for numeral in numerals:
        before, after = question[max(0, numeral.start - 5) : numeral.start], question[numeral.end :]
        kind = ""
        if before.endswith("$") or before.lower().endswith("rs. "):
            kind = "money"
        elif re.match(r"\s*%", after):
            kind = "%"
        else:
            for pattern, name in _KINDS:
                if re.match(rf"[- ]?(?:more |less )?{pattern}(?![\w/])", after, re.IGNORECASE):
                    kind = name
                    break
        found.setdefault(Fraction(numeral.value), set()).add(kind)
    return found


def _check_base(question: str, node: Node) -> None:
    """Refuse a profit reckoned on the wrong one of cost and selling price, as some collections have it."""
    on_sale = re.search(r"profit.{0,20}% of the (?:selling|sale)", question)
    on_cost = re.search(r"profit.{0,20}% of the cost", question)
    wholes = {ONE, HUNDRED}
    for part in _parts(node):
        inner = part.right
        if on_sale and part.sign == "+" and value_of(part.left) in wholes:
            raise NotToldError("a percentage of the wrong whole")
        less = isinstance(inner, Op) and inner.sign == "-" and value_of(inner.left) in wholes
        if on_cost and part.sign == "/" and less:
            raise NotToldError("a percentage of the wrong whole")


def _check_kinds(question: str, numerals: list[Numeral], node: Op) -> None:
    """Refuse sums of things of two known kinds: money and percent, kilometres and hours."""
    kinds = _kinds(question, numerals)

    def kind(node: Node) -> set[str]:
        """Return the kinds that a part may be of; the empty name is for any."""
        if isinstance(node, Leaf):
            return {"%", ""} if node == Leaf(HUNDRED, True) else kinds.get(node.value, {""})
        left, right = kind(node.left), kind(node.right)
        if node.sign in "+-":
            if "" in left | right:
                return left & right or {""}
            if not left & right:
                raise NotToldError("adds things of two kinds")
            return left & right
        if node.sign == "*" and left == right == {"money"}:
            raise NotToldError("multiplies money by money")
        if node.sign == "*" and {"speed"} in (left, right) and {"time"} in (left, right):
            return {"length"}
        if node.sign == "/" and left == {"length"} and right in ({"speed"}, {"time"}):
            return {"time"} if right == {"speed"} else {"speed"}
        return {""}

    kind(node)


class _Teller:
    """Puts a tree into steps: what is not exact in decimals is written out where it is used."""

    def __init__(self, question: str, numerals: list[Numeral]) -> None:
        self.percents = {Fraction(n.value) for n in numerals if n.unit == "%"}
        self.fractions = {
            (Fraction(a), Fraction(b)) for a, b in re.findall(r"(?<![\d./])(\d+)/(\d+)(?![\d/])", question)
        }
        self.told: dict[Node, str] = {}
        self.lines: list[str] = []

    def steps(self, node: Op) -> tuple[str, ...]:
        self._tell(node, last=True)
        if len(self.lines) > MAX_STEPS:
            raise NotToldError("more than 8 steps")
        return tuple(self.lines)

    def _tell(self, node: Op, last: bool = False) -> str:
        """Tell a part as a step of its own, the parts before it first; return its value as text."""
        if node in self.told:
            return self.told[node]
        asked, node = node, self._percent_first(node)
        text = self._write(node, top=True)
        value = value_of(node)
        try:
            assert evaluate(text) == value
        except ArithmeticRefusedError:
            raise NotToldError("does not calculate") from None
        if len(re.findall(r"[\d.]+", text)) > MAX_TERMS:
            raise NotToldError("a step of too many numbers")
        result = format_number(value)
        self.told[node] = self.told[asked] = result
        shown = re.sub(r"(?<=[\d)])([-+*/])(?=[\d(])", r" \1 ", text)
        shown = re.sub(r"(?<=\d) / (?=100\b)", "/", shown)
        self.lines.append(f"{self._start(node, last)} {shown} = <<{text}={result}>>{result}.")
        return result

    def _start(self, node: Op, last: bool) -> str:
        share = self._share(node)
        if share:
            return f"{format_number(share[0])}% of {self._face(share[1])} is"
        if last:
            return "The answer is" if len(self.lines) else "This gives"
        return {"+": "The sum is", "-": "The difference is"}.get(node.sign, "This gives")

    def _share(self, node: Op) -> tuple[Fraction, Node] | None:
        """Return percentage and whole of "20/100 of it"."""
        if node.sign != "*":
            return None
        for part, whole in ((node.left, node.right), (node.right, node.left)):
            if (
                self._is_percentage(part)
                and isinstance(part, Op)
                and (isinstance(whole, Leaf) or whole in self.told)
                and value_of(whole) > 1
            ):
                return value_of(part.left), whole
        return None

    def _is_percentage(self, node: Node) -> bool:
        return (
            isinstance(node, Op)
            and node.sign == "/"
            and isinstance(node.left, Leaf)
            and node.right in (Leaf(HUNDRED, True), Leaf(HUNDRED))
        )

    def _face(self, node: Node) -> str:
        return self.told[node] if isinstance(node, Op) else format_number(node.value)

    def _inline(self, node: Op, below_line: bool, over_hundred: bool) -> bool:
        value = value_of(node)
        plain = isinstance(node.left, Leaf) and isinstance(node.right, Leaf)
        if parse_number(format_number(value)) != value or (value * 10_000).denominator != 1:
            return True
        # "929.2 * 100 / 8" is one thought: the factor only changes the unit.
        unit = node.sign == "*" and any(isinstance(side, Leaf) and side.named for side in (node.left, node.right))
        if plain and unit and below_line:
            return True
        if over_hundred and node.sign == "*":
            return True
        bare = plain and all(leaf.named for leaf in _leaves(node))
        stated = plain and (value_of(node.left), value_of(node.right)) in self.fractions and node.sign == "/"
        return bare or stated or self._is_percentage(node)

    def _write(self, node: Node, top: bool = False, above: str = "", over_hundred: bool = False) -> str:
        if isinstance(node, Leaf):
            return format_number(node.value)
        if not top:
            if node in self.told:
                return self.told[node]
            if not self._inline(node, above == "/", over_hundred):
                return self._tell(node)
        # The whole before its percentage reads as people write it: 250 * 20/100.
        first, second = node.left, node.right
        if node.sign == "*" and self._is_percentage(first) and not self._is_percentage(second):
            first, second = second, first
        over_hundred = node.sign == "/" and second == Leaf(HUNDRED, True)
        left = self._operand(first, node.sign, False, over_hundred)
        right = self._operand(second, node.sign, True)
        return f"{left}{node.sign}{right}"

    def _percent_first(self, node: Op) -> Op:
        """Write 20 * 650 / 100, where 20 is a percentage of the question, as 650 * 20/100."""
        inner = node.left
        if node.sign == "/" and node.right == Leaf(HUNDRED, True) and isinstance(inner, Op) and inner.sign == "*":
            for share, whole in ((inner.left, inner.right), (inner.right, inner.left)):
                if isinstance(share, Leaf) and share.value in self.percents and inner not in self.told:
                    return Op("*", whole, Op("/", share, node.right))
        return node

    def _operand(self, node: Node, above: str, right: bool, over_hundred: bool = False) -> str:
        text = self._write(node, above=above, over_hundred=over_hundred)
        if not isinstance(node, Op) or node in self.told:
            return text
        loose, product = node.sign in "+-", above in "*/"
        needed = (product and loose) or (right and (above == "/" or (above == "-" and loose)))
        return f"({text})" if needed else text

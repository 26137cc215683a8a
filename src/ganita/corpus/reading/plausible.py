"""Whether a calculation can be what a question asks for, as far as that can be seen without understanding it.

The result alone proves little: the annotators of MathQA were shown the right option, and many a formula reaches it by
accident. So every number must come from the question or be a conversion that its words allow, every number of the
question must be used, sums must be of one kind of thing (money with money), nothing may cancel out, and no step may be
negative.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from ganita.arithmetic import format_number, parse_number
from ganita.corpus.reading.calculation import (
    HUNDRED,
    MAX_VALUE,
    ONE,
    Leaf,
    Node,
    NotToldError,
    Op,
    factors,
    leaves,
    parts,
    simplify,
    terms,
    value_of,
)
from ganita.corpus.variants.numerals import Numeral
from ganita.corpus.variants.pins import hidden_values

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


def check(question: str, numerals: Sequence[Numeral], node: Node) -> Op:
    """Return a calculation in its simplest form if it passes every check; `numerals` are those of the question.

    Raises `NotToldError` with the first check that it fails.
    """
    _check_answer(question, value_of(node))
    if any(parse_number(format_number(leaf.value)) != leaf.value for leaf in leaves(node)):
        raise NotToldError("no plain arithmetic")
    _check_numbers(question, numerals, node)
    node = simplify(node)
    if isinstance(node, Leaf):
        raise NotToldError("nothing to calculate")
    twice = {value for value, count in Counter(Fraction(n.value) for n in numerals).items() if count > 1}
    fractions = fractions_of(question)
    for part in parts(node):
        _check_part(part, twice)
        if part.sign == "*" and (value_of(part.left), value_of(part.right)) in fractions:
            raise NotToldError("a fraction of the question taken apart")
    _check_kinds(question, numerals, node)
    _check_base(question, node)
    return node


def fractions_of(question: str) -> set[tuple[Fraction, Fraction]]:
    """Return the numerators and denominators of a question's fractions: 3/4 is (3, 4)."""
    found = re.findall(r"(?<![\d./])(\d+)/(\d+)(?![\d/])", question)
    return {(Fraction(above), Fraction(below)) for above, below in found}


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
    above, below = factors(part) if part.sign in "*/" else terms(part)
    # Two numbers of the question may happen to be equal: each train is 120 m long.
    if any(not (isinstance(both, Leaf) and both.value in twice) for both in above & below):
        raise NotToldError("something cancels out")


def _check_numbers(question: str, numerals: Sequence[Numeral], node: Node) -> None:
    # "One worker" gives no 1 to reckon with.
    asked = {Fraction(numeral.value) for numeral in numerals if numeral.value != 1 or not numeral.form.words}
    brought = {leaf.value for leaf in leaves(node)}
    used = set(brought)
    for part in parts(node):  # "for 2 years": the factor 1.1 is used twice
        used |= {Fraction(count) for count in factors(part)[0].values() if part.sign == "*"}
    words = {Fraction(value) for value in hidden_values(question)}
    allowed = {Fraction(value) for pattern, values in _CONVERSIONS if re.search(pattern, question) for value in values}
    if re.search(r"km|kilom", question) and re.search(r"sec|met(?:er|re)|\bm\b|m/s|mps", question):
        allowed |= {Fraction(5), Fraction(18), Fraction(18, 5)}
    if brought - asked - words - allowed - {ONE}:
        raise NotToldError("a number that the question does not explain")
    if ONE in brought and ONE not in asked and not _TIMES.search(question) and not _one_is_a_whole(node):
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
        part = isinstance(other, Op) and node.sign in "+-" and any(p.sign == "/" for p in parts(other))
        inverse = node.sign == "/" and node.left == one
        if not part and not inverse:
            return False
    return _one_is_a_whole(node.left) and _one_is_a_whole(node.right)


def _kinds(question: str, numerals: Sequence[Numeral]) -> dict[Fraction, set[str]]:
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
    for part in parts(node):
        inner = part.right
        if on_sale and part.sign == "+" and value_of(part.left) in wholes:
            raise NotToldError("a percentage of the wrong whole")
        less = isinstance(inner, Op) and inner.sign == "-" and value_of(inner.left) in wholes
        if on_cost and part.sign == "/" and less:
            raise NotToldError("a percentage of the wrong whole")


def _check_kinds(question: str, numerals: Sequence[Numeral], node: Op) -> None:
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
        if node.sign == "/" and left == right and len(left) == 1 and "" not in left:
            return {"number"}
        if node.sign == "*" and left == right == {"money"}:
            raise NotToldError("multiplies money by money")
        if node.sign == "*" and {"speed"} in (left, right) and {"time"} in (left, right):
            return {"length"}
        if node.sign == "/" and left == {"length"} and right in ({"speed"}, {"time"}):
            return {"time"} if right == {"speed"} else {"speed"}
        return {""}

    kind(node)

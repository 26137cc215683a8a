"""What a text says without a numeral, and numbers that only count what the text goes on to list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from ganita.corpus.families.expressions import Number, tidy
from ganita.corpus.variants.numerals import Numeral

_HALF, _QUARTER = Fraction(1, 2), Fraction(1, 4)
# Words of a question that stand for a number; that number must then stay what it is wherever it is written.
_HIDDEN: tuple[tuple[str, tuple[Number, ...]], ...] = (
    (r"\b(?:half|halves|halved|twice|double[sd]?|both|couple|pairs?|twins?|once again)\b", (2,)),
    (r"\bhalf\b", (_HALF, Fraction(3, 2), Fraction(5, 2))),
    (r"\b(?:thrice|triple[sd]?|triplets|thirds?)\b", (3,)),
    (r"\b(?:quadruple[sd]?|fourths?|quarters?)\b", (4, _QUARTER, Fraction(3, 4), 25)),
    (r"\bfifths?\b", (5,)),
    (r"\bsixths?\b", (6,)),
    (r"\bsevenths?\b", (7,)),
    (r"\beighths?\b", (8,)),
    (r"\bninths?\b", (9,)),
    (r"\btenths?\b", (10,)),
    (r"\bdozens?\b", (12,)),
    (r"\bscore of\b", (20,)),
    (r"\bthe (?:fe)?male\b|\bthe other one\b|\beach other\b", (2,)),
    (r"\bweekends?\b|\bround[- ]trips?\b|\beach way\b|back and forth", (2,)),
    (r"\b(?:weekdays?|school days?|workdays?|Monday.{1,30}Friday)\b", (5,)),
    (r"\bthird of|two[- ]thirds|one[- ]third", (3, 2)),
)
# Constants that a solution may bring in, and what must be spoken of for it to do so.
_TRIGGERS: tuple[tuple[str, tuple[Number, ...]], ...] = (
    (r".", (0, 1, 100)),
    (r"%|percent", (Fraction(1, 100),)),
    (
        r"half|halv|twice|double|both|pair|couple|two\b|twin|each way|round trip|back|return|sides|parents|weekend",
        (2, _HALF),
    ),
    (r"\bdays?\b|week|daily", (7, 5, 2)),
    (r"\bhours?\b", (24,)),
    (r"\bhours?\b|minutes?|seconds?", (60, 30, 15, _HALF, _QUARTER, Fraction(3, 2), 45, 20, 3600)),
    (r"month", (30, 31, 28, 4, 12, 3, 6)),
    (r"\byears?\b|yearly|annual", (12, 52, 365, 4)),
    (r"\bfeet|\bfoot|inch|ft\b", (12, 3, 144, 5280)),
    (r"yard", (3, 36, 9)),
    (r"pound|ounce", (16, 2000)),
    (r"gallon|quart|pint|cup", (4, 2, 8, 16, 128)),
    (r"dozen|egg", (12, 6)),
    (r"kilo|\bkm\b|\bkg\b|meters?\b|gram|lit(?:er|re)|\bml\b", (1000, 100)),
    (r"decade", (10,)),
    (r"century", (100,)),
    (r"quarter", (4, 25, _QUARTER, 3, Fraction(3, 4))),
    (r"dime", (10, Fraction(1, 10))),
    (r"nickel", (5, Fraction(1, 20))),
    (r"penn(?:y|ies)|cent", (Fraction(1, 100),)),
    (r"triple|thrice|third|three|tricycle", (3,)),
    (r"square|rectang|sides|wall|perimeter", (4, 2)),
    (r"cube|dice|\bdie\b", (6, 3)),
    (r"triang", (3, 2, 180)),
    (r"fourth|quadruple|four\b", (4, Fraction(3, 4), _QUARTER)),
    (r"fifth|five\b", (5,)),
    (r"average|mean\b", (2, 3)),
    (r"dog|cat|horse|cow|pig|goat|sheep|chair|table|car\b|cars\b|tire", (4,)),
    (r"bicycle|bike|chicken|bird|people|person|children|eyes|hands|shoes|socks|legs|feet", (2,)),
    (r"spider|octop", (8,)),
    (r"sandwich", (2,)),
    (r"\bMonday|\bFriday|Saturday|Sunday|weekday|school day", (2, 3, 4, 5)),
    (r"\bdeck\b|cards", (52,)),
    (r"thousand", (1000,)),
    (r"million", (1_000_000,)),
    (r"minute|hour", (120, 90)),
)
# Measures of one kind: between two of them a question may tell how the one converts into the other.
_MEASURES = (
    r"(?:kilometers?|km|centimeters?|cm|millimeters?|mm|meters?|inch(?:es)?|f(?:ee|oo)t|yards?|miles?)",
    r"(?:pounds?|lbs?|ounces?|oz|kilograms?|kilos?|kg|grams?|tons?)",
    r"(?:gallons?|quarts?|pints?|cups?|lit(?:er|re)s?|ml|milliliters?|(?:table|tea)spoons?|ounces?|oz|f(?:ee|oo)t)",
)
_NUMBER = r"(\d[\d,]*(?:\.\d+)?)\s*(?:fluid |cubic |square )?"
_ONE = r"\b(?:1|an?|one|each|every|per)\s+(?:fluid |cubic |square |US )?"
_MAKES = r"(?: of [a-z]+)? (?:is|equals?|=|has|contains|holds|weighs)\s(?:equal to |about |the same as )?"
_TOLD_CONVERSIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        *(f"{_ONE}{kind}{_MAKES}{_NUMBER}{kind}\\b" for kind in _MEASURES),
        *(f"{_NUMBER}{kind} (?:in|to|per|make|equal) {_ONE}{kind}\\b" for kind in _MEASURES),
        r"\b(?:dime|nickel|quarter|dollar)s? (?:is|are|has|have|equals?)(?: equal to| worth| the same value as)?"
        r" (\d+) (?:penn(?:y|ies)|cents|nickels|dimes|quarters)\b",
        f"{_ONE}{_MEASURES[2]} of water weighs (?:about )?{_NUMBER}{_MEASURES[1]}\\b",
        r"\bdensity (?:of|is) (?:about )?(\d[\d,]*(?:\.\d+)?)",
    )
)
_SCALE = re.compile(r"\b(?:maps?|scale|models?|blueprint|drawing)\b", re.IGNORECASE)
_WEEKDAY = re.compile(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day")
_NAMES = re.compile(r"[A-Z][a-z]+(?:, [A-Z][a-z]+)+,? and [A-Z][a-z]+")
_GROUP = re.compile(
    r"(?:of )?(?:his|her|their)?\s*(?:\w+ )?(?:friend|brother|sister|sibling|cousin|child|kid|classmate|guest)"
)
_RANKS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5}
_RANK = re.compile(rf"\b({'|'.join(_RANKS)})\b(?! of\b| as\b)", re.IGNORECASE)
_PEOPLE = re.compile(
    r"(?:friend|brother|sister|sibling|child|kid|son|daughter|boy|girl|men|women|people|person|member|student|player"
    r"|worker|cousin|kind|type|sort|colou?r|flavou?r|different|test|exam|quiz|game|round|item|thing|book|stop|trip)"
)


def hidden_values(question: str) -> set[Number]:
    """Return the numbers that words like "half" and "dozen" stand for."""
    return {value for pattern, values in _HIDDEN if re.search(pattern, question, re.IGNORECASE) for value in values}


def hidden_groups(text: str) -> list[tuple[Number, ...]]:
    """Return for every kind of such words in a text what it may stand for."""
    return [values for pattern, values in _HIDDEN if re.search(pattern, text, re.IGNORECASE)]


def constants_of(text: str) -> set[Number]:
    """Return the constants that what is spoken of allows: 7 where there are weeks, 60 where there are hours."""
    return {value for pattern, values in _TRIGGERS if re.search(pattern, text, re.IGNORECASE) for value in values}


def conversions(question: str) -> set[Number]:
    """Return the conversions that what the question speaks of may bring in, where they are no good as leaves.

    A 12 beside "years" could be the months of a year in the solution, so it stays 12.
    """
    confusable: set[Number] = {7, 12, 16, 24, 30, 52, 60, 365, 1000}
    if re.search(r"%|percent|cent|meter", question):
        return confusable & constants_of(question) | {100}
    return confusable & constants_of(question)


def told_conversions(question: str) -> set[Number]:
    """Return the numbers of the conversions that a question tells: 2.2 in "1 kilogram is equal to 2.2 pounds".

    Not of a map, where the length that stands for a length is free.
    """
    if _SCALE.search(question):
        return set()
    matches = (match for pattern in _TOLD_CONVERSIONS for match in pattern.finditer(question))
    return {tidy(Fraction(match[1].replace(",", ""))) for match in matches}


def days_of_a_week(question: str, steps: Sequence[str], numerals: Sequence[Numeral]) -> set[Number]:
    """Return the counts of days where days of the week are told by name: between Monday and Saturday are four."""
    named = set(_WEEKDAY.findall(question)) | set(_WEEKDAY.findall(" ".join(steps)))
    return {n.value for n in numerals if n.unit in ("day", "days") and n.value < 7} if len(named) > 1 else set()


def groups_with_one_more(question: str, numerals: Sequence[Numeral]) -> set[Number]:
    """Return how many people are "she and 3 of her friends": a solution may read the 4 that nothing tells."""
    return {n.value + 1 for n in numerals if n.value < 10 and _GROUP.match(question[n.end :].lstrip())}


def listed(question: str, numerals: Sequence[Numeral], term_counts: Iterable[int]) -> set[Number]:
    """Return the small numbers that count what the question lists one by one, or what the solution adds up."""
    found: set[Number] = set()
    counts = set(term_counts)
    names = set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", question)) | set(re.findall(r"[A-Z][a-z]+(?='s)", question))
    ranks = {_RANKS[rank.lower()] for rank in _RANK.findall(question)}
    in_row = {group.count(",") - (", and" in group) + 2 for group in _NAMES.findall(question)}
    commas = question.count(", ") + question.count(" and ")
    for numeral in numerals:
        value = numeral.value
        if type(value) is not int or value > 10:
            continue
        after = question[numeral.end : numeral.end + 30].lower()
        # The third of three, or "a fourth" that joins three.
        ranked = value in ranks or (bool(ranks) and value in (max(ranks) + 1, max(ranks) - 1))
        several = len(names) >= value or commas + 1 >= value > 1
        if value in counts or value in in_row or ranked or (several and _PEOPLE.search(" ".join(after.split()[:3]))):
            found.add(value)
    return found

"""Which numerals of a text may not be replaced, by the words around them."""

from __future__ import annotations

import re

_LABELS = (
    r"grade|chapter|room|number|no\.|#|level|route|day|week|round|class|bus|type|version|step|phase|model|year|unit"
    r"|january|february|march|april|may|june|july|august|september|october|november|december|highway|interstate|channel"
    r"|team|group|box|house|train|car|machine|plan|option|store|box|lot|line|area|tank|bucket|part|section|month|quarter"
)
_LISTED = (
    r"friends|brothers|sisters|siblings|children|kids|sons|daughters|boys|girls|men|women|people|persons|kinds|types|"
    r"sorts|colors|colours|flavors|sizes|different|other|others|members|of them|of us|of these|of those|grandchildren|"
    r"cousins|students|teams|companies|stores|shops|classes|groups|ways|parts|halves|quarters|sides|players|cars|dogs|"
    r"cats|pets|houses|towns|cities|teachers|rooms|numbers|species|options|brands|sections|categories|floors"
)
# Conversions that nobody may change: the number, and what comes after it.
_CONVERSIONS = {
    2: r"pints|cups|semesters|weeks a|halves|wheels|legs|eyes|hands|feet\b|arms|weekend|wings|shoes|socks|ears",
    3: r"trimesters|feet|foot|wheels|teaspoons|angles|strikes|musketeers|outs|-?point|wheeler",
    4: r"quarters|weeks|quarts|cups|wheels|legs|seasons|sides|walls|tires|corners|-?leaf|wheeled|people for",
    5: r"week|school|work|nickel|business|fingers|-?cent|toes|cents",
    6: r"legs|-?pack|sides|faces|-?sided",
    7: r"days|-?day",
    8: r"ounces|legs|fluid|oz|tentacles|pints",
    9: r"innings|planets|squares",
    10: r"dimes|-?cent|millimeters|mm|years in|decade|fingers|toes|%? ?tithe",
    11: r"players",
    12: r"inches|in\b|months|-?month|eggs|ounces|-?inch|hours",
    16: r"ounces|oz|cups|tablespoons",
    18: r"holes",
    20: r"nickels",
    24: r"hours|hrs|-?hour",
    25: r"cents|-?cent",
    26: r"letters|miles",
    28: r"days",
    30: r"days|-?day",
    31: r"days|-?day",
    36: r"inches",
    50: r"states|cents|-?cent",
    52: r"weeks|cards|-?card",
    60: r"minutes|seconds|mins|min\b|-?minute|-?second",
    64: r"ounces|squares",
    90: r"degrees",
    100: r"cents|centimeters|cm|%|percent|pennies|points",
    128: r"ounces",
    180: r"degrees",
    360: r"degrees",
    365: r"days",
    366: r"days",
    1000: r"grams|meters|metres|milliliters|ml|g\b|m\b|kilograms|liters|watts",
    1760: r"yards",
    2000: r"pounds|lbs",
    5280: r"feet|ft",
}
_LABEL_BEFORE = re.compile(rf"(?:\b(?:{_LABELS})|#)\s*$", re.IGNORECASE)
# Words like "the two" point at things that were told before or are told next.
_POINTING = re.compile(
    r"\b(?:the|these|those|all|other|both|any|every|remaining|last|next|his|her|their|my|its|our|first|another|of|among"
    r"|between|into|in|'s|for)\s+(?:other |last |first |next |remaining )?$",
    re.IGNORECASE,
)
_POINTING_DIGIT = re.compile(
    r"\b(?:size|top|page|aged? group|World War|Formula|Part|the other|of the|these|those|all|the|both)\s+$",
    re.IGNORECASE,
)
_LISTED_AFTER = re.compile(rf"(?:\w+ )?(?:{_LISTED})\b", re.IGNORECASE)
_PART_AFTER = re.compile(
    r"(?:half|halves|third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth|and a half|at a time|by)",
    re.IGNORECASE,
)
_SCALE_AFTER = re.compile(
    r"\s*(?:[ap]\.?m\b|o'clock|:\d|x\b|million|thousand|billion|hundred|dozen|/\s*\d+\s*/|degrees)", re.IGNORECASE
)
_KIND_AFTER = re.compile(
    r"[- ]?(?:dollar |€ )?(?:bills?|notes?|coins?)\b|€ bills?|(?:,| and|, and) (?:\d+|[a-z]+) \$\d+ bills?"
    r"|\s*(?:cents? coins?|pointers?\b|points? (?:conversion|shot|basket|touchdown))"
    r"|-(?:cent|point|pointers?|sided|pack|way|wheel|star|legged|digit|person|piece|story|stroke|by)",
    re.IGNORECASE,
)
_BILL_AFTER = re.compile(r"[- ](?:dollar|cent)[- ](?:bill|note|coin)", re.IGNORECASE)
# "3 gerbils: Puffy, Muffy, and Scruffy" are named one by one.
_NAMED_AFTER = re.compile(r"\s*[a-z-]+(?: [a-z-]+)?(?:\s*:(?!\d)|,? (?:named|called)\b)")
_RANGE_BEFORE = re.compile(r"\d\s*[-–:]\s*$")
_RANGE_AFTER = re.compile(r"\s*[-–:]\s*\d|-?\s*(?:and|&)\s*(?:a half|1/2|one)")
_MIXED_AFTER = re.compile(r"\s\d+/\d")
_FRACTION_AFTER, _MIXED_BEFORE = re.compile(r"\s*/\s*\d"), re.compile(r"\d\s$")
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_YEAR_BEFORE = re.compile(r"\b(?:in|since|of|by|from|until|year)\s+$", re.IGNORECASE)
_COUNTED_AFTER = re.compile(r"\s*(?:[a-z]{4,}|%)")


def is_word_fixed(value: int, before: str, after: str) -> bool:
    """Say whether a number in words must stay; `before` and `after` are the text around it."""
    tail = after.lstrip(" -")
    return (
        value == 1  # "one" is an article or a pronoun as often as a number
        or bool(_POINTING.search(before))
        or bool(_LISTED_AFTER.match(tail) or _PART_AFTER.match(tail) or _NAMED_AFTER.match(tail))
        or bool(_LABEL_BEFORE.search(before) or _BILL_AFTER.match(after))
        or _is_conversion(value, after)
    )


def is_digit_fixed(written: str, before: str, after: str) -> bool:
    """Say whether a number in digits must stay; `before` and `after` are the text around it."""
    value = float(written.replace(",", ""))
    return (
        value in (0, 1)
        or after[:1].isalpha()
        or bool(_SCALE_AFTER.match(after) or _KIND_AFTER.match(after))
        or (value < 10 and bool(_NAMED_AFTER.match(after)))
        or bool(_RANGE_BEFORE.search(before) or _RANGE_AFTER.match(after))
        or bool(_MIXED_AFTER.match(after) or (_FRACTION_AFTER.match(after) and _MIXED_BEFORE.search(before)))
        or _is_year(written, before, after)
        or bool(_LABEL_BEFORE.search(before))
        or (value < 10 and bool(_POINTING_DIGIT.search(before)))
        or (value.is_integer() and _is_conversion(int(value), after))
    )


def _is_year(written: str, before: str, after: str) -> bool:
    if not _YEAR.fullmatch(written):
        return False
    return bool(_YEAR_BEFORE.search(before)) or not (before.rstrip().endswith("$") or _COUNTED_AFTER.match(after))


def _is_conversion(value: int, after: str) -> bool:
    pattern = _CONVERSIONS.get(value)
    return bool(pattern and re.match(rf"[- ]?(?:{pattern})", after, re.IGNORECASE))

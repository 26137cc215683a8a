"""The little English that filling a sentence needs: plurals, articles, number words, pronouns."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from ganita.corpus.families.expressions import Number, show

# fmt: off
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
# fmt: on
_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_PARTS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth"}
# Spelling and sound disagree: "an hour", "a uniform".
_SOUNDS_LIKE_VOWEL = re.compile(r"(hour|honest|heir)")
_SOUNDS_LIKE_CONSONANT = re.compile(r"(uni|use|usu|eu|one\b|once\b|ukulele)")


@dataclass(frozen=True)
class Noun:
    """A countable thing."""

    singular: str
    plural: str

    @classmethod
    def parse(cls, text: str) -> Noun:
        """Read `apple` or, where the plural is not regular, `shelf/shelves`."""
        singular, _, plural = text.partition("/")
        return cls(singular.strip(), plural.strip() or pluralize(singular.strip()))


@dataclass(frozen=True)
class Person:
    """A name with the pronouns that go with it."""

    name: str
    subject: str
    possessive: str
    object: str
    reflexive: str

    @classmethod
    def parse(cls, text: str) -> Person:
        """Read `Maria/she`. Raises KeyError for a pronoun other than he, she, they."""
        name, _, subject = text.partition("/")
        return cls(name.strip(), *_PRONOUNS[subject.strip()])


_PRONOUNS = {
    "he": ("he", "his", "him", "himself"),
    "she": ("she", "her", "her", "herself"),
    "they": ("they", "their", "them", "themselves"),
}


def pluralize(noun: str) -> str:
    """Return the regular plural of the last word of `noun`."""
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


def with_article(noun: str) -> str:
    """Return `noun` after "a" or "an"."""
    lower = noun.lower()
    vowel = bool(_SOUNDS_LIKE_VOWEL.match(lower)) or (lower[:1] in "aeiou" and not _SOUNDS_LIKE_CONSONANT.match(lower))
    return f"{'an' if vowel else 'a'} {noun}"


def possessive(name: str) -> str:
    """Return `Maria's`; for people that holds after a final s too (Carlos's)."""
    return f"{name}'s"


def number_words(value: Number) -> str:
    """Write a whole number below 1000 in words; anything else in digits."""
    if type(value) is not int or not 0 <= value < 1000:
        return show(value)
    if value < 20:
        return _ONES[value]
    if value < 100:
        return _TENS[value // 10] + (f"-{_ONES[value % 10]}" if value % 10 else "")
    rest = f" and {number_words(value % 100)}" if value % 100 else ""
    return f"{_ONES[value // 100]} hundred{rest}"


def times(value: Number) -> str:
    """Return `twice`, or `three times` for small numbers in words."""
    return "twice" if value == 2 else f"{number_words(value)} times"


def part(value: Number) -> str:
    """Return the name of 1/value: `half`, `a third`, `1/7`."""
    name = _PARTS.get(int(value))
    return f"1/{show(value)}" if name is None else name if name == "half" else with_article(name)


def ordinal(value: Number) -> str:
    """Return `1st`, `2nd`, `3rd`, `11th`."""
    number = int(value)
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def money(value: Number) -> str:
    """Return `$5` or `$2.50`: cents are written with two digits."""
    return f"${show(value)}" if Fraction(value).denominator == 1 else f"${float(value):.2f}"


NUMBER_FORMS: dict[str, Callable[[Number], str]] = {
    "": show,
    "words": number_words,
    "times": times,
    "part": part,
    "th": ordinal,
    "money": money,
}
NOUN_FORMS: dict[str, Callable[[Noun], str]] = {
    "": lambda noun: noun.singular,
    "s": lambda noun: noun.plural,
    "a": lambda noun: with_article(noun.singular),
}
PERSON_FORMS: dict[str, Callable[[Person], str]] = {
    "": lambda person: person.name,
    "'s": lambda person: possessive(person.name),
    "he": lambda person: person.subject,
    "his": lambda person: person.possessive,
    "him": lambda person: person.object,
    "himself": lambda person: person.reflexive,
}

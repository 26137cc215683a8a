"""Sentences: agreement, articles, pronouns, alternatives, and mistakes in them."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from ganita.corpus.families.english import Noun, Person, money, number_words, ordinal, part, pluralize, times
from ganita.corpus.families.template import Template, TemplateError

KINDS = {"n": "number", "one": "number", "price": "number", "item": "noun", "p": "person", "q": "person"}
VALUES = {
    "n": 5,
    "one": 1,
    "price": Fraction(5, 2),
    "item": Noun.parse("shelf/shelves"),
    "p": Person.parse("Maria/she"),
    "q": Person.parse("Tom/he"),
}


def render(text: str) -> str:
    return Template(text, KINDS).render(VALUES, random.Random(0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{n:item}, {one:item}", "5 shelves, 1 shelf"),
        ("{n:box/boxes}, {one:box/boxes}, {n:dollar}", "5 boxes, 1 box, 5 dollars"),
        ("{item.a}. {item.s} cost {price.money}", "A shelf. Shelves cost $2.50"),
        ("{p.he} saw {q.him}. {q.he} saw {p.him} in {p.his} car", "She saw him. He saw her in her car"),
        ("{p's} {n.words}, {n.times} {n.part}, {n.th}", "Maria's five, five times a fifth, 5th"),
        ("a 80-page book, a $8 hat, a 11 and a 1", "An 80-page book, an $8 hat, an 11 and a 1"),
        ("how much [|]? at 3 p.m. and later", "How much? At 3 p.m. and later"),
    ],
)
def test_rendering(text: str, expected: str) -> None:
    assert render(text) == expected


def test_every_alternative_occurs_and_is_counted() -> None:
    template = Template("[buys|gets [two|three]|]", KINDS)
    assert template.num_variants == 4
    seen = {template.render(VALUES, random.Random(seed)) for seed in range(60)}
    assert seen == {"Buys", "Gets two", "Gets three", ""}


def test_mentions_are_those_of_every_alternative() -> None:
    sequence = Template("{n} [{price} {p}|{price} {q}]", KINDS).sequence
    assert sequence.always == {"n", "price"}
    assert sequence.ever == {"n", "price", "p", "q"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nn}", "unknown name 'nn' (did you mean 'n'?)"),
        ("{n.word}", "no form 'word' (did you mean 'words'?)"),
        ("{p.hers}", "a person has no form"),
        ("[a|b", "not closed"),
        ("a]", "']' without '['"),
        ("{n", "'{' is not closed"),
        ("n}", "'}' without '{'"),
        ("{p:box}", "is a person, not a number"),
        ("{=}", "belongs in a step"),
        ("{n + 1}", "is not a reference"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        Template(text, KINDS)
    assert message in str(error.value)


def test_english_helpers() -> None:
    assert [pluralize(noun) for noun in ("box", "berry", "day", "bus", "apple")] == [
        "boxes",
        "berries",
        "days",
        "buses",
        "apples",
    ]
    assert [number_words(n) for n in (0, 13, 20, 47, 305, 1000)] == [
        "zero",
        "thirteen",
        "twenty",
        "forty-seven",
        "three hundred and five",
        "1000",
    ]
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 22)] == ["1st", "2nd", "3rd", "4th", "11th", "22nd"]
    assert [times(2), times(3), part(2), part(4), part(8), part(7)] == [
        "twice",
        "three times",
        "half",
        "a quarter",
        "an eighth",
        "1/7",
    ]
    assert money(Fraction(7, 4)) == "$1.75"

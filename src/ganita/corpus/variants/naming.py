"""Other names for the people of a problem: of the same gender, so that every pronoun stays right."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from ganita.corpus.families.english import Person
from ganita.corpus.families.loading import POOLS_FILE, read_pools

# Names that the pools do not have. None is a common word, a month or a place as well.
_MORE_HE = """
John Mike Sam Jerry Joe Billy Jim Steve Matt Tony Jake Carl Tim Josh Jimmy Greg Kyle Randy Rick Dave Ken Tommy Jeff
Bobby Bob Fred Jeremy Andy Pete Johnny Steven Manny Brad Connor Brandon Joey Bert Jose Dan Toby Luke Larry Justin Ted
Phil Ron Rob Hank Danny Bruce Bryan Todd Richard Kenny Nick Juan Cole Zack Shane Freddy Jared Hans Ed Phillip Jonah
Antonio Timmy Lucas Kenneth Zach Don Barney Maurice Fabian Ernie Nate Bernie Rodney Brendan Stan Teddy Alexander Eli
Roy Benjamin Wyatt Darrel Robbie Mark Bill Jackson Gary Jeffrey Jonathan Joshua Ronald Timothy Gregory Harvey Roland
Marvin Milton Melvin Jorge Sid Ned Wally Rudy Earl Leonard Frederick Edwin Dwayne Darren Craig Chad Brett Clark
"""
_MORE_SHE = """
Mary Sarah Martha Jane Janet Betty Tina Jessica Amanda Jenna Nancy Annie Gina Janice Mandy Kate Katie Beth Sue Anne
Carrie Donna Kylie Kendra Samantha Jennifer Natalie Kayla Stephanie Cindy Stacy Barbara Julie Ann Becky Madeline
Michelle Veronica Melissa Diane Danielle Brittany Pam Mara Shelly Cheryl Susie Dorothy Haley Peggy Patty Cara Nicole
Christina Maggie Carly Cathy Marla Lana Theresa Joan Marcia Erin Katy Bea Lizzy Tiffany Kira Carolyn Josie Kelsey
Allison Bethany Kristin Elizabeth Lauren Leah Shawna Hillary Alyssa Katherine Sheila Sabrina Lucille Tammy Connie
Lindsay Belinda Melanie Alison Tabitha Ashley Cynthia Gladys Genevieve Sophie Liza Pauline Doris Rhonda Liz Candice
Selena Isabella Betsy Rosie Emma Jill Kathy Lucy Wendy Gloria Lorraine Marilyn Marge Meredith Nadine Nellie Trisha
"""
# Also months, places or words of a sentence: left alone where they stand, and never drawn.
_WORDS = (
    "April June May August Will Art Rose Grace Joy Pearl Violet Hazel Ivy Iris Olive Daisy Miles Penny Candy Jordan"
    " Georgia Austin Sydney Victoria Florence Virginia Milan Robin Jean Chen Dana Ariel Andrea Noel Blake Rowan Logan"
    " Dev Ali Max Jack Dale Alma Aurora Flora Bonnie"
)


@functools.cache
def _genders() -> dict[str, str]:
    genders = {person.name: person.subject for split in ("train", "held-out") for person in _people(split)}
    genders |= dict.fromkeys(_MORE_HE.split(), "he") | dict.fromkeys(_MORE_SHE.split(), "she")
    words = set(_WORDS.split())
    return {name: gender for name, gender in genders.items() if name not in words}


def _people(split: str) -> list[Person]:
    pools = read_pools(Path(str(resources.files("ganita.corpus.families").joinpath(POOLS_FILE))))
    return [word for pool in pools.values() for word in pool.words[split] if isinstance(word, Person)]


def gender_of(name: str) -> str | None:
    """Return "he" or "she"; None for a name that is not known, or known as another word as well."""
    return _genders().get(name)


def names_in(text: str) -> list[str]:
    """Return the names of people in a text, each once, in order, with those that no list knows by gender left out."""
    return [word for word in dict.fromkeys(re.findall(r"[A-Z][a-z]+", text)) if word in _genders()]


@functools.cache
def _pool(gender: str) -> tuple[str, ...]:
    # The held-out names of the families are for their evaluation alone.
    kept = {person.name for person in _people("held-out")}
    return tuple(n for n, found in sorted(_genders().items()) if found == gender and n not in kept and n[-1] != "s")


class Cast:
    """The people of one problem whose names can be changed."""

    def __init__(self, question: str, steps: Sequence[str]) -> None:
        text = "\n".join((question, *steps))
        genders = _genders()
        words = set(re.findall(r"[A-Z][a-z]+", text))
        self.names = sorted(name for name in words & genders.keys() if _is_person(name, text))
        # Two spellings of one person (Jacob, Jacoby) would become two people.
        self.names = [name for name in self.names if not any(_alike(name, word) for word in words)]
        self.genders = [_told_gender(genders[name], text) for name in self.names]
        self.taken = frozenset(words)
        self._pattern = re.compile(r"\b(" + "|".join(self.names) + r")\b") if self.names else None
        self._index = {name: index for index, name in enumerate(self.names)}

    def cut(self, text: str) -> list[str | int]:
        """Cut a text at the names; an integer says which name stood there."""
        if self._pattern is None:
            return [text]
        return [self._index.get(part, part) for part in self._pattern.split(text) if part]

    def draw(self, rng: random.Random) -> list[str]:
        """Return a new name for each person, no two alike and none that the problem has already."""
        used = set(self.taken)
        out = []
        for gender in self.genders:
            pool = _pool(gender)
            name = pool[int(rng.random() * len(pool))]
            while any(name == other or _alike(name, other) for other in used):
                name = pool[int(rng.random() * len(pool))]
            used.add(name)
            out.append(name)
        return out


_PRONOUNS = {
    "he": re.compile(r"\b(?:he|him|his|himself)\b", re.IGNORECASE),
    "she": re.compile(r"\b(?:she|her|hers|herself)\b", re.IGNORECASE),
}
_OTHERS = re.compile(
    r"(?<=[a-z,;] )(?!(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|January|February|March|April|May|June|July|August"
    r"|September|October|November|December)[A-Z][a-z]+"
)
_KIN = re.compile(
    r"\b(?:mother|mom|mum|sister|wife|aunt|grandmother|grandma|daughter|niece|girlfriend|girl|woman|lady|father|dad"
    r"|brother|husband|uncle|grandfather|grandpa|son|nephew|boyfriend|boy|man|Mrs|Ms|Miss|Mr)\b"
)


def _told_gender(gender: str, text: str) -> str:
    """Return the gender that a text tells of its only person: Sam of whom it says "she" is no Malcolm."""
    other = "she" if gender == "he" else "he"
    people = set(names_in(text))
    alone = len(people) == 1 and text.startswith(tuple(people)) and not set(_OTHERS.findall(text)) - people
    if not alone or _KIN.search(text):
        return gender
    return other if _PRONOUNS[other].search(text) and not _PRONOUNS[gender].search(text) else gender


def _alike(name: str, word: str) -> bool:
    return name != word and (word[:3] == name[:3] or (len(word) == len(name) and word[1:] == name[1:]))


# Capital letters that may stand before a name in the middle of a sentence; any other makes it part of a longer name.
_MAY_PRECEDE = (
    "And If When While But So Then Since As For After Before How Of On In Is Does Did Can Was Today Yesterday Together"
    " With That First Next Each Because Meanwhile Thus Therefore Now Suppose Given At Total By His Her Its Their Both"
    " Once Finally Hence Altogether Only What Where Who From To Let Initially Every Until Mr Mrs Ms Dr"
).replace(" ", "|")
_LONGER_NAME = re.compile(rf"(?<![.?!:\"“”\n] )(?<!^)\b(?!{_MAY_PRECEDE})[A-Z]\w*\.? $")


def _is_person(name: str, text: str) -> bool:
    """Say whether a name stands alone wherever it stands: no surname, no "Lake", no school, no bare possessive."""
    for match in re.finditer(rf"\b{name}\b", text):
        before, after = text[max(0, match.start() - 20) : match.start()], text[match.end() : match.end() + 20]
        bare_possessive = name.endswith("s") and re.match(r"[’'](?!s)", after)
        if bare_possessive or re.match(r"\s+[A-Z][a-z]|-[A-Za-z]|\s+fish\b", after) or _LONGER_NAME.search(before):
            return False
    return True

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.contamination.letters import LONG, read_words

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def plain(word: str) -> str:
    """A word in lower case, letter by letter as the arrays do it, and without apostrophes."""
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in word if letter not in "'’")


def check(text: str) -> None:
    """Same words at the same places as the regular expression finds; same numbers exactly for same words."""
    words, expected = read_words(text), list(WORD.finditer(text))
    spans = [(int(start), int(stop)) for start, stop in zip(words.starts, words.stops, strict=True)]
    assert spans == [match.span() for match in expected]
    spellings = [plain(match[0]) for match in expected]
    assert words.sizes.tolist() == [len(spelling) for spelling in spellings]
    assert len(set(words.numbers.tolist())) == len(set(spellings))
    assert len(set(zip(spellings, words.numbers.tolist(), strict=True))) == len(set(spellings))
    assert (words.long == 0).tolist() == [len(spelling) < LONG for spelling in spellings]


pieces = st.sampled_from(
    [
        "Farmer's",
        "farmers",
        "'",
        "’",
        " ",
        "\n",
        "x_1",
        "x^{2}y",
        "3rd",
        "é",
        "ÉCOLE",
        "İstanbul",
        "ß",
        "Σας",
        "²",
        "Ⅷ",
        "𝑥𝒚",
        "数学",
        "\ud800",
        "٣",
        "--",
        "O''Neil",
        "a'b'c",
        "'tis",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(pieces, max_size=20).map("".join)))
def test_words_are_those_of_the_regular_expression(text: str) -> None:
    check(text)


def test_a_text_of_many_stretches() -> None:
    text = "".join(
        f"Word{number} o'clock, {'é' * (number % 3)}na{chr(97 + number % 26)}ve x_{number}\n" for number in range(9000)
    )
    assert len(text) > 200_000
    check(text)


def test_numbers_do_not_depend_on_place_case_or_script_of_the_neighbours() -> None:
    ascii_text, other = read_words("Tomato plants"), read_words("Ωμέγα ... 17 TOMATO—pl'ants")
    assert other.numbers[1:].tolist() == ascii_text.numbers.tolist()


def test_anagrams_and_repeated_letters_are_told_apart() -> None:
    spellings = ["listen", "silent", "aab", "aba", "baa", "a", "aa", "aaa", "b" * 63, "b" * 64, "b" * 65, "b" * 129]
    numbers = read_words(" ".join(spellings)).numbers
    assert len(np.unique(numbers)) == len(spellings)


def test_texts_without_words() -> None:
    for text in ("", " ", "12 + 34 = 46\n" * 9000, "\ud800"):
        assert len(read_words(text)) == 0

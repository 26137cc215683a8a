import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.selection.words import STRETCH, constants, runs, spans, split, stretches

# Letters that lower-case to two characters, scripts without spaces, combining marks, digits of other scripts.
TEXTS = st.text(alphabet="abAB zZ09_\\{}$&%+-*/^<=>!|,.\n\tİßΣςé\u0301अ२½²世界ハ한😀∀≤𝑥\U00020000", max_size=60)


def reference_words(text: str, signs: bool) -> list[str]:
    """The words of a text, one character after the other."""
    words: list[str] = []
    last = ""
    for character in text.lower():
        category, code = unicodedata.category(character), ord(character)
        if code >= 0x20000 or (category == "Lo" and unicodedata.east_asian_width(character) in "WF"):
            kind = "single"
        elif category[0] in "LMN":
            kind = "letter"
        else:
            kind = "sign" if category in ("Sm", "So") or character in "-*/^!" else ""
        if kind == "letter" and last == "letter":
            words[-1] += character
        elif kind and (kind != "sign" or signs):
            words.append(character)
        last = kind
    return words


@settings(max_examples=300)
@given(TEXTS, st.booleans())
def test_words_are_those_of_a_plain_loop(text: str, signs: bool) -> None:
    words, expected = split(text, signs=signs), reference_words(text, signs)
    assert words.sizes.tolist() == [len(word) for word in expected]
    meaning = dict(zip(words.hashes.tolist(), expected, strict=True))
    assert [meaning[value] for value in words.hashes.tolist()] == expected  # equal hash: equal word
    assert len(set(expected)) == len(meaning)  # equal word: equal hash


@given(TEXTS)
def test_hashes_do_not_depend_on_the_place(text: str) -> None:
    moved = split("some words before, \n" + text, signs=True).hashes
    assert moved[3:].tolist() == split(text, signs=True).hashes.tolist()


@given(TEXTS)
def test_lines(text: str) -> None:
    expected = [number for number, line in enumerate(text.split("\n")) for _ in reference_words(line, True)]
    assert split(text, signs=True).lines.tolist() == expected


@given(st.lists(TEXTS, max_size=6), st.integers(1, 40))
def test_stretches_are_the_text(texts: list[str], size: int) -> None:
    text = " ".join(texts)
    pieces = list(stretches(text, size))
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= size for piece in pieces)


def test_stretches_cut_no_word() -> None:
    text = "alpha beta\ngamma delta " * 500
    pieces = [split(piece, signs=True).hashes for piece in stretches(text, 37)]
    assert np.array_equal(np.concatenate(pieces), split(text, signs=True).hashes)


def test_the_longest_stretch() -> None:
    words = split("İ" * STRETCH, signs=True)  # each becomes two characters in lower case
    assert words.sizes.tolist() == [2 * STRETCH]
    assert len(runs(split("a " * (STRETCH // 2), signs=True).hashes, 5)) == STRETCH // 2 - 4


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 6))
def test_runs_are_equal_where_their_words_are(letters: list[int], length: int) -> None:
    hashes = split(" ".join("abcd"[letter] for letter in letters), signs=True).hashes
    expected = [tuple(letters[start : start + length]) for start in range(len(letters) - length + 1)]
    found = runs(hashes, length).tolist()
    assert len(found) == len(expected)
    assert len(set(zip(found, expected, strict=True))) == len(set(found)) == len(set(expected))


def test_spans_of_unequal_length() -> None:
    hashes = split("a b c a b c", signs=True).hashes
    one, other, longer, empty = spans(hashes, np.array([0, 3, 0, 2]), np.array([2, 5, 3, 2])).tolist()
    assert one == other
    assert len({one, longer, empty}) == 3


@pytest.mark.parametrize(("same", "other"), [("A  b\nC", "a b c"), (r"\frac{a}{b}", "frac a b"), ("x_1", "X 1")])
def test_layout_does_not_count(same: str, other: str) -> None:
    assert split(same, signs=True).hashes.tolist() == split(other, signs=True).hashes.tolist()


def test_hashes_stay_the_same() -> None:
    """Parts of one corpus may be made by different machines and versions: the hashes are a format."""
    assert split("a frac", signs=True).hashes.tolist() == [7227736731350186196, 282421132144563041]
    assert constants(2, seed=1).tolist() == [8159135192177508951, 18336864550855605139]


def test_surrogates_do_no_harm() -> None:
    assert len(split("a \ud800 b", signs=True).hashes) == 2

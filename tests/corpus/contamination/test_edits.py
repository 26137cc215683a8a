from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganita.corpus.contamination.edits import edit_distances, passages

words = st.integers(0, 3)


def levenshtein(first: list[int], second: list[int]) -> int:
    """The textbook table."""
    row = list(range(len(second) + 1))
    for count, one in enumerate(first, 1):
        before, row[0] = row[0], count
        for at, other in enumerate(second, 1):
            before, row[at] = row[at], min(before + (one != other), row[at] + 1, row[at - 1] + 1)
    return row[-1]


@settings(max_examples=300, deadline=None)
@given(st.lists(words, min_size=1, max_size=9), st.lists(words, max_size=14))
def test_distances_are_those_of_the_table(pattern: list[int], text: list[int]) -> None:
    ends = range(1, len(text) + 1)
    assert edit_distances(pattern, text, whole=True) == [levenshtein(pattern, text[:end]) for end in ends]
    cheapest = [min(levenshtein(pattern, text[start:end]) for start in range(end + 1)) for end in ends]
    assert edit_distances(pattern, text) == cheapest


def test_distances_of_long_patterns_agree_with_rapidfuzz() -> None:
    distance = pytest.importorskip("rapidfuzz.distance").Levenshtein.distance
    pattern = [number * number % 97 for number in range(300)]
    text = [number * number % 89 if number % 7 else 5 for number in range(400)]
    expected = [distance(pattern, text[:end]) for end in range(1, len(text) + 1)]
    assert edit_distances(pattern, text, whole=True) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(words, min_size=1, max_size=9), st.lists(words, max_size=20), st.integers(0, 3))
def test_passages_are_within_the_edits_and_none_is_missed(pattern: list[int], text: list[int], most: int) -> None:
    most = min(most, len(pattern) - 1)
    found = passages(pattern, text, most)
    for start, stop, edits in found:
        assert levenshtein(pattern, text[start:stop]) == edits <= most
    assert bool(found) is any(distance <= most for distance in edit_distances(pattern, text))


def test_copies_side_by_side_are_all_found() -> None:
    pattern = list(range(10))
    changed = [0, 1, 2, 99, 4, 5, 6, 7, 8, 9]
    text = [*pattern, *changed, 50, 51, *pattern[1:], 60, *pattern]
    assert passages(pattern, text, 3) == [(0, 10, 0), (10, 20, 1), (21, 31, 1), (32, 42, 0)]


def test_a_replaced_first_word_belongs_to_the_passage() -> None:
    assert passages([1, 2, 3, 4, 5, 6], [9, 9, 8, 2, 3, 4, 5, 6, 9], 2) == [(2, 8, 1)]

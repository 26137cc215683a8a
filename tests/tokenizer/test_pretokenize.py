from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganita.tokenizer.pretokenize import PATTERNS, digit_merges, pre_tokenizer, split_marks
from ganita.tokenizer.tokenizer import MARKS, byte_alphabet
from tests.tokenizer.reference import SIGHT, digit_runs, encode_word, threes

# Characters that every version of Unicode in use here knows alike.
PLAIN = st.text(st.characters(max_codepoint=0x24F, exclude_categories=["Cs"]), max_size=12)
TEXTS = st.lists(
    st.one_of(PLAIN, st.from_regex(r"\A[0-9]{1,12}\Z"), st.sampled_from([".", ",", "x", " ", "²", "½", "٣٤٥٦", "\\a"]))
).map("".join)


def cuts(text: str, digits: str) -> list[str]:
    """The pieces of a text; the bytes of the library's alphabet as characters again."""
    alphabet = byte_alphabet()
    pieces = [piece for piece, _ in pre_tokenizer(digits).pre_tokenize_str(text)]
    return [bytes(alphabet[character] for character in piece).decode() for piece in pieces]


@given(TEXTS, st.sampled_from(sorted(PATTERNS)))
def test_nothing_is_lost(text: str, digits: str) -> None:
    assert "".join(cuts(text, digits)) == text


@given(TEXTS)
def test_groups_are_threes_from_the_right_and_the_rest_is_cut_as_ever(text: str) -> None:
    single, groups = cuts(text, "single"), cuts(text, "groups")
    is_run = [bool(digit_runs(piece)) for piece in groups]
    assert [piece for piece, run in zip(groups, is_run, strict=True) if run] == [
        group for run in digit_runs(text) for group in threes(run)
    ]
    # The same cuts as with single digits, but for those inside the groups.
    assert [part for piece, run in zip(groups, is_run, strict=True) for part in (piece if run else [piece])] == single


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("1234567", ["1", "234", "567"]),
        ("3.14159", ["3", ".", "14", "159"]),
        ("1,234.5", ["1", ",", "234", ".", "5"]),
        ("x12345y", ["x", "12", "345", "y"]),
        ("2²½", ["2", "²", "½"]),
        (r"\frac{10000}", [r"\frac", "{", "10", "000", "}"]),
        ("48/2=24", ["48", "/", "2", "=", "24"]),
    ],
)
def test_numbers_in_their_surroundings(text: str, pieces: list[str]) -> None:
    assert cuts(text, "groups") == pieces


@pytest.mark.parametrize("length", [SIGHT - 1, SIGHT, SIGHT + 1, 250, 1000, 1001, 1002])
def test_very_long_numbers_end_in_threes(length: int) -> None:
    groups = cuts("7" * length, "groups")
    if length <= SIGHT:
        assert groups == threes("7" * length)
    assert len(groups) == -(-length // 3)
    assert all(len(group) == 3 for group in groups[-33:])


@pytest.mark.parametrize("digits", sorted(PATTERNS))
@pytest.mark.parametrize("unit", ["7", " ", "\n ", "\r", "a", "$", "'", "\\"])
def test_a_long_run_takes_no_squared_time(digits: str, unit: str) -> None:
    started = time.perf_counter()
    pre_tokenizer(digits).pre_tokenize_str(unit * 100_000)
    assert time.perf_counter() - started < 5


@given(TEXTS)
def test_single_digits_cut_as_the_published_pattern(text: str) -> None:
    regex = pytest.importorskip("regex")
    words, rest = r"[^\r\n\p{L}\p{N}]?\p{L}+", r"\s*[\r\n]+|\s+(?!\S)|\s+"
    published = rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|{words}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{rest}"
    assert PATTERNS["single"] == published
    assert cuts(text, "single") == regex.findall(published, text)


def test_every_group_of_digits_is_one_token_and_no_other_is_made() -> None:
    merges = digit_merges()
    numbers = [f"{number:0{width}d}" for width in (1, 2, 3) for number in range(10**width)]
    assert all(encode_word(number, merges) == [number] for number in numbers)
    assert {left + right for left, right in merges} == {number for number in numbers if len(number) > 1}


@given(TEXTS)
def test_marks_are_cut_out(text: str) -> None:
    assert not any(mark in piece for piece in split_marks(text) for mark in MARKS)
    assert split_marks(f"a{MARKS[0]}b{MARKS[2]}c") == ["a", "b", "c"]

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models

from ganita.tokenizer.bpe import MAX_TOKEN_BYTES, Merge, learn, vocabulary
from ganita.tokenizer.merge import Lexicon, interleave, merge, merges_of, segment
from tests.tokenizer.reference import encode_word

WORDS = st.dictionaries(st.text("abcd", min_size=1, max_size=9), st.integers(1, 50), min_size=1, max_size=40)


def plain(words: dict[str, int], count: int) -> list[Merge]:
    """A BPE learned from words, one per line of text."""
    return learn([[" " + word] * times for word, times in words.items()], count, 1)


def in_alphabet(words: dict[str, int]) -> Counter[str]:
    return Counter({"Ġ" + word: times for word, times in words.items()})


def merged(text: dict[str, int], code: dict[str, int], size: int, share: float = 0.0) -> list[Merge]:
    both = in_alphabet(text), in_alphabet(code)
    return merge(plain(text, size), plain(code, size), both, size, share)


def made(merges: list[Merge]) -> set[str]:
    return {left + right for left, right in merges}


@settings(max_examples=50)
@given(WORDS, WORDS, st.integers(1, 30), st.sampled_from([0.0, 0.3]))
def test_a_merged_bpe_is_legal(text: dict[str, int], code: dict[str, int], size: int, share: float) -> None:
    merges = merged(text, code, size, share)
    assert len(set(merges)) == len(merges)
    assert len(made(merges)) <= size
    known: set[str] = set()
    for left, right in merges:  # both parts are bytes, or were made by a merge before
        assert len(left) == 1 or left in known
        assert len(right) == 1 or right in known
        known.add(left + right)
    for token in made(merges):  # and no token is only there in name
        assert encode_word(token, merges) == [token]


@settings(max_examples=50)
@given(WORDS, WORDS, st.integers(1, 30), st.lists(st.text("Ġabcd", min_size=1, max_size=20)))
def test_three_encoders_agree(text: dict[str, int], code: dict[str, int], size: int, probes: list[str]) -> None:
    """The library, the code that decides what to take out, and the plainest one."""
    merges = merged(text, code, size)
    ids = vocabulary(merges)
    library = tokenizers.Tokenizer(models.BPE(ids, merges))
    ranks = {token: rank for rank, token in enumerate(dict.fromkeys(left + right for left, right in merges))}
    for probe in probes:
        expected = encode_word(probe, merges)
        assert library.encode(probe).tokens == expected
        assert segment(probe, ranks)[0] == expected


def test_the_budget_is_met_exactly() -> None:
    rng = random.Random(1)
    text = {"".join(rng.choices("abcdef", k=rng.randint(2, 9))): rng.randint(1, 30) for _ in range(300)}
    code = {"".join(rng.choices("defghi", k=rng.randint(2, 9))): rng.randint(1, 30) for _ in range(300)}
    for size in (10, 100, 400):
        merges = merged(text, code, size)
        assert len(made(merges)) == size
        assert max(vocabulary(merges).values()) == 256 + size - 1


def test_a_small_corpus_gives_what_it_has() -> None:
    merges = merged({"ab": 3}, {"cd": 3}, 100)
    assert made(merges) <= {"Ġa", "ab", "Ġab", "Ġc", "cd", "Ġcd"}
    assert {"Ġab", "Ġcd"} <= made(merges)
    assert merge([], [], (Counter(), Counter()), 10) == []


def test_one_token_by_two_pairs_is_one_token_with_two_merges() -> None:
    text, code = [("a", "b"), ("ab", "c")], [("b", "c"), ("a", "bc")]
    words = Counter({"abc": 5}), Counter({"abc": 5})
    ranks = interleave(text, code, words)
    assert sorted(ranks) == ["ab", "abc", "bc"]
    merges = merges_of(ranks)
    assert merges == [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")]
    assert encode_word("abc", merges) == ["abc"]
    # Either beginning comes to the same end, whatever stands before it.
    ranks = interleave([*text, ("x", "a")], code, words)
    assert segment("xabc", ranks)[0] == encode_word("xabc", merges_of(ranks)) == ["x", "abc"]


def test_ranks_follow_the_bytes_that_each_was_learned_from() -> None:
    text, code = [("a", letter) for letter in "bcdefg"], [("z", letter) for letter in "bcdefg"]
    ranks = interleave(text, code, (Counter({"a": 300}), Counter({"z": 100})))
    order = sorted(ranks, key=ranks.__getitem__)
    assert [token for token in order if token[0] == "a"] == ["ab", "ac", "ad", "ae", "af", "ag"]
    assert "".join(token[0] for token in order[:8]) == "aaazaaaz"


def test_the_least_used_goes_and_what_others_need_stays() -> None:
    lexicon = Lexicon({"ab": 0, "abc": 1, "xy": 2})
    assert lexicon.remove("ab") is None  # abc could not be made without it
    assert lexicon.remove("abc") == ["ab", "c"]
    assert lexicon.remove("ab") == ["a", "b"]
    assert lexicon.ranks == {"xy": 2}


def test_a_token_that_can_be_made_another_way_lets_its_part_go() -> None:
    lexicon = Lexicon({"ab": 0, "bc": 1, "abc": 2})
    assert lexicon.remove("ab") == ["a", "b"]
    assert segment("abc", lexicon.ranks)[0] == ["abc"]


def test_what_cannot_be_made_is_no_token() -> None:
    # In abcd, `bc` is joined first; then nothing makes the whole.
    assert set(Lexicon({"bc": 0, "ab": 1, "cd": 2, "abcd": 3, "xabcd": 4}).ranks) == {"bc", "ab", "cd"}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_code_share_is_what_was_asked_for(share: float) -> None:
    rng = random.Random(2)
    text = {"".join(rng.choices("abcdef", k=rng.randint(2, 9))): rng.randint(1, 30) for _ in range(400)}
    code = {"".join(rng.choices("ghijkl", k=rng.randint(2, 9))): rng.randint(1, 30) for _ in range(400)}
    merges = merged(text, code, 200, share)
    of_code = {token for token in made(merges) if set(token) & set("ghijkl")}
    assert len(made(merges)) == 200
    assert len(of_code) == pytest.approx(200 * share, abs=2)


def test_it_takes_hardly_more_tokens_than_one_bpe_on_the_same_text() -> None:
    rng = random.Random(3)
    stems = ["".join(rng.choices("abcdefgh", k=rng.randint(2, 5))) for _ in range(150)]

    def draw(first: int, last: int) -> dict[str, int]:
        words = ["".join(rng.choices(stems[first:last], k=rng.randint(1, 3))) for _ in range(1500)]
        return Counter(words)

    text, code = draw(0, 100), draw(50, 150)
    joint = Counter(in_alphabet(text)) + in_alphabet(code)

    def tokens(merges: list[Merge]) -> int:
        library = tokenizers.Tokenizer(models.BPE(vocabulary(merges), merges))
        return sum(len(library.encode(word).ids) * times for word, times in joint.items())

    both = dict(Counter(text) + Counter(code))
    assert tokens(merged(text, code, 400)) <= 1.02 * tokens(plain(both, 400))


def test_very_long_words_take_no_squared_time() -> None:
    words = {"a" * 16_384: 4, "=" * 8_000: 9, "ab" * 8_000: 3, "plain": 100}
    started = time.perf_counter()
    merges = merged(words, {"plain": 50, "code": 50}, 60)
    assert time.perf_counter() - started < 10
    assert max(map(len, made(merges))) == MAX_TOKEN_BYTES

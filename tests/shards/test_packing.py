from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ganita.shards.mixture import shuffled
from ganita.shards.packing import Packer, Piece

LENGTHS = st.lists(st.integers(2, 40), min_size=1, max_size=40)


def make(lengths: list[int], context: int, mode: str, seed: int = 3) -> Packer:
    return Packer(np.array(lengths, dtype=np.int64), context, mode=mode, seed=seed, name="s")


def brute_force(lengths: list[int], context: int, mode: str, seed: int, epoch: int) -> list[list[Piece]]:
    """Pack one epoch a pair at a time (cut) or a document at a time (whole)."""
    kept = [i for i, length in enumerate(lengths) if mode == "cut" or length - 1 <= context]
    order = [kept[i] for i in shuffled(len(kept), "documents", seed, "s", epoch)]
    rows: list[list[Piece]] = [[]]
    used = 0
    for document in order:
        pairs, begin = lengths[document] - 1, 0
        if mode == "whole" and used + pairs > context:
            rows.append([])
            used = 0
        while begin < pairs:
            if used == context:
                rows.append([])
                used = 0
            length = min(pairs - begin, context - used)
            rows[-1].append(Piece(document, begin, length, used))
            begin, used = begin + length, used + length
    return rows


@given(LENGTHS, st.integers(1, 50), st.sampled_from(["cut", "whole"]), st.integers(0, 3))
def test_equals_brute_force_over_epochs(lengths: list[int], context: int, mode: str, seed: int) -> None:
    packer = make(lengths, context, mode, seed)
    if packer.num_pairs == 0:
        return
    expected = [row for epoch in range(3) for row in brute_force(lengths, context, mode, seed, epoch)]
    assert [packer.pieces(row) for row in range(len(expected))] == expected
    # Any order of asking gives the same rows: there is no state but caches.
    assert [make(lengths, context, mode, seed).pieces(row) for row in (len(expected) - 1, 0)] == [
        expected[-1],
        expected[0],
    ]


@given(LENGTHS, st.integers(1, 50), st.sampled_from(["cut", "whole"]))
def test_every_pair_once_an_epoch(lengths: list[int], context: int, mode: str) -> None:
    packer = make(lengths, context, mode)
    if packer.num_pairs == 0:
        assert mode == "whole" and all(length > context + 1 for length in lengths)
        return
    pairs = [
        (piece.document, piece.begin + offset)
        for row in range(packer.rows_of_epoch(0))
        for piece in packer.pieces(row)
        for offset in range(piece.length)
    ]
    kept = [i for i, length in enumerate(lengths) if mode == "cut" or length <= context + 1]
    assert sorted(pairs) == [(i, offset) for i in kept for offset in range(lengths[i] - 1)]
    assert packer.num_left_out == len(lengths) - len(kept)
    assert packer.num_pairs == len(pairs)


@given(LENGTHS, st.integers(1, 50))
def test_whole_documents_stay_whole(lengths: list[int], context: int) -> None:
    packer = make(lengths, context, "whole")
    for row in range(packer.rows_of_epoch(0) if packer.num_pairs else 0):
        pieces = packer.pieces(row)
        assert all(piece.begin == 0 and piece.length == lengths[piece.document] - 1 for piece in pieces)
        assert sum(piece.length for piece in pieces) <= context


def test_cut_rows_are_full_but_the_last() -> None:
    packer = make([30, 7, 52], 16, "cut")
    widths = [sum(piece.length for piece in packer.pieces(row)) for row in range(packer.rows_of_epoch(0))]
    assert widths == [16, 16, 16, 16, 16, 6]


def test_epochs_have_their_own_order() -> None:
    packer = make([5] * 50, 4, "whole")
    first = [packer.pieces(row)[0].document for row in range(50)]
    second = [packer.pieces(row)[0].document for row in range(50, 100)]
    assert first != second and sorted(first) == sorted(second) == list(range(50))


def test_one_token_documents_have_nothing_to_predict() -> None:
    packer = make([1, 4], 8, "cut")
    assert packer.pieces(0) == [Piece(1, 0, 3, 0)]
    assert packer.num_left_out == 1


@given(LENGTHS, st.integers(1, 50), st.sampled_from(["cut", "whole"]))
def test_tokens_and_rows_are_counted_to_the_row(lengths: list[int], context: int, mode: str) -> None:
    packer = make(lengths, context, mode)
    if packer.num_pairs == 0:
        return
    rows, total = packer.rows_within(3.0), 0
    for row in range(rows):
        assert packer.tokens_before(row) == total
        total += sum(piece.length for piece in packer.pieces(row))
    assert packer.tokens_before(rows) == total == 3 * packer.num_pairs
    assert packer.tokens_per_row == packer.tokens_before(packer.rows_of_epoch(0)) / packer.rows_of_epoch(0)
    assert packer.rows_within(0.0) == 0
    assert packer.rows_within(1.5) == packer.rows_of_epoch(0) + packer.rows_of_epoch(1) // 2

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ganita.shards.mixture import shuffled
from ganita.shards.packing import Packer, Piece, best_fit

LENGTHS = st.lists(st.integers(2, 40), min_size=1, max_size=40)


def make(lengths: list[int], context: int, mode: str, seed: int = 3) -> Packer:
    return Packer(np.array(lengths, dtype=np.int64), context, mode=mode, seed=seed, name="s")


def brute_force(lengths: list[int], context: int, mode: str, seed: int, epoch: int) -> list[list[Piece]]:
    """Pack one epoch a pair at a time (cut) or a document at a time (whole)."""
    kept = [i for i, length in enumerate(lengths) if mode == "cut" or length - 1 <= context]
    order = [kept[i] for i in shuffled(len(kept), "documents", seed, "s", epoch)]
    rows: list[list[Piece]] = []
    if mode == "cut":
        pairs = [(document, begin) for document in order for begin in range(lengths[document] - 1)]
        for start in range(0, len(pairs), context):
            pieces: list[Piece] = []
            for column, (document, begin) in enumerate(pairs[start : start + context]):
                if pieces and pieces[-1].document == document:
                    pieces[-1] = pieces[-1]._replace(length=pieces[-1].length + 1)
                else:
                    pieces.append(Piece(document, begin, 1, column))
            rows.append(pieces)
        return rows
    while order:
        waiting, chosen = order[:64], [order[0]]
        while True:
            room = context - sum(lengths[document] - 1 for document in chosen)
            fitting = [d for d in waiting if d not in chosen and lengths[d] - 1 <= room]
            if not fitting:
                break
            chosen.append(max(fitting, key=lambda d: (lengths[d], waiting.index(d))))
        order = [document for document in order if document not in chosen]
        columns = np.cumsum([0] + [lengths[document] - 1 for document in chosen]).tolist()
        rows.append([Piece(d, 0, lengths[d] - 1, at) for d, at in zip(chosen, columns, strict=False)])
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


@given(st.lists(st.integers(1, 30), max_size=200), st.integers(1, 20))
def test_best_fit_places_each_document_once_and_soon(sizes: list[int], num_waiting: int) -> None:
    order, starts = best_fit(sizes, 30, num_waiting)
    assert sorted(order) == list(range(len(sizes)))
    assert starts[0] == 0 and starts[-1] == len(order) and starts == sorted(set(starts))
    for begin, end in itertools.pairwise(starts):
        assert sum(sizes[document] for document in order[begin:end]) <= 30
        assert order[begin] == min(order[begin:]), "a row begins with the first that waits"
    assert all(document < place + num_waiting for place, document in enumerate(order))


def test_best_fit_leaves_less_padding() -> None:
    """Problems of about a third of a row: one at a time as they come fills 80 % of the rows, best-fit 97 %."""
    sizes = np.random.default_rng(1).gamma(6.0, 18.0, 5000).astype(int).clip(20, 320).tolist()
    in_turn = len(best_fit(sizes, 320, 1)[1]) - 1
    fitted = len(best_fit(sizes, 320)[1]) - 1
    assert sum(sizes) / (320 * in_turn) < 0.85
    assert sum(sizes) / (320 * fitted) > 0.96


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

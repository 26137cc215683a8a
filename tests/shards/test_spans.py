from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganita.errors import GanitaError
from ganita.recipe import Recipe, Train, recipe_from_dict
from ganita.shards.draw import stage_draw
from ganita.shards.loader import Loader
from ganita.shards.mixture import shuffled
from ganita.shards.packing import Packer
from ganita.shards.spans import SpanLoader, draws_report, stage_draws, stage_spans
from tests.shards.streams import write_shards

# The last length of each list fits long rows only.
STREAMS = {"book": [40, 3, 90, 17] * 40, "sums.equations": [5, 9, 4, 12, 40] * 60, "sums.words": [9, 14, 8, 30] * 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder, STREAMS, shard_tokens=5000)
    return folder


def recipe(phases: list[dict[str, Any]], cap: float = 0.0, **train: Any) -> Recipe:
    sources = [{"name": "book", "path": "x"}, {"name": "sums", "path": "y", "kind": "problem", "max_epochs": cap}]
    return recipe_from_dict({
        "corpus": {"sources": sources},
        "model": {"context_length": 16},
        "pretrain": {"steps": 20, "batch_tokens": 128, "phases": phases, **train},
    })  # fmt: skip


def open_spans(folder: Path, what: Recipe) -> tuple[SpanLoader, dict[str, Any]]:
    spans = stage_spans(what.pretrain, "pretrain", 16)
    draws = stage_draws(what, "pretrain", folder, spans)
    return SpanLoader([Loader(draw) for draw in draws], spans), draws_report(draws, spans)


LONGER = [{"share": 3.0}, {"share": 1.0, "weights": {"sums": 2.0}}, {"share": 4.0, "context_length": 64}]


def test_spans_follow_the_phases_and_keep_the_tokens_of_a_step() -> None:
    spans = stage_spans(recipe([*LONGER, {"share": 2.0, "context_length": 16}]).pretrain, "pretrain", 16)
    assert [(s.first_step, s.steps, s.context_length, s.rows, len(s.phases)) for s in spans] == [
        (0, 8, 16, 8, 2),
        (8, 8, 64, 2, 1),
        (16, 4, 16, 8, 1),
    ]
    assert sum(span.tokens for span in spans) == 20 * 128
    assert [s.rows for s in stage_spans(Train(steps=4, batch_tokens=100), "pretrain", 30)] == [3]


def test_one_length_draws_as_before(folder: Path) -> None:
    what = recipe([{"share": 1.0}, {"share": 2.0, "weights": {"sums": 3.0}}], cap=1.5)
    loader, report = open_spans(folder, what)
    draw = stage_draw(what, "pretrain", folder, context_length=16, rows_per_batch=8)
    assert report == draw.report()
    plain = Loader(draw)
    for step in range(20):
        assert torch.equal(loader.rows(step).tokens, plain.rows(step).tokens)
        assert loader.origin(step, 3) == plain.origin(step, 3)


def test_rows_are_a_pure_function_of_the_step(folder: Path) -> None:
    loader, _ = open_spans(folder, recipe(LONGER))
    there = [loader.rows(step) for step in range(20)]
    assert [tuple(batch.tokens.shape) for batch in there] == [(8, 16)] * 10 + [(2, 64)] * 10
    fresh, _ = open_spans(folder, recipe(LONGER))
    for step in reversed(range(20)):
        assert torch.equal(fresh.rows(step).tokens, there[step].tokens)
        part = fresh.rows(step, 1, 2)
        assert torch.equal(part.targets, there[step].targets[1:2])


def pairs_seen(loader: SpanLoader, stream: str, steps: range) -> Counter[tuple[int, int]]:
    """Count (document, pair) over the batches."""
    seen: Counter[tuple[int, int]] = Counter()
    for step in steps:
        own, local = loader._find(step)
        for row in range(own.rows_per_batch):
            name, number = own.draw.locate(local, row)
            if name == stream:
                for piece in own.draw.packers[name].pieces(number):
                    seen.update((piece.document, piece.begin + at) for at in range(piece.length))
    return seen


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_goes_on_where_the_shorter_rows_left_it(tmp_path: Path, stream: str) -> None:
    """Nothing comes twice before all of it came once, but for what a change of length leaves out."""
    # Long enough for the documents that wait for a row and are left out at each change.
    write_shards(tmp_path, {name: lengths * 5 for name, lengths in STREAMS.items()}, shard_tokens=5000)
    what = recipe([{"share": 1.0}, {"share": 1.0, "context_length": 64}, {"share": 1.0, "context_length": 32}])
    loader, report = open_spans(tmp_path, what)
    seen = pairs_seen(loader, stream, range(20))
    assert report["streams"][stream]["epochs"] < 1
    assert max(seen.values()) == 1
    assert sum(seen.values()) == report["streams"][stream]["tokens"]


def test_documents_too_long_for_short_rows_come_in_long_ones(folder: Path) -> None:
    loader, _ = open_spans(folder, recipe(LONGER, steps=100))
    short = {document for document, _ in pairs_seen(loader, "sums.equations", range(50))}
    long = {document for document, _ in pairs_seen(loader, "sums.equations", range(50, 100))}
    lengths = STREAMS["sums.equations"]
    assert all(lengths[document] <= 17 for document in short)
    assert any(lengths[document] == 40 for document in long)


def test_a_cap_holds_over_all_spans(folder: Path) -> None:
    what = recipe(LONGER, cap=0.5, steps=60)
    _, report = open_spans(folder, what)
    free = open_spans(folder, recipe(LONGER, steps=60))[1]
    for name in ("sums.equations", "sums.words"):
        assert free["streams"][name]["epochs"] > 0.6
        assert 0.35 < report["streams"][name]["epochs"] <= 0.5
        # Both spans gave up the same part of theirs, not the later one all of it.
        shares = [phase["streams"][name]["tokens"] for phase in report["phases"]]
        assert shares[-1] > 0.2 * sum(shares)
    assert sum(entry["share"] for entry in report["streams"].values()) == pytest.approx(1)
    assert [phase["context_length"] for phase in report["phases"]] == [16, 16, 64]
    assert any(note.startswith("context 64: sums.") for note in report["notes"])


def test_caps_that_leave_too_little_say_which_part_and_what_to_do(folder: Path) -> None:
    only_sums = [{**phase, "weights": {"book": 0.0, "sums": 1.0}} for phase in LONGER]
    with pytest.raises(
        GanitaError, match=r"pretrain: its part of 16 tokens a row \(from step 1\) .* max_epochs of sums"
    ):
        open_spans(folder, recipe(only_sums, cap=0.2, steps=60))


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=40),
    st.sampled_from(["cut", "whole"]),
    st.integers(4, 40),
    st.integers(4, 40),
    st.integers(0, 30),
)
def test_row_from_is_the_first_row_that_repeats_nothing(
    lengths: list[int], mode: str, first: int, second: int, rows: int
) -> None:
    """Against a search through all the rows, in places that both packers share."""
    options = {"mode": mode, "seed": 1, "name": "s", "longest": max(first, second)}
    left, right = (Packer(np.array(lengths), length, **options) for length in (first, second))
    if not left.num_pairs or not right.num_pairs:
        return
    position = left.position(rows)
    found = right.row_from(position)

    def places(row: int) -> tuple[int, int]:
        """Return the first and the last place of a row: of pairs, or of documents before they were packed."""
        epoch = right.locate(row)[0]
        if mode == "cut":
            first_pair = right.position(row)
            return first_pair, first_pair + sum(piece.length for piece in right.pieces(row)) - 1
        order = right._ordered[shuffled(len(right._ordered), "documents", 1, "s", epoch)].tolist()
        found = [epoch * len(order) + order.index(piece.document) for piece in right.pieces(row)]
        return min(found), max(found)

    # All that the rows before took lies before the position, and all that is to come lies at it or after.
    end_of_epoch = right.rows_within(right.locate(found)[0] + 1)
    assert all(places(row)[0] >= position for row in range(found, end_of_epoch))
    assert found == 0 or places(found - 1)[0] < position
    # The same question of the packing that was left: nothing that it took lies at the position or after.
    right = left
    assert all(places(row)[1] < position for row in range(rows))

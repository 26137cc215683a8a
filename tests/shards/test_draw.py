from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
import torch

from ganita.errors import GanitaError
from ganita.recipe import Phase, recipe_from_dict
from ganita.shards.draw import Draw, stage_draw
from ganita.shards.loader import Batch, Loader
from tests.shards.streams import make_draw, make_loader, write_shards

STREAMS = {"book": [40, 3, 90, 17] * 40, "sums.equations": [5, 9, 4, 12, 7] * 60, "sums.words": [13, 14, 11] * 50}
CURRICULUM = (Phase(2.0, {"sums": 0.0}), Phase(1.0), Phase(1.0, {"book": 0.5, "sums": 2.0}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder, STREAMS, shard_tokens=5000)
    return folder


def stream_of(loader: Loader, step: int, row: int) -> str:
    return loader.origin(step, row).split("/")[1].split("-")[0]


def count(loader: Loader, first: int, last: int) -> dict[str, dict[str, int]]:
    """Count rows and tokens of each stream by looking at the batches."""
    rows: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for step in range(first, last):
        widths = (loader.rows(step).documents >= 0).sum(dim=1).tolist()
        for row, width in enumerate(widths):
            name = stream_of(loader, step, row)
            rows[name] += 1
            tokens[name] += width
    return {name: {"rows": rows[name], "tokens": tokens[name]} for name in loader.streams}


def test_weights_are_shares_of_tokens(folder: Path) -> None:
    """Rows of sums.words hold far fewer tokens than rows of text, and get as many more of them."""
    draw = make_draw(folder, weights={"book": 1.0, "sums": 3.0}, num_steps=600)
    wanted = {"book": 0.25, "sums.equations": 0.375, "sums.words": 0.375}
    streams = draw.report()["streams"]
    fullness = {name: entry["tokens"] / entry["rows"] for name, entry in streams.items()}
    assert fullness["sums.words"] < 0.8 * fullness["book"], "else the test says nothing"
    for name, entry in streams.items():
        assert entry["share"] == pytest.approx(wanted[name], rel=0.01)
        assert entry["wanted"] == pytest.approx(wanted[name])


@pytest.mark.parametrize("phases", [(), CURRICULUM])
def test_what_is_reported_is_what_the_batches_hold(folder: Path, phases: tuple[Phase, ...]) -> None:
    loader = Loader(make_draw(folder, num_steps=40, phases=phases))
    for first, last in [(0, 40), (0, 1), (7, 33), (20, 40)]:
        drawn = loader.draw.drawn(first, last)
        assert {name: {key: drawn[name][key] for key in ("rows", "tokens")} for name in drawn} == count(
            loader, first, last
        )
    assert sum(entry["share"] for entry in drawn.values()) == pytest.approx(1.0)
    assert drawn["book"]["epochs"] == drawn["book"]["tokens"] / sum(length - 1 for length in STREAMS["book"])


def test_no_document_is_seen_more_often_than_the_cap(folder: Path) -> None:
    draw = make_draw(folder, num_steps=300, weights={"book": 1.0, "sums": 1.0}, max_epochs={"sums": 2.0})
    loader = Loader(draw)
    seen: Counter[tuple[str, int]] = Counter()
    for step in range(300):
        batch = loader.rows(step)
        for row in range(8):
            name = stream_of(loader, step, row)
            tokens, documents = batch.tokens[row], batch.documents[row]
            starts = [int(tokens[documents == number][0]) for number in range(int(documents.max()) + 1)]
            seen.update((name, start) for start in starts)
    assert max(times for (name, _), times in seen.items() if name == "sums.words") == 2
    report = draw.report()
    words, equations = report["streams"]["sums.words"], report["streams"]["sums.equations"]
    assert 1.99 < words["epochs"] <= 2.0 and 1.99 < equations["epochs"] <= 2.0
    # All the rest is the book's, which has no cap.
    assert words["rows"] + equations["rows"] + report["streams"]["book"]["rows"] == 2400
    assert report["notes"] == [
        f"{name}: {report['streams'][name]['share']:.1%} of the tokens instead of 25.0%, by max_epochs = 2"
        for name in ("sums.equations", "sums.words")
    ]


def test_what_a_cap_frees_is_shared_by_weight(tmp_path: Path) -> None:
    write_shards(tmp_path, {"a": [17] * 100, "b": [17] * 5, "c": [17] * 100})
    options = {"weights": {"a": 2.0, "b": 3.0, "c": 1.0}, "num_steps": 10}
    assert [entry["rows"] for entry in make_draw(tmp_path, **options).report()["streams"].values()] == [27, 40, 13]
    capped = make_draw(tmp_path, **options, max_epochs={"b": 4.0}).report()["streams"]
    assert [entry["rows"] for entry in capped.values()] == [40, 20, 20]
    assert capped["b"]["epochs"] == 4.0
    assert make_draw(tmp_path, **options, max_epochs={"a": 4.0}).report()["notes"] == []  # no cap that binds
    # A cap is a cap, even where it leaves nothing.
    none = make_draw(tmp_path, **options, max_epochs={"b": 0.1}).report()
    assert none["streams"]["b"]["rows"] == 0 and "max_epochs = 0.1" in none["notes"][0]


@pytest.mark.parametrize("phases", [(), (Phase(1.0), Phase(1.0, {"b": 3.0}))])
def test_a_budget_beyond_the_caps_says_what_can_be_had(tmp_path: Path, phases: tuple[Phase, ...]) -> None:
    write_shards(tmp_path, {"a": [17] * 50, "b": [17] * 30, "free": [17] * 99})
    options = {"weights": {"a": 1.0, "b": 1.0, "free": 0.0}, "max_epochs": {"a": 2.0, "b": 1.5}, "phases": phases}
    with pytest.raises(GanitaError) as caught:
        make_draw(tmp_path, **options, num_steps=100, label="pretrain")
    message = str(caught.value)
    assert "raise max_epochs of a, b" in message and "\n" not in message
    if not phases:  # 2 * 50 + 1.5 * 30 = 145 rows of 16 tokens, which are 18 steps of 8 rows
        assert "give 2,304 of the 12,800 tokens" in message
        assert "set pretrain.tokens to at most 2,304 (18 steps)" in message
    steps = int(message.split("(")[1].split(" steps")[0])
    assert 14 <= steps <= 18
    assert sum(entry["rows"] for entry in make_draw(tmp_path, **options, num_steps=steps).drawn().values()) == 8 * steps
    with pytest.raises(GanitaError, match="within max_epochs"):
        make_draw(tmp_path, **options, num_steps=steps + 1)


def test_phases_of_a_curriculum(folder: Path) -> None:
    loader = Loader(make_draw(folder, num_steps=80, phases=CURRICULUM))
    report = loader.draw.report()
    assert [part["steps"] for part in report["phases"]] == [40, 20, 20]
    shares = [{name: entry["share"] for name, entry in part["streams"].items()} for part in report["phases"]]
    assert shares[0] == {"book": 1.0, "sums.equations": 0.0, "sums.words": 0.0}
    assert shares[1] == pytest.approx({"book": 0.5, "sums.equations": 0.25, "sums.words": 0.25}, rel=0.05)
    assert shares[2] == pytest.approx({"book": 0.2, "sums.equations": 0.4, "sums.words": 0.4}, rel=0.05)
    # Over the stage: (40 * 1 + 20 * 0.5 + 20 * 0.2) / 80.
    assert report["streams"]["book"]["wanted"] == pytest.approx(54 / 80)
    assert sum(part["streams"]["book"]["rows"] for part in report["phases"]) == report["streams"]["book"]["rows"]


def test_a_phase_goes_on_where_the_one_before_left_a_stream(folder: Path) -> None:
    """No pair of the book comes twice before all have come once, whatever the phases."""
    loader = Loader(make_draw(folder, num_steps=80, phases=CURRICULUM))
    num_pairs = sum(length - 1 for length in STREAMS["book"])
    assert loader.draw.drawn(0, 40)["book"]["epochs"] < 1 < loader.draw.drawn()["book"]["epochs"]
    values: list[int] = []
    for step in range(80):
        batch = loader.rows(step)
        for row in range(8):
            if stream_of(loader, step, row) == "book":
                values += batch.tokens[row][batch.documents[row] >= 0].tolist()
    assert len(set(values[:num_pairs])) == num_pairs


def test_ranks_slices_and_resuming_under_phases_and_caps(folder: Path) -> None:
    options = {"num_steps": 40, "phases": CURRICULUM, "max_epochs": {"sums": 0.5}}
    alone = make_loader(folder, **options)
    expected = [alone.rows(step) for step in range(40)]
    for first in (11, 20, 39):  # resumed by a process that has seen nothing, on two ranks; 20 begins a phase
        left, right = make_loader(folder, **options), make_loader(folder, **options)
        for step in range(first, min(first + 6, 40)):
            parts = left.rows(step, 0, 3), right.rows(step, 3, 8)
            assert same(expected[step], *parts)
    cut = make_loader(folder, **{**options, "rows_per_batch": 16, "num_steps": 20})
    assert all(same(cut.rows(step), expected[2 * step], expected[2 * step + 1]) for step in range(20))


def same(whole: Batch, *parts: Batch) -> bool:
    keys = ("tokens", "targets", "documents")
    return all(torch.equal(getattr(whole, key), torch.cat([getattr(part, key) for part in parts])) for key in keys)


def test_caps_count_over_all_phases(folder: Path) -> None:
    phases = (Phase(1.0, {"sums": 4.0}), Phase(1.0, {"sums": 1.0}))
    draw = make_draw(folder, num_steps=200, phases=phases, max_epochs={"sums": 1.0})
    report = draw.report()
    assert 0.97 < report["streams"]["sums.words"]["epochs"] <= 1.0
    first, second = (part["streams"]["sums.words"]["rows"] for part in report["phases"])
    assert 0 < second < first  # lowered in both, not taken from one


def test_forms_share_the_weight_of_their_source(folder: Path) -> None:
    draw = make_draw(folder, forms=("words",))
    assert {name: entry["wanted"] for name, entry in draw.report()["streams"].items()} == {
        "book": 0.5,
        "sums.words": 0.5,
    }
    with pytest.raises(GanitaError, match="no shards of form 'verse'"):
        make_draw(folder, forms=("verse",))


def test_sources_without_weight_are_not_drawn(folder: Path) -> None:
    assert list(make_draw(folder, weights={"book": 0.0, "sums": 2.0}).packers) == ["sums.equations", "sums.words"]
    message = "no source with documents of form words in the train split has a weight above 0 in finetune"
    with pytest.raises(GanitaError, match=message):
        make_draw(folder, weights={"book": 0.0}, forms=("words",), label="finetune")


def test_a_weight_that_draws_nothing_is_said(folder: Path) -> None:
    draw = make_draw(folder, weights={"book": 1.0, "sums": 1e-9, "lost": 1.0, "unused": 0.0})
    assert draw.report()["notes"] == [
        "lost has a weight, but no tokens to draw",
        "sums.equations: its weight comes to less than a row",
        "sums.words: its weight comes to less than a row",
    ]
    with pytest.raises(GanitaError, match=r"phases\[1\]: none of its sources has documents"):
        make_draw(folder, weights={"book": 1.0, "lost": 1.0}, phases=(Phase(), Phase(1.0, {"book": 0.0})))


@pytest.mark.parametrize("epochs", [-1.0, float("nan")])
def test_caps_that_cannot_be(folder: Path, epochs: float) -> None:
    with pytest.raises(GanitaError, match="source 'book': max_epochs"):
        make_draw(folder, max_epochs={"book": epochs})
    assert make_draw(folder, max_epochs={"book": 0.0}).lowered == make_draw(folder).lowered == []


def test_more_streams_than_rows(tmp_path: Path) -> None:
    write_shards(tmp_path, {f"s{number}": [17] for number in range(30)})
    drawn = make_draw(tmp_path, num_steps=1).drawn()
    assert sorted(entry["rows"] for entry in drawn.values()) == [0] * 22 + [1] * 8


def test_stages_of_a_recipe(folder: Path, tmp_path: Path) -> None:
    sources = [
        {"name": "book", "path": "b.txt", "weight": 3.0},
        {"name": "sums", "path": "s.jsonl", "weight": 1.0, "finetune_weight": 1.0, "max_epochs": 0.5},
    ]
    tree = {
        "corpus": {"sources": sources},
        "model": {"context_length": 16},
        "pretrain": {"steps": 100, "phases": [{"share": 3.0}, {"weights": {"book": 0.5, "sums": 0.5}}]},
        "finetune": {"steps": 5, "forms": ["words"]},
    }
    recipe = recipe_from_dict(tree)

    def draw(stage: str, where: Path = folder, split: str = "train") -> Draw:
        return stage_draw(recipe, stage, where, split=split, context_length=16, rows_per_batch=8)

    pretrain = draw("pretrain")
    assert pretrain.steps == [75, 25] and pretrain.lowered == ["sums.equations", "sums.words"]
    assert list(draw("finetune").packers) == ["sums.words"]
    # Held-out rows: the mean of (3/4, 1/4) over 3/4 of the steps and (1/2, 1/2) over 1/4, and no cap.
    write_shards(tmp_path, {"book": [17] * 9, "sums.words": [17] * 2}, split="validation")
    held_out = draw("pretrain", tmp_path, "validation")
    assert held_out.wanted[0].tolist() == pytest.approx([0.6875, 0.3125])
    assert {name: entry["rows"] for name, entry in held_out.drawn().items()} == {"book": 6, "sums.words": 2}
    assert held_out.lowered == [] and len(held_out.steps) == 1


def test_a_tiny_source_may_be_passed_over_very_often(tmp_path: Path) -> None:
    """Rows are found in time that does not grow with the square of the epochs."""
    write_shards(tmp_path, {"one.words": [5, 6], "book": [17] * 10})
    started = time.process_time()
    loader = make_loader(tmp_path, rows_per_batch=1000, num_steps=40)
    assert loader.draw.drawn()["one.words"]["epochs"] > 20_000
    loader.rows(39)
    assert time.process_time() - started < 10

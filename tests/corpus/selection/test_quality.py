import random
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganita.corpus.selection import quality
from ganita.corpus.selection.quality import QualityModel, auc, features, train
from ganita.errors import GanitaError, IntegrityError

TEXTBOOK = [
    "theorem",
    "proof",
    "let",
    "then",
    "hence",
    "follows",
    "lemma",
    "x",
    "y",
    "=",
    "<",
    "suppose",
    "every",
    "there",
    "exists",
    "such",
    "that",
    "by",
    "we",
    "show",
]
ADVERT = [
    "buy",
    "cheap",
    "now",
    "click",
    "offer",
    "free",
    "best",
    "price",
    "order",
    "sale",
    "today",
    "shipping",
    "deal",
    "your",
    "you",
    "get",
    "our",
    "we",
    "that",
    "by",
]


def page(vocabulary: list[str], draw: random.Random, length: int = 300) -> str:
    return " ".join(draw.choice(vocabulary) for _ in range(length))


def mixed(share: float, draw: random.Random) -> str:
    return " ".join(draw.choice(TEXTBOOK if draw.random() < share else ADVERT) for _ in range(300))


def texts(vocabulary: list[str], seed: int, count: int = 60) -> list[str]:
    draw = random.Random(seed)
    return [page(vocabulary, draw, draw.randrange(60, 600)) for _ in range(count)]


@pytest.fixture(scope="module")
def model() -> QualityModel:
    return train(texts(TEXTBOOK, 1), texts(ADVERT, 2, 200), seed=3)


def test_unseen_texts_are_told_apart(model: QualityModel) -> None:
    assert model.report == {
        "seed_documents": 60, "other_documents": 200, "held_out_documents": 52, "held_out_auc": 1.0,
    }  # fmt: skip
    assert min(map(model.score, texts(TEXTBOOK, 4))) > 0.8
    assert max(map(model.score, texts(ADVERT, 5))) < 0.2


def test_order_of_words_counts() -> None:
    def ordered(first: str, seed: int) -> list[str]:
        draw, pair = random.Random(seed), ["if", "then"] if first == "if" else ["then", "if"]
        return [" ".join(f"{pair[0]} w{draw.randrange(40)} {pair[1]}" for _ in range(99)) for _ in range(60)]

    learned = train(ordered("if", 1), ordered("then", 2), seed=1)
    assert learned.report["held_out_auc"] > 0.95


def test_half_is_the_border_whatever_the_numbers_of_documents() -> None:
    """Classes that overlap: a page that is as likely in either scores about a half, also at 1 seed to 8 others."""
    draw = random.Random(6)
    learned = train([mixed(draw.gauss(0.6, 0.1), draw) for _ in range(50)],
                    [mixed(draw.gauss(0.4, 0.1), draw) for _ in range(400)], seed=1)  # fmt: skip
    between = np.mean([learned.score(mixed(0.5, draw)) for _ in range(60)])
    assert 0.35 < between < 0.65
    assert np.mean([learned.score(mixed(0.75, draw)) for _ in range(60)]) > 0.8
    assert np.mean([learned.score(mixed(0.25, draw)) for _ in range(60)]) < 0.2


def test_what_cannot_be_told_apart_scores_a_half() -> None:
    learned = train(texts(TEXTBOOK, 1, 100), texts(TEXTBOOK, 2, 100), seed=1)
    assert 0.2 < learned.report["held_out_auc"] < 0.8
    assert all(0.3 < learned.score(text) < 0.7 for text in texts(TEXTBOOK, 3, 10))


def test_a_text_of_two_halves_is_in_between(model: QualityModel) -> None:
    draw = random.Random(7)
    assert 0.4 < model.score(page(TEXTBOOK, draw, 1024) + " " + page(ADVERT, draw, 1024)) < 0.6


def test_a_long_text_is_judged_by_all_of_its_length(model: QualityModel) -> None:
    draw = random.Random(8)
    good = page(TEXTBOOK, draw, 20_000)
    assert model.score(good + " " + page(ADVERT, draw, 40_000)) < 0.5 < model.score(good)
    assert len(features(good * 10)) < quality.PIECE * quality.PIECES


@pytest.mark.parametrize("text", ["", " ", "$$", "{}\n"])
def test_no_words_no_verdict(model: QualityModel, text: str) -> None:
    assert model.score(text) == 0.5


@given(st.text(max_size=2000))
def test_a_score_is_a_share(text: str) -> None:
    assert 0 <= MODEL.score(text) <= 1


MODEL = QualityModel(np.random.default_rng(0).normal(size=quality.NUM_BUCKETS).astype(np.float32) * 1e4, 3.0, -1.0, {})


def test_the_same_input_gives_the_same_bytes(model: QualityModel, tmp_path: Path) -> None:
    model.save(tmp_path / "one.npz")
    train(texts(TEXTBOOK, 1), texts(ADVERT, 2, 200), seed=3).save(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_saved_model_scores_the_same(model: QualityModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.npz")
    loaded = QualityModel.load(tmp_path / "model.npz")
    assert loaded.report == model.report
    assert [loaded.score(text) for text in texts(ADVERT, 9, 5)] == [model.score(text) for text in texts(ADVERT, 9, 5)]


def _broken(path: Path, model: QualityModel) -> Iterator[str]:
    yield "missing"
    path.write_bytes(b"")
    yield "empty"
    path.write_bytes(b"PK not a zip")
    yield "no zip"
    model.save(path)
    path.write_bytes(path.read_bytes()[: 1 << 16])
    yield "truncated"
    np.savez(path, weights=model.weights)
    yield "fields missing"
    np.savez(path, weights=model.weights[:10], calibration=np.zeros(2), report=np.frombuffer(b"{}", np.uint8))
    yield "another size"
    np.savez(path, weights=model.weights * np.nan, calibration=np.zeros(2), report=np.frombuffer(b"{}", np.uint8))
    yield "not finite"
    np.savez(path, weights=np.array([{}, []], dtype=object), calibration=np.zeros(2), report=np.zeros(1))
    yield "pickled"
    np.savez(path, weights=model.weights, calibration=np.zeros(3), report=np.frombuffer(b"{}", np.uint8))
    yield "calibration"
    np.savez(path, weights=model.weights, calibration=np.zeros(2), report=np.frombuffer(b"{", np.uint8))
    yield "report"


def test_what_is_no_model_is_refused(model: QualityModel, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    for what in _broken(path, model):
        with pytest.raises(IntegrityError, match=r"model\.npz"):
            QualityModel.load(path)
            pytest.fail(what)


@pytest.mark.parametrize(("good", "other"), [(0, 60), (19, 60), (60, 19)])
def test_too_few_documents_are_refused(good: int, other: int) -> None:
    blank = ["", "..."] * 40  # without words there is nothing to learn from
    with pytest.raises(GanitaError, match=r"quality_seeds: .* are needed"):
        train(texts(TEXTBOOK, 1, good) + blank, texts(ADVERT, 2, other) + blank, seed=1)


def test_a_sample_is_drawn_from_all_of_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first documents of a stream do not stand for all: here the later ones are of another kind."""
    monkeypatch.setattr(quality, "SAMPLE", 100)
    stream = texts(["early"], 1, 200) + texts(TEXTBOOK, 2, 600)
    learned = train(stream, texts(ADVERT, 3, 100), seed=1)
    assert learned.report["seed_documents"] == 100
    assert learned.score(page(TEXTBOOK, random.Random(1))) > 0.8


def test_memory_does_not_grow_with_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "SAMPLE", 30)

    def peak(count: int) -> int:
        def stream(vocabulary: list[str]) -> Iterator[str]:
            draw = random.Random(1)
            while True:
                yield page(vocabulary, draw, 1_000)

        tracemalloc.start()
        train(islice(stream(TEXTBOOK), count), islice(stream(ADVERT), count), seed=1)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(150) < 1.3 * peak(40)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_auc_counts_the_pairs(positive: list[int], negative: list[int]) -> None:
    pairs = [1.0 if one > other else 0.5 if one == other else 0.0 for one in positive for other in negative]
    assert auc(np.array(positive, float), np.array(negative, float)) == pytest.approx(np.mean(pairs))

"""A learned quality score: how much a text is like the seed documents that the user calls good.

A linear classifier over the words and word pairs of a text, hashed into `NUM_BUCKETS` weights: the model of fastText
(Joulin et al. 2017, "Bag of tricks for efficient text classification"), which serves the field for this (DataComp-LM,
Li et al. 2024, section 4.4), as logistic regression in numpy. Operators are words, so the style of formulas tells too.

A document is judged by windows of `WINDOW` words from up to `PIECES` places, and its score is the mean probability
over them: 1, all of it is like the seeds; 0, nothing is. Both classes weigh the same, however many documents they
have, and probabilities are calibrated on held-out documents (Platt 1999), so 0.5 is where a window is as likely to be
of either. The score says likeness, not truth: the seeds decide what is good, by their subject as well as their style.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganita.corpus.selection.words import runs, split
from ganita.errors import GanitaError, IntegrityError

NUM_BUCKETS = 1 << 18
WINDOW = 256  # words judged together: about a page
PIECE = 2_000  # characters taken from each place, at most as many as words.split takes in all
PIECES = 8
SAMPLE = 3_000  # documents of each class held for training: at most 200 MB in all
LEAST = 20  # documents of each class, or there is nothing to learn or to test
HELD_OUT = 5  # every fifth document tests
EPOCHS, BATCH, RATE, DECAY = 4, 64, 0.5, 1e-5  # of Adagrad (Duchi et al. 2011)

Features = NDArray[np.int32]  # (num_words, 2): the buckets of each word, and of it and the next
Values = NDArray[np.float64]


@dataclass(frozen=True)
class QualityModel:
    """A trained score. `report` says what it was trained on and how well it tells held-out documents apart."""

    weights: NDArray[np.float32]  # (NUM_BUCKETS,)
    slope: float  # of the logit of a window,
    offset: float  # to its calibrated log odds
    report: dict[str, float]

    def score(self, text: str) -> float:
        """Return the quality of `text`, from 0 to 1; 0.5 for a text without words."""
        windows = _windows(features(text))
        return self.judge(windows) if windows else 0.5

    def judge(self, windows: Sequence[Features]) -> float:
        """Return the mean probability of windows that are there already."""
        return float(_sigmoid(self.slope * _logits(self.weights, windows) + self.offset).mean())

    def save(self, path: Path) -> None:
        """Write the model as `.npz`; the same model gives the same bytes."""
        report = np.frombuffer(json.dumps(self.report).encode(), dtype=np.uint8)
        np.savez(path, weights=self.weights, calibration=np.array([self.slope, self.offset]), report=report)

    @classmethod
    def load(cls, path: Path) -> QualityModel:
        """Read what `save` wrote. Raises `IntegrityError` for anything else."""
        try:
            with np.load(path, allow_pickle=False) as file:
                weights, (slope, offset) = file["weights"], file["calibration"].astype(np.float64)
                report = json.loads(file["report"].tobytes())
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise IntegrityError(f"{path}: not a quality model ({type(error).__name__}); build it again") from None
        if weights.shape != (NUM_BUCKETS,) or not np.isfinite([weights.sum(), slope, offset]).all():
            raise IntegrityError(f"{path}: not a quality model of this version; build it again")
        return cls(weights.astype(np.float32), float(slope), float(offset), report)


def features(text: str) -> Features:
    """Return the buckets of the words of `text`, or of places spread evenly over a long one, (num_words, 2)."""
    if len(text) > PIECE * PIECES:
        starts = np.linspace(0, len(text) - PIECE, PIECES).astype(int).tolist()
        text = "\n".join(text[start : start + PIECE] for start in starts)
    hashes = split(text, signs=True).hashes
    both = np.stack([hashes, runs(np.append(hashes, np.uint64(0)), 2)], axis=1)
    return (both >> np.uint64(65 - NUM_BUCKETS.bit_length())).astype(np.int32)


def train(seeds: Iterable[str], background: Iterable[str], seed: int) -> QualityModel:
    """Learn to tell `seeds` from `background`, from a random sample of each; `seed` draws it.

    Raises `GanitaError` if either has fewer than `LEAST` documents.
    """
    draw = np.random.default_rng(seed)
    good, other = _sample(seeds, draw), _sample(background, draw)
    for documents, name in ((good, "seed documents"), (other, "other documents")):
        if len(documents) < LEAST:
            raise GanitaError(
                f"corpus.select.quality_seeds: there are {len(documents)} {name} to learn from, {LEAST} are needed; "
                "name other sources, or none to do without the score"
            )
    # Whole documents are held out: windows of one document are alike and must not be on both sides.
    held_out = good[::HELD_OUT], other[::HELD_OUT]
    del good[::HELD_OUT], other[::HELD_OUT]
    weights = _fit(_flatten(good), _flatten(other), draw)
    slope, offset = _calibrate(*(_logits(weights, _flatten(documents)) for documents in held_out))
    model = QualityModel(weights.astype(np.float32), slope, offset, {})
    above = auc(*(np.array([model.judge(windows) for windows in documents]) for documents in held_out))
    model.report.update(
        seed_documents=len(good) + len(held_out[0]),
        other_documents=len(other) + len(held_out[1]),
        held_out_documents=sum(map(len, held_out)),
        held_out_auc=round(above, 4),
    )
    return model


def auc(positive: Values, negative: Values) -> float:
    """Return the probability that a random positive is above a random negative, ties counted half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / (2 * len(negative)))


def _sample(texts: Iterable[str], draw: np.random.Generator) -> list[list[Features]]:
    """Return the windows of `SAMPLE` texts, each as likely to be among them (Vitter 1985, algorithm R)."""
    kept: list[Features] = []
    for number, text in enumerate(texts):
        place = number if number < SAMPLE else int(draw.integers(number + 1))
        if place < SAMPLE:
            kept[place : place + 1] = [features(text)]
    return [windows for words in kept if (windows := _windows(words))]


def _windows(words: Features) -> list[Features]:
    """Cut into windows of `WINDOW` words; a rest of less than half of one joins the last."""
    borders = list(range(0, max(1, len(words) - WINDOW // 2 + 1), WINDOW))
    return [words[start:stop] for start, stop in zip(borders, [*borders[1:], len(words)], strict=True) if start < stop]


def _flatten(documents: Sequence[Sequence[Features]]) -> list[Features]:
    return [window for windows in documents for window in windows]


def _logits(weights: NDArray[np.floating], windows: Sequence[Features]) -> Values:
    """Return the mean weight of each window's words and pairs, (num_windows,)."""
    lengths = np.array([len(window) for window in windows])
    sums = np.add.reduceat(weights[np.concatenate(windows)].sum(axis=1), np.cumsum(lengths) - lengths)
    return np.asarray(sums / lengths, dtype=np.float64)


def _fit(good: list[Features], other: list[Features], draw: np.random.Generator) -> Values:
    """Return the weights, (NUM_BUCKETS,), by Adagrad on the logistic loss; each class weighs a half."""
    windows = good + other
    truth = np.repeat([1.0, 0.0], [len(good), len(other)])
    importance = np.repeat([0.5 / len(good), 0.5 / len(other)], [len(good), len(other)]) * len(windows)
    weights, squares = np.zeros(NUM_BUCKETS), np.full(NUM_BUCKETS, 1e-12)
    for _ in range(EPOCHS):
        order = draw.permutation(len(windows))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch = [windows[number] for number in chosen]
            errors = importance[chosen] * (_sigmoid(_logits(weights, batch)) - truth[chosen])
            per_word = np.concatenate(
                [np.full(2 * len(window), e / len(window)) for e, window in zip(errors, batch, strict=True)]
            )
            gradient = np.bincount(np.concatenate(batch).ravel(), per_word, NUM_BUCKETS) / len(batch) + DECAY * weights
            squares += gradient**2
            weights -= RATE * gradient / np.sqrt(squares)
    return weights


def _calibrate(positive: Values, negative: Values) -> tuple[float, float]:
    """Return slope and offset that make logits log odds, by Newton's method; each class weighs a half.

    The targets fall short of 0 and 1 by the smallest step that so many examples can show (Platt 1999), so that
    classes which part completely do not ask for an infinite slope.
    """
    logits = np.concatenate([positive, negative])
    targets = np.repeat([1 - 1 / (len(positive) + 2), 1 / (len(negative) + 2)], [len(positive), len(negative)])
    importance = np.repeat([0.5 / len(positive), 0.5 / len(negative)], [len(positive), len(negative)])
    columns = np.stack([logits, np.ones_like(logits)], axis=1)
    # Logits of unit spread, so that Newton starts near its end whatever the scale of the weights.
    scale = np.array([1 / max(float(logits.std()), 1e-12), 1.0])
    columns, solution = columns * scale, np.zeros(2)
    for _ in range(50):
        probabilities = _sigmoid(columns @ solution)
        gradient = columns.T @ (importance * (probabilities - targets))
        curvature = (columns.T * (importance * probabilities * (1 - probabilities))) @ columns + 1e-9 * np.eye(2)
        solution -= np.linalg.solve(curvature, gradient)
    return float(solution[0] * scale[0]), float(solution[1])


def _sigmoid(values: Values) -> Values:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)))  # without the overflow of exp

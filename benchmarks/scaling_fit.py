"""The law of scaling L(N, D) = E + A / N^alpha + B / D^beta: fitted to finished trainings, and what follows from it.

Hoffmann et al. 2022 ("Training Compute-Optimal Large Language Models", arXiv 2203.15556), section 3.3, approach 3: the
Huber loss (delta = 1e-3) of the logarithm of the loss, from several starts; equation 4 for the best N and D at given
FLOPs C = 6 N D. Intervals are percentiles of a bootstrap over trainings (Efron 1979): they tell how well the trainings
pin the law down, not whether it holds far outside of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

DELTA = 1e-3  # Hoffmann et al., section 3.3
MOST_EXPONENT = 3.0  # beyond it a term is gone within the trainings, and the fit runs away
_ROUNDS, _FINE = 200, 1e-12
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """The constants: losses in nats a token, N in parameters, D in tokens."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, parameters: float, tokens: float) -> float:
        """Return the loss of a model of N parameters after D tokens."""
        return float(self.E + self.A / parameters**self.alpha + self.B / tokens**self.beta)

    def optimum(self, flops: float) -> tuple[float, float]:
        """Return the N and D with the least loss at C = 6 N D (equation 4)."""
        total = self.alpha + self.beta
        g = (self.alpha * self.A / (self.beta * self.B)) ** (1 / total)
        return g * (flops / 6) ** (self.beta / total), (flops / 6) ** (self.alpha / total) / g


@dataclass(frozen=True)
class Fit:
    """The best law, those of the bootstrap's replicates, and how far the trainings are from the best."""

    law: Law
    replicates: tuple[Law, ...]
    rms_log_error: float

    def interval(self, values: Sequence[float], share: float = 0.95) -> tuple[float, float]:
        """Return the percentiles that hold `share` of the replicates' values."""
        low, high = np.quantile(np.asarray(values), [(1 - share) / 2, (1 + share) / 2])
        return float(low), float(high)

    def loss(self, parameters: float, tokens: float) -> tuple[float, float, float]:
        """Return the predicted loss with its interval."""
        low, high = self.interval([law.loss(parameters, tokens) for law in self.replicates])
        return self.law.loss(parameters, tokens), low, high

    def optimum(self, flops: float) -> dict[str, tuple[float, float, float]]:
        """Return the best N, its D and the loss there, with intervals."""
        n, d = self.law.optimum(flops)
        pairs = [law.optimum(flops) for law in self.replicates]
        losses = [law.loss(*pair) for law, pair in zip(self.replicates, pairs, strict=True)]
        return {
            "parameters": (n, *self.interval([pair[0] for pair in pairs])),
            "tokens": (d, *self.interval([pair[1] for pair in pairs])),
            "loss": (self.law.loss(n, d), *self.interval(losses)),
        }

    def constants(self) -> dict[str, tuple[float, float, float]]:
        """Return every constant with its interval."""
        rows = [asdict(law) for law in self.replicates]
        return {name: (value, *self.interval([row[name] for row in rows])) for name, value in asdict(self.law).items()}


def fit(
    parameters: Sequence[float],
    tokens: Sequence[float],
    losses: Sequence[float],
    *,
    replicates: int = 400,
    seed: int = 0,
) -> Fit:
    """Fit the law to trainings (N, D, loss). Raises `ValueError` for too few of them to tell the five constants."""
    _check(parameters, tokens, losses)
    logs = np.log(np.array([parameters, tokens], dtype=float))
    centre = logs.mean(axis=1)
    # Centred: otherwise A and alpha move together along a narrow valley, and so do B and beta.
    problem = _Problem(logs - centre[:, None], np.log(np.asarray(losses, dtype=float)))
    starts = _starts(float(np.min(losses)))
    found, values = problem.descend(starts, np.ones((len(starts), len(losses))))
    order = np.argsort(values, kind="stable")
    best, second = found[order[0]], found[order[min(len(order) - 1, 20)]]
    draws = np.random.default_rng(seed).multinomial(len(losses), [1 / len(losses)] * len(losses), size=replicates)
    # From the best law and from another one, so that a replicate may leave the valley of the whole.
    pair, pair_values = problem.descend(
        np.tile([best, second], (replicates, 1)), np.repeat(draws, 2, axis=0).astype(float)
    )
    chosen = np.argmin(pair_values.reshape(replicates, 2), axis=1) + 2 * np.arange(replicates)
    error = float(np.sqrt(np.mean(problem.residuals(best[None])[0] ** 2)))
    return Fit(_law(best, centre), tuple(_law(theta, centre) for theta in pair[chosen]), error)


def _check(parameters: Sequence[float], tokens: Sequence[float], losses: Sequence[float]) -> None:
    if not len(parameters) == len(tokens) == len(losses):
        raise ValueError("parameters, tokens and losses must be equally many")
    if len(losses) < 6 or len(set(parameters)) < 3 or len(set(tokens)) < 3:
        raise ValueError(
            f"{len(losses)} trainings of {len(set(parameters))} sizes at {len(set(tokens))} budgets are too few for "
            "five constants: at least 6, of 3 sizes, at 3 budgets"
        )
    if not all(np.isfinite(value) and value > 0 for value in (*parameters, *tokens, *losses)):
        raise ValueError("parameters, tokens and losses must be positive numbers")


def _starts(least: float) -> Array:
    """Return starts (S, 5): log terms at the centre, log E, and the exponents."""
    terms = [np.log(least * share) for share in (0.02, 0.1, 0.4)]
    floors = [np.log(least * share) for share in (0.05, 0.3, 0.6, 0.9)]
    exponents = (0.15, 0.4, 0.9)
    return np.array(list(itertools.product(terms, terms, floors, exponents, exponents)))


def _law(theta: Array, centre: Array) -> Law:
    """Turn (a, b, e, alpha, beta), a and b at the centre of the logarithms, into the law."""
    a, b, e, alpha, beta = theta.tolist()
    return Law(float(np.exp(e)), float(np.exp(a + alpha * centre[0])), float(np.exp(b + beta * centre[1])), alpha, beta)


class _Problem:
    """The trainings, and the descent of many laws at once."""

    def __init__(self, logs: Array, targets: Array) -> None:
        self.logs, self.targets = logs, targets  # (2, n) and (n,)

    def _terms(self, theta: Array) -> Array:
        """Return log of A/N^alpha, B/D^beta and E: (S, 3, n)."""
        n, d = self.logs
        a, b, e, alpha, beta = (column[:, None] for column in theta.T)
        return np.stack([a - alpha * n, b - beta * d, np.broadcast_to(e, (len(theta), len(n)))], axis=1)

    def residuals(self, theta: Array) -> Array:
        """Return log L(N, D) - log loss: (S, n)."""
        return np.asarray(np.logaddexp.reduce(self._terms(theta), axis=1) - self.targets)

    def objective(self, theta: Array, weights: Array) -> Array:
        """Return the weighted Huber loss of every law: (S,)."""
        size = np.abs(self.residuals(theta))
        return np.asarray((weights * np.where(size <= DELTA, size**2 / 2, DELTA * (size - DELTA / 2))).sum(axis=1))

    def descend(self, theta: Array, weights: Array) -> tuple[Array, Array]:
        """Minimise by Gauss-Newton steps on reweighted squares, damped (Levenberg-Marquardt); return laws and values.

        A step that makes a law worse is not taken: it gets more damping, so the objective never rises.
        """
        theta, damping = theta.copy(), np.full(len(theta), 1e-2)
        value = self.objective(theta, weights)
        for _ in range(_ROUNDS):
            tried = _bounded(theta + self._step(theta, weights, damping))
            new = self.objective(tried, weights)
            better = new < value
            gained = float(np.max(np.where(better, (value - new) / np.maximum(value, 1e-300), 0.0), initial=0.0))
            theta[better], value[better] = tried[better], new[better]
            damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-9, 1e9)
            if gained < _FINE and float(damping.min()) > 1e6:
                break
        return theta, value

    def _step(self, theta: Array, weights: Array, damping: Array) -> Array:
        terms = self._terms(theta)
        shares = np.exp(terms - np.logaddexp.reduce(terms, axis=1, keepdims=True))  # (S, 3, n), sum 1
        residuals = self.residuals(theta)
        slopes = np.stack(
            [shares[:, 0], shares[:, 1], shares[:, 2], -shares[:, 0] * self.logs[0], -shares[:, 1] * self.logs[1]],
            axis=1,
        )  # (S, 5, n)
        weighted = weights * np.minimum(1.0, DELTA / np.maximum(np.abs(residuals), 1e-300))
        curvature = np.einsum("sin,sn,sjn->sij", slopes, weighted, slopes)
        gradient = np.einsum("sin,sn,sn->si", slopes, weighted, residuals)
        diagonal = np.einsum("sii->si", curvature) + 1e-9
        curvature = curvature + damping[:, None, None] * diagonal[:, :, None] * np.eye(5)
        curvature += 1e-12 * np.eye(5)
        return np.asarray(-np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0])


def _bounded(theta: Array) -> Array:
    """Keep exponents above 0, and terms from running off to nothing."""
    theta = theta.copy()
    theta[:, :3] = np.clip(theta[:, :3], -25.0, 25.0)
    theta[:, 3:] = np.clip(theta[:, 3:], 1e-3, MOST_EXPONENT)
    return theta

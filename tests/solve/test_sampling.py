from __future__ import annotations

import numpy as np
import pytest
import torch

from ganita.errors import GanitaError
from ganita.solve.sampling import Draw, draw, uniforms


def frequencies(logits: torch.Tensor, settings: Draw, count: int = 20_000) -> np.ndarray:
    chances = torch.tensor(uniforms(3, 0, count))
    tokens, _ = draw(logits.expand(count, -1), settings, chances)
    return np.bincount(tokens, minlength=logits.shape[-1]) / count


def reference(logits: torch.Tensor, settings: Draw) -> np.ndarray:
    """The distribution by definition: temperature, then the k most likely, then the nucleus of those."""
    shares = torch.softmax(logits.double() / settings.temperature, -1).numpy()
    order = np.argsort(-shares)
    kept = order[: settings.top_k or len(order)]
    shares = np.where(np.isin(np.arange(len(shares)), kept), shares, 0)
    shares = shares / shares.sum()
    nucleus, total = [], 0.0
    for token in kept:
        if total < settings.top_p:
            nucleus.append(token)
            total += shares[token]
    shares = np.where(np.isin(np.arange(len(shares)), nucleus), shares, 0)
    return shares / shares.sum()


@pytest.mark.parametrize(
    "settings",
    [Draw(1.0), Draw(0.5), Draw(2.0, top_k=3), Draw(1.0, top_p=0.6), Draw(1.5, top_k=5, top_p=0.9), Draw(1.0, top_k=1)],
)
@pytest.mark.parametrize("size", [12, 700])  # 700: flat enough that the candidates are not enough
def test_frequencies_are_those_of_the_distribution(settings: Draw, size: int) -> None:
    logits = torch.randn(size, generator=torch.Generator().manual_seed(size)) * (2.0 if size < 100 else 0.5)
    seen, wanted = frequencies(logits, settings), reference(logits, settings)
    assert not seen[wanted == 0].any()
    # Total variation of 20,000 draws over n tokens is about sqrt(n / 20,000) / 2.5.
    assert np.abs(seen - wanted).sum() / 2 < 0.6 * (np.count_nonzero(wanted) / 20_000) ** 0.5 + 0.005


@pytest.mark.parametrize("top_p", [0.3, 0.49, 0.51, 0.75, 0.81, 0.95, 0.99])
def test_the_nucleus_is_the_fewest_tokens_that_hold_the_share(top_p: float) -> None:
    logits = torch.tensor([0.5, 0.3, 0.1, 0.06, 0.04]).log()  # sums 0.5, 0.8, 0.9, 0.96, 1
    tokens, _ = draw(
        logits.expand(500, -1), Draw(1.0, top_p=top_p), torch.linspace(0, 1, 501, dtype=torch.float64)[:-1]
    )
    wanted = next(count for count, total in enumerate((0.5, 0.8, 0.9, 0.96, 1.0), start=1) if total >= top_p - 1e-6)
    assert set(tokens) == set(range(wanted))


def test_greedy_takes_the_largest_and_knows_near_ties() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 5.0 - 1e-5, 0.0], [-1.0, -2.0, -3.0]])
    tokens, close = draw(logits, Draw())
    assert tokens == [1, 0, 0]
    assert close == [False, True, False]


def test_noise_never_moves_a_draw_that_was_not_close() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(400, 50, generator=generator) * 3
    noisy = logits + (torch.rand(400, 50, generator=generator) - 0.5) * 4e-5
    chances = torch.tensor(uniforms(1, 1, 400))
    for settings in (Draw(), Draw(1.0), Draw(0.7, top_k=5), Draw(1.0, top_p=0.8)):
        tokens, close = draw(logits, settings, chances)
        moved, _ = draw(noisy, settings, chances)
        assert all(a == b for a, b, near in zip(tokens, moved, close, strict=True) if not near)
        assert sum(close) < 40  # and close ones are few


def test_uniforms_depend_on_seed_and_number_only() -> None:
    assert (uniforms(1, 2, 5) == uniforms(1, 2, 9)[:5]).all()
    assert (uniforms(1, 2, 5) != uniforms(1, 3, 5)).all()
    assert (uniforms(2, 2, 5) != uniforms(1, 2, 5)).all()
    assert uniforms(-1, 0, 1)[0] != uniforms(1, 0, 1)[0]


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"temperature": float("nan")}, {"top_p": 0.0}, {"top_p": 1.5}, {"top_k": -1}]
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(GanitaError, match=next(iter(wrong))):
        Draw(**wrong)  # type: ignore[arg-type]

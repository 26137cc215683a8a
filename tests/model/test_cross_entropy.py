from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganita.model import cross_entropy
from ganita.model.cross_entropy import IGNORED, chunked_cross_entropy


@pytest.mark.parametrize("rows", [1, 5, 16, 37])
@pytest.mark.parametrize("ignored_share", [0.0, 0.4, 1.0])
def test_value_and_gradients_equal_torch(rows: int, ignored_share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "CHUNK_ROWS", 8)
    torch.manual_seed(rows)
    hidden = torch.randn(rows, 12, requires_grad=True)
    weight = torch.randn(31, 12, requires_grad=True)
    targets = torch.randint(31, (rows,))
    targets[torch.rand(rows) < ignored_share] = IGNORED
    total, count = chunked_cross_entropy(hidden, weight, targets)
    (total * 0.37).backward()  # the caller divides: a gradient other than 1 must come through
    mine = hidden.grad, weight.grad
    hidden.grad = weight.grad = None
    reference = F.cross_entropy(hidden @ weight.T, targets, ignore_index=IGNORED, reduction="sum")
    (reference * 0.37).backward()
    assert count == int((targets != IGNORED).sum())
    assert total.dtype == torch.float32
    torch.testing.assert_close(total, reference)
    torch.testing.assert_close(mine[0], hidden.grad)
    torch.testing.assert_close(mine[1], weight.grad)


def test_rows_without_loss_never_reach_the_vocabulary() -> None:
    """As many chunks as the rows with loss need, not as many as there are rows; and always of one shape."""
    shapes = []

    def spy(hidden: torch.Tensor, *arguments: object) -> tuple[torch.Tensor, ...]:
        shapes.append(tuple(hidden.shape))
        return cross_entropy.chunk_loss(hidden, *arguments)  # type: ignore[arg-type]

    size = cross_entropy.CHUNK_ROWS
    targets = torch.full((4 * size,), IGNORED)
    targets[::3] = 2
    chunked_cross_entropy(torch.randn(4 * size, 4), torch.randn(7, 4), targets, spy)
    assert shapes == [(size, 4)] * 2


def test_without_gradients_none_are_made() -> None:
    with torch.no_grad():
        total, _ = chunked_cross_entropy(torch.randn(9, 4), torch.randn(7, 4, requires_grad=True), torch.arange(9) % 7)
    assert not total.requires_grad


def test_bfloat16_is_close_to_float32() -> None:
    torch.manual_seed(0)
    hidden, weight, targets = torch.randn(600, 16), torch.randn(50, 16, requires_grad=True), torch.randint(50, (600,))
    exact, _ = chunked_cross_entropy(hidden, weight, targets)
    rounded, _ = chunked_cross_entropy(hidden.bfloat16(), weight, targets)
    rounded.backward()
    assert weight.grad is not None and weight.grad.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=5e-3, atol=0)

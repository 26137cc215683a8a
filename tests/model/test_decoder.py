from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ganita.errors import GanitaError
from ganita.model.decoder import Decoder, KVCache
from tests.model.shapes import BASE, KINDS, make, tokens

CLOSE = {"atol": 2e-5, "rtol": 1e-4}


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_sees_only_what_came_before(kind: str) -> None:
    model, ids = make(kind), tokens(2, 20)
    changed = ids.clone()
    changed[:, 12] = (changed[:, 12] + 1) % BASE.vocabulary_size
    before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :12], after[:, :12], **CLOSE)
    assert not torch.allclose(before[:, 12:], after[:, 12:], atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_documents_are_as_if_alone(kind: str) -> None:
    """Positions run on over the row and need not restart: only distances matter to RoPE."""
    model, ids = make(kind), tokens(1, 40)
    documents = torch.tensor([[0] * 7 + [1] * 20 + [2] * 9 + [-1] * 4])
    together = model(ids, documents)
    for start, stop in ((0, 7), (7, 27), (27, 36)):
        torch.testing.assert_close(together[:, start:stop], model(ids[:, start:stop]), **CLOSE)
    assert together.isfinite().all()
    assert not torch.allclose(together[:, 7:], model(ids)[:, 7:], atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pieces", [(1,) * 24, (9, 1, 1, 13), (24,)])
@torch.no_grad()
def test_the_cache_changes_nothing(kind: str, pieces: tuple[int, ...]) -> None:
    model, ids = make(kind), tokens(3, 24)
    cache = KVCache(model.config, rows=3, length=4)  # has to grow on the way
    steps = [model(piece, cache=cache) for piece in ids.split(list(pieces), dim=1)]
    torch.testing.assert_close(torch.cat(steps, dim=1), model(ids), **CLOSE)
    assert cache.counts == cache.lengths.tolist() == [24] * 3


@pytest.mark.parametrize("kind", ["tied", "grouped", "qk norm"])
@torch.no_grad()
def test_ragged_rows_leave_and_enter(kind: str) -> None:
    """The life of a sampler's batch: padded prompts, steps, one row leaves, others enter, steps, a longer piece."""
    model, ids = make(kind), tokens(5, 40)
    full = model(ids)
    cache = KVCache(model.config, rows=3, length=8)
    lengths = torch.tensor([11, 3, 7])
    prompts = ids[:3, :11].clone()
    prompts[torch.arange(11) >= lengths[:, None]] = 0
    at = dict(zip((0, 1, 2), lengths.tolist(), strict=True))
    torch.testing.assert_close(model.next_logits(prompts, cache, lengths), full[torch.arange(3), lengths - 1], **CLOSE)

    def advance(rows: list[int], count: int = 1) -> None:
        piece = torch.stack([ids[row, at[row] : at[row] + count] for row in rows])
        expected = torch.stack([full[row, at[row] : at[row] + count] for row in rows])
        torch.testing.assert_close(model(piece, cache=cache), expected, **CLOSE)
        for row in rows:
            at[row] += count

    for _ in range(4):
        advance([0, 1, 2])
    cache.keep(torch.tensor([2, 0]))
    advance([2, 0])
    entering = KVCache(model.config, rows=2, length=20)
    model.next_logits(ids[3:, :2], entering)
    at |= {3: 2, 4: 2}
    cache.append_rows(entering)
    for _ in range(10):
        advance([2, 0, 3, 4])
    advance([2, 0, 3, 4], count=3)
    assert cache.counts == cache.lengths.tolist() == [at[row] for row in (2, 0, 3, 4)]
    cache.keep([3, 2])
    advance([4, 3])
    # rows that padding once filled: a second ragged piece on top of a ragged cache
    piece = torch.stack([ids[4, at[4] : at[4] + 3], ids[3, at[3] : at[3] + 3]])
    logits = model.next_logits(piece, cache, torch.tensor([1, 3]))
    torch.testing.assert_close(logits, torch.stack([full[4, at[4]], full[3, at[3] + 2]]), **CLOSE)


def test_growth_doubles_and_ends_at_the_context() -> None:
    cache = KVCache(BASE, rows=1, length=10)
    capacities = []
    for length in (10, 11, 21, 41, 64):
        cache.reserve(length)
        capacities.append(cache.capacity)
    assert capacities == [10, 20, 40, 64, 64]
    with pytest.raises(GanitaError, match="context of 64"):
        cache.reserve(65)
    assert KVCache(BASE, rows=1, length=10_000).capacity == 64


def test_more_than_the_context_is_refused() -> None:
    model = make()
    with pytest.raises(GanitaError, match="65 tokens"):
        model(tokens(1, 65))
    cache = KVCache(model.config, rows=1)
    with pytest.raises(GanitaError, match="context of 64"):
        model(tokens(1, 65), cache=cache)
    with pytest.raises(ValueError, match="exclude"):
        model(tokens(1, 4), torch.zeros(1, 4, dtype=torch.int32), cache)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_equal_torch_on_logits(kind: str) -> None:
    model, ids = make(kind), tokens(2, 30)
    targets = torch.roll(ids, -1, 1)
    targets[:, 20:] = -100
    documents = (torch.arange(30) // 11).expand(2, 30)
    total, count = model.loss(ids, targets, documents)
    mine = torch.autograd.grad(total, list(model.parameters()))
    reference = F.cross_entropy(model(ids, documents).flatten(0, 1), targets.flatten(), reduction="sum")
    assert count == 40
    torch.testing.assert_close(total, reference)
    for (name, parameter), gradient in zip(model.named_parameters(), mine, strict=True):
        expected = torch.autograd.grad(reference, parameter, retain_graph=True)[0]
        torch.testing.assert_close(gradient, expected, msg=name, atol=1e-4, rtol=1e-3)


def test_bfloat16_compute_keeps_float32_weights_and_gradients() -> None:
    model, ids = make("qk norm", init_std=0.02), tokens(4, 60)
    exact, count = model.loss(ids, ids)
    model.compute_dtype = torch.bfloat16
    rounded, _ = model.loss(ids, ids)
    rounded.backward()
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded / count, exact / count, rtol=5e-3, atol=0)
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("cache_dtype", [torch.bfloat16, torch.float32])
@torch.no_grad()
def test_the_cache_may_have_another_precision_than_the_model(cache_dtype: torch.dtype) -> None:
    model, ids = make("grouped"), tokens(2, 30)
    exact = model(ids)
    model.compute_dtype = torch.bfloat16
    cache = KVCache(model.config, 2, dtype=cache_dtype)
    lengths = torch.tensor([9, 10])
    model(ids[:, :10], cache=cache, lengths=lengths)
    step = model(torch.stack([ids[0, 9:11], ids[1, 10:12]]), cache=cache)
    assert step.dtype == torch.bfloat16
    expected = torch.stack([exact[0, 9:11], exact[1, 10:12]])
    assert (step.float() - expected).abs().max() < 0.05 * expected.abs().max()


def test_initial_weights_follow_the_table() -> None:
    torch.manual_seed(0)
    model = Decoder(make("untied", width=256, hidden=256, init_std=0.02).config)
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            assert (parameter == 1).all()
        else:
            residual = name.endswith(("o_proj.weight", "down_proj.weight"))
            expected = 0.02 / math.sqrt(2 * 3) if residual else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name
    # untied, small weights: an untrained model hardly prefers any token
    total, count = model.loss(tokens(4, 64), tokens(4, 64, seed=2))
    assert total.item() / count == pytest.approx(math.log(BASE.vocabulary_size), rel=0.02)


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = make(seed=3).state_dict(), make(seed=3).state_dict(), make(seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


def test_compiled_blocks_compute_the_same_from_one_graph() -> None:
    """Without the C++ step, which takes half a minute: what can go wrong here is the capture and its guards."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    model, ids = make("qk norm"), tokens(2, 24)
    documents = (torch.arange(24) // 9).expand(2, 24).contiguous()
    expected, _ = model.loss(ids, ids, documents)
    gradients = torch.autograd.grad(expected, list(model.parameters()))
    model.compile_blocks(backend="aot_eager")
    for _ in range(2):  # a second batch compiles nothing again
        total, _ = model.loss(ids, ids, documents.clone())
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-4)
    for mine, reference in zip(torch.autograd.grad(total, list(model.parameters())), gradients, strict=True):
        torch.testing.assert_close(mine, reference, atol=2e-3, rtol=2e-3)
    # three layers and the loss, two graphs: the layers share theirs
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2
    with torch.no_grad():
        cache = KVCache(model.config, 2)
        cached = torch.cat([model(ids[:, :9], cache=cache), model(ids[:, 9:], cache=cache)], dim=1)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2  # decoding stays eager
    torch.testing.assert_close(cached, model(ids), atol=1e-4, rtol=1e-3)

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ganita.errors import GanitaError, IntegrityError
from ganita.model.decoder import Decoder
from ganita.recipe import Train
from ganita.train.optimizers import Optimizers, parameter_groups
from tests.train.conftest import CONFIG

UNTIED = replace(CONFIG, tied=False, qk_norm=True)


def test_muon_takes_the_matrices_of_the_blocks_and_nothing_else() -> None:
    model = Decoder(UNTIED)
    groups = parameter_groups(model, Train(optimizer="muon"))
    kinds = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {name.split(".")[-2] for name in groups["muon"]} == kinds
    assert len(groups["muon"]) == len(kinds) * UNTIED.layers
    assert set(groups["decay"]) == {"model.embed_tokens.weight", "lm_head.weight"}
    assert all(name.endswith("norm.weight") for name in groups["plain"])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("config", [CONFIG, UNTIED])
def test_every_parameter_is_in_one_group_and_only_matrices_decay(optimizer, config) -> None:
    model = Decoder(config)
    groups = parameter_groups(model, Train(optimizer=optimizer))
    names = [name for group in groups.values() for name in group]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    shapes = {name: value.ndim for name, value in model.named_parameters()}
    assert all(shapes[name] == 2 for name in groups["muon"] + groups["decay"])
    assert all(shapes[name] == 1 for name in groups["plain"])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_with_no_gradient_decay_shrinks_matrices_and_leaves_vectors(optimizer) -> None:
    model = Decoder(UNTIED)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    train = Train(optimizer=optimizer, learning_rate=0.01, muon_learning_rate=0.05, weight_decay=0.5)
    optimizers = Optimizers(model, train)
    optimizers.set_factor(0.5)
    for value in model.parameters():
        value.grad = torch.zeros_like(value)
    optimizers.step()
    for name, value in model.named_parameters():
        rate = 0 if value.ndim == 1 else 0.025 if name in optimizers.groups["muon"] else 0.005
        torch.testing.assert_close(value, before[name] * (1 - rate * 0.5))


def test_adamw_is_the_textbook_update() -> None:
    """Two steps by hand on one matrix (Loshchilov and Hutter 2019, algorithm 2)."""
    model = Decoder(UNTIED)
    train = Train(learning_rate=0.01, weight_decay=0.1, beta1=0.8, beta2=0.9)
    optimizers = Optimizers(model, train)
    value = model.lm_head.weight
    expected = value.detach().double().clone()
    first = second = torch.zeros_like(expected)
    for step in (1, 2):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        gradient = value.grad.double()
        first, second = 0.8 * first + 0.2 * gradient, 0.9 * second + 0.1 * gradient**2
        corrected = (first / (1 - 0.8**step)) / ((second / (1 - 0.9**step)).sqrt() + 1e-8)
        expected = expected * (1 - 0.01 * 0.1) - 0.01 * corrected
        optimizers.step()
    torch.testing.assert_close(value.detach().double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_state_survives_a_round_trip(optimizer) -> None:
    def trained() -> tuple[Decoder, Optimizers]:
        torch.manual_seed(1)
        model = Decoder(CONFIG)
        return model, Optimizers(model, Train(optimizer=optimizer))

    def step(model: Decoder, optimizers: Optimizers, seed: int) -> None:
        torch.manual_seed(seed)
        for value in model.parameters():
            value.grad = torch.randn_like(value)
        optimizers.step()

    model, optimizers = trained()
    step(model, optimizers, 1)
    saved = {name: value.clone() for name, value in optimizers.tensors().items()}
    copy, fresh = trained()
    copy.load_state_dict(model.state_dict())
    fresh.load_tensors(saved)
    step(model, optimizers, 2)
    step(copy, fresh, 2)
    for left, right in zip(model.parameters(), copy.parameters(), strict=True):
        assert torch.equal(left, right)


def test_state_of_another_model_is_refused() -> None:
    optimizers = Optimizers(Decoder(CONFIG), Train())
    with pytest.raises(IntegrityError, match="'other', which the model does not have"):
        optimizers.load_tensors({"other/exp_avg": torch.zeros(2)})
    with pytest.raises(IntegrityError, match="has shape"):
        optimizers.load_tensors({"model.norm.weight/exp_avg": torch.zeros(2)})


def test_an_old_torch_without_muon_is_said(monkeypatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(GanitaError, match=r"needs torch 2\.9"):
        Optimizers(Decoder(CONFIG), Train(optimizer="muon"))

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from ganita.model.config import ModelConfig
from ganita.model.decoder import Decoder
from ganita.model.mup import Scaling, attention_multiplier, scalings, width_multiplier
from tests.model.shapes import BASE, KINDS

WIDE = replace(BASE, width=256, heads=8, kv_heads=8, head_width=32, hidden=512, init_std=0.02)


def kind(name: str) -> str:
    return name.split(".")[-2]


@pytest.mark.parametrize("shape", KINDS)
def test_every_tensor_has_a_class(shape: str) -> None:
    model = Decoder(replace(BASE, **KINDS[shape]))
    table = scalings(model.config)
    assert {kind(name) for name, _ in model.named_parameters()} <= table.keys()


def test_the_table_at_four_times_the_width_and_head_width() -> None:
    config = replace(WIDE, mup_base_width=64, mup_base_head_width=8)
    assert (width_multiplier(config), attention_multiplier(config)) == (4.0, 0.5)
    table = scalings(config)
    assert table["embed_tokens"] == table["lm_head"] == table["input_layernorm"] == table["k_norm"] == (1, 1, 1)
    for matrix in ("k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"):
        assert table[matrix] == Scaling(init=0.5, adamw=0.25, muon=1.0)
    assert table["q_proj"] == Scaling(init=0.25, adamw=0.125, muon=0.5)
    assert table["norm"] == Scaling(init=0.25, adamw=0.25)
    normed = scalings(replace(config, qk_norm=True))
    assert normed["q_proj"] == table["k_proj"]
    assert (normed["q_norm"].init, normed["q_norm"].adamw) == (0.5, 0.5)


def test_heads_of_one_width_leave_attention_as_it_is() -> None:
    for base_head_width in (0, WIDE.head_width):
        table = scalings(replace(WIDE, mup_base_width=64, mup_base_head_width=base_head_width))
        assert table["q_proj"] == table["k_proj"]


@pytest.mark.parametrize("untouched", [{}, {"mup_base_width": 256}, {"mup_base_width": 256, "mup_base_head_width": 32}])
def test_at_the_base_width_and_without_mup_nothing_changes(untouched: dict[str, Any]) -> None:
    config = replace(WIDE, **untouched)
    assert set(scalings(config).values()) == {Scaling()}
    assert initial(config).keys() == initial(WIDE).keys()
    assert all(torch.equal(value, initial(WIDE)[name]) for name, value in initial(config).items())


def initial(config: ModelConfig) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return dict(Decoder(config).named_parameters())


@pytest.mark.parametrize("qk_norm", [False, True])
def test_initial_weights_follow_the_table(qk_norm: bool) -> None:
    config = replace(WIDE, qk_norm=qk_norm, tied=False, mup_base_width=64, mup_base_head_width=8)
    table = scalings(config)
    for name, parameter in initial(config).items():
        factor = table[kind(name)].init
        if parameter.ndim == 1:
            assert (parameter == factor).all(), name
        else:
            residual = kind(name) in ("o_proj", "down_proj")
            expected = 0.02 * factor / (math.sqrt(2 * config.layers) if residual else 1)
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name

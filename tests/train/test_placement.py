from __future__ import annotations

import pytest
import torch

from ganita import hardware
from ganita.errors import GanitaError
from ganita.model.decoder import Decoder
from ganita.progress import Reporter
from ganita.recipe import Train
from ganita.train import placement
from tests.train.conftest import CONFIG


@pytest.fixture(autouse=True)
def _cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("gains", [True, False])
def test_auto_precision_follows_the_hardware(monkeypatch, reporter: Reporter, gains: bool) -> None:
    monkeypatch.setattr(hardware, "gains_from_bfloat16", lambda _: gains)
    assert placement.choose(Train(), 0, reporter).precision == ("bfloat16" if gains else "float32")
    assert placement.choose(Train(precision="bfloat16"), 0, reporter).dtype == torch.bfloat16
    assert placement.choose(Train(precision="float32"), 0, reporter).dtype == torch.float32


def test_no_compiler_means_eager_and_is_said_once(monkeypatch, capfd) -> None:
    monkeypatch.setattr(hardware, "find_compiler", lambda: None)
    reporter = Reporter(quiet=True)
    for _ in range(2):
        assert not placement.choose(Train(), 1e18, reporter).compiled
    assert capfd.readouterr().err.count("no C++ compiler found") == 1


def test_compile_settings(monkeypatch, reporter: Reporter) -> None:
    monkeypatch.setattr(hardware, "find_compiler", lambda: "/usr/bin/c++")
    monkeypatch.setenv("CXX", "c++")
    assert placement.choose(Train(), 1e18, reporter).compiled
    assert placement.choose(Train(compile="on"), 1.0, reporter).compiled
    assert not placement.choose(Train(), 1.0, reporter).compiled  # too short to pay
    assert not placement.choose(Train(compile="off"), 1e18, reporter).compiled


def test_a_gpu_that_is_not_there_is_refused(reporter: Reporter) -> None:
    with pytest.raises(GanitaError, match="finds no CUDA GPU here; set device = 'cpu'"):
        placement.choose(Train(device="cuda"), 0, reporter)


def test_weights_stay_in_float32_whatever_the_precision(reporter: Reporter) -> None:
    model = Decoder(CONFIG)
    placement.place(model, placement.choose(Train(precision="bfloat16", compile="off"), 0, reporter))
    assert model.compute_dtype == torch.bfloat16
    assert {value.dtype for value in model.parameters()} == {torch.float32}

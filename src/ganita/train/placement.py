"""Where and how a model is trained here: device, precision, compiled or not, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ganita import hardware
from ganita.progress import Reporter
from ganita.recipe import Train

# Compiling costs half a minute or more and makes training about 1.4 times as fast: below about two minutes of eager
# work (at 200 GFLOP/s on a CPU, 200 TFLOP/s on a GPU) a run is over before that is won back. A fixed number, not a
# measured time: compiling changes the rounding, and one recipe must give the same losses on one machine every time.
_WORTH_COMPILING = {"cpu": 2.5e13, "cuda": 2.5e16}


@dataclass(frozen=True)
class Placement:
    """Device, data type of the matrix products, and whether torch.compile is used."""

    device: torch.device
    dtype: torch.dtype
    compiled: bool
    reason: str

    @property
    def precision(self) -> str:
        """Return the name that recipes use for the data type."""
        return "bfloat16" if self.dtype == torch.bfloat16 else "float32"


def choose(train: Train, total_flops: float, reporter: Reporter) -> Placement:
    """Decide on `train.device`, `train.precision` and `train.compile` for a run of `total_flops` operations.

    Says once when a run that could gain from compiling is eager for want of a compiler.
    """
    device = hardware.pick_device(train.device)
    if train.precision == "auto":
        dtype = torch.bfloat16 if hardware.gains_from_bfloat16(device) else torch.float32
    else:
        dtype = torch.bfloat16 if train.precision == "bfloat16" else torch.float32
    if device.type == "cpu" and torch.get_num_threads() > hardware.num_cores():
        torch.set_num_threads(hardware.num_cores())  # more threads than a container's quota stall each other
    compiled, reason = _choose_compile(train, total_flops, device.type)
    if "no C++ compiler" in reason:
        reporter.warn(reason)
    return Placement(device, dtype, compiled, reason)


def _choose_compile(train: Train, total_flops: float, device_type: str) -> tuple[bool, str]:
    if train.compile == "off":
        return False, "compile = 'off'"
    if train.compile == "auto" and total_flops < _WORTH_COMPILING.get(device_type, 0.0):
        return False, "the run is too short for compiling to pay"
    if hardware.prepare_compiler() is None:
        return False, "no C++ compiler found: training runs eager, which is slower (install g++ or clang++)"
    return True, "compile = 'on'" if train.compile == "on" else "compiler found"


def place(model: Any, placement: Placement) -> None:
    """Move `model` to its device, set its compute type (weights stay float32) and compile its blocks."""
    model.to(placement.device)
    model.compute_dtype = placement.dtype
    if placement.compiled:
        model.compile_blocks()


def run_eager(model: Any) -> None:
    """Make everything compiled in this process run eager from now on: compiling does not work here."""
    torch.compiler.set_stance("force_eager")
    # FlexAttention's masks serve compiled blocks only; eager, it would build all the scores.
    if hasattr(model, "_compiled"):
        model._compiled = False

"""AdamW and Muon, which parameter belongs to which, and their state by parameter name.

| parameters                          | adamw            | muon             | weight decay |
|-------------------------------------|------------------|------------------|--------------|
| matrices inside the decoder blocks  | AdamW            | Muon             | yes          |
| embedding and output matrix         | AdamW            | AdamW            | yes          |
| norms and other vectors             | AdamW            | AdamW            | no           |

AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101. Muon: Jordan et al. 2024, as in `torch.optim.Muon`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganita.errors import GanitaError, IntegrityError
from ganita.recipe import Train

MUON_MOMENTUM = 0.95  # Jordan et al. 2024
ADAM_EPS = 1e-8


def hidden_matrices(model: nn.Module) -> set[str]:
    """Name the matrices inside the model's stacks of blocks: by structure (`nn.ModuleList`), not by name."""
    hidden = set()
    for prefix, module in model.named_modules():
        if isinstance(module, nn.ModuleList):
            hidden |= {f"{prefix}.{name}" for name, value in module.named_parameters() if value.ndim == 2}
    return hidden


def parameter_groups(model: nn.Module, train: Train) -> dict[str, list[str]]:
    """Return the parameter names of `muon`, `decay` (AdamW with weight decay) and `plain` (AdamW without)."""
    groups: dict[str, list[str]] = {"muon": [], "decay": [], "plain": []}
    hidden = hidden_matrices(model) if train.optimizer == "muon" else set()
    for name, value in model.named_parameters():  # shared (tied) parameters come once
        if value.requires_grad:
            groups["muon" if name in hidden else "decay" if value.ndim >= 2 else "plain"].append(name)
    return groups


class Optimizers:
    """One or two torch optimisers behind one face."""

    def __init__(self, model: nn.Module, train: Train) -> None:
        self._parameters = dict(model.named_parameters())
        self.groups = parameter_groups(model, train)
        self._optimizers: list[torch.optim.Optimizer] = []
        adamw = [
            {"params": [self._parameters[name] for name in self.groups[group]], "weight_decay": weight_decay}
            for group, weight_decay in (("decay", train.weight_decay), ("plain", 0.0))
            if self.groups[group]
        ]
        if adamw:
            self._optimizers.append(_adamw(adamw, train))
        if self.groups["muon"]:
            self._optimizers.append(_muon([self._parameters[name] for name in self.groups["muon"]], train))
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["peak"] = group["lr"]

    def set_factor(self, factor: float) -> None:
        """Set every learning rate to `factor` times its peak."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor

    def step(self) -> None:
        """Update the parameters from their gradients."""
        for optimizer in self._optimizers:
            optimizer.step()

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the whole state as `<parameter>/<key>` -> tensor, ready for safetensors."""
        state = {}
        for optimizer in self._optimizers:
            for name, value in self._parameters.items():
                for key, item in optimizer.state.get(value, {}).items():
                    state[f"{name}/{key}"] = item if isinstance(item, Tensor) else torch.tensor(item)
        return state

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` returned. Raises `IntegrityError` where names or shapes do not fit."""
        by_parameter: dict[str, dict[str, Tensor]] = {}
        for key, item in tensors.items():
            name, _, field = key.rpartition("/")
            if name not in self._parameters:
                raise IntegrityError(f"optimizer state for {name!r}, which the model does not have")
            by_parameter.setdefault(name, {})[field] = item
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                for value in group["params"]:
                    optimizer.state[value] = {}
        for name, fields in by_parameter.items():
            self._put_back(name, fields)

    def _put_back(self, name: str, fields: dict[str, Tensor]) -> None:
        value = self._parameters[name]
        owner = self._optimizers[-1] if name in self.groups["muon"] else self._optimizers[0]
        for field, item in fields.items():
            if item.ndim and item.shape != value.shape:
                raise IntegrityError(
                    f"optimizer state {name}/{field} has shape {tuple(item.shape)}, not the parameter's"
                )
            # AdamW's step count is a scalar; fused kernels want it beside the parameter.
            owner.state[value][field] = item.to(value.device, copy=True)


def _adamw(groups: list[dict[str, Any]], train: Train) -> torch.optim.Optimizer:
    settings: dict[str, Any] = {"lr": train.learning_rate, "betas": (train.beta1, train.beta2), "eps": ADAM_EPS}
    try:
        return torch.optim.AdamW(groups, fused=True, **settings)
    except (RuntimeError, TypeError):  # a device or a torch without the fused kernel
        return torch.optim.AdamW(groups, **settings)


def _muon(parameters: list[nn.Parameter], train: Train) -> torch.optim.Optimizer:
    muon = getattr(torch.optim, "Muon", None)
    if muon is None:
        raise GanitaError(f"optimizer = 'muon' needs torch 2.9 or later, not {torch.__version__}; use 'adamw'")
    optimizer: torch.optim.Optimizer = muon(
        parameters, lr=train.muon_learning_rate, weight_decay=train.weight_decay, momentum=MUON_MOMENTUM
    )
    return optimizer

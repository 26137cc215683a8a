"""AdamW and Muon, which parameter belongs to which, and their state by parameter name.

| parameters                          | adamw            | muon             | weight decay |
|-------------------------------------|------------------|------------------|--------------|
| matrices inside the decoder blocks  | AdamW            | Muon             | yes          |
| embedding and output matrix         | AdamW            | AdamW            | yes          |
| norms and other vectors             | AdamW            | AdamW            | no           |

AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101. Muon: Jordan et al. 2024, as in `torch.optim.Muon`.
Under muP each tensor has a learning rate of its own (`ganita.model.mup.scalings` has the table).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganita.errors import GanitaError, IntegrityError
from ganita.model.decoder import Decoder
from ganita.model.mup import Scaling, scalings
from ganita.recipe import Train

MUON_MOMENTUM = 0.95  # Jordan et al. 2024
# Gradients shrink as 1 / width under muP and so should this (Yang et al. 2022, appendix B.3); it is far below them
# at any width that this package trains.
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


def scalings_of(model: nn.Module) -> dict[str, Scaling]:
    """Return muP's factors by parameter name, for every decoder in `model`; tensors outside of one have none."""
    found: dict[str, Scaling] = {}
    for prefix, module in model.named_modules():
        if isinstance(module, Decoder):
            table = scalings(module.config)
            names = (f"{prefix}.{name}".lstrip(".") for name, _ in module.named_parameters())
            found |= {name: table[name.split(".")[-2]] for name in names}
    return found


class Optimizers:
    """One or two torch optimisers behind one face."""

    def __init__(self, model: nn.Module, train: Train) -> None:
        self._parameters = dict(model.named_parameters())
        self.groups = parameter_groups(model, train)
        self._optimizers: list[torch.optim.Optimizer] = []
        mup = scalings_of(model)
        factors = {name: scaling.adamw for name, scaling in mup.items()}
        adamw = self._by_rate("decay", factors, train.learning_rate, train.weight_decay)
        adamw += self._by_rate("plain", factors, train.learning_rate, 0.0)
        if adamw:
            self._optimizers.append(_adamw(adamw, train))
        factors = {name: scaling.muon for name, scaling in mup.items()}
        if muon := self._by_rate("muon", factors, train.muon_learning_rate, train.weight_decay):
            self._optimizers.append(_muon(muon))
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["peak"] = group["lr"]

    def _by_rate(
        self, group: str, factors: dict[str, float], learning_rate: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        """Split one of `groups` by muP's factor on the learning rate, into groups as torch takes them."""
        by_factor: dict[float, list[nn.Parameter]] = {}
        for name in self.groups[group]:
            by_factor.setdefault(factors.get(name, 1.0), []).append(self._parameters[name])
        # Torch multiplies the two for the shrinkage per step, which has to be the same at every width.
        return [
            {"params": parameters, "lr": learning_rate * factor, "weight_decay": weight_decay / factor}
            for factor, parameters in by_factor.items()
        ]

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
    settings: dict[str, Any] = {"betas": (train.beta1, train.beta2), "eps": ADAM_EPS}
    try:
        return torch.optim.AdamW(groups, fused=True, **settings)
    except (RuntimeError, TypeError):  # a device or a torch without the fused kernel
        return torch.optim.AdamW(groups, **settings)


def _muon(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    muon = getattr(torch.optim, "Muon", None)
    if muon is None:
        raise GanitaError(f"optimizer = 'muon' needs torch 2.9 or later, not {torch.__version__}; use 'adamw'")
    # "original": lr sqrt(max(1, fan-out / fan-in)), which transfers over widths; the reason stands at the muP table.
    optimizer: torch.optim.Optimizer = muon(groups, momentum=MUON_MOMENTUM, adjust_lr_fn="original")
    return optimizer

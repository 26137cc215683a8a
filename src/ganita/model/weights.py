"""Weights on disk: safetensors, nothing that could be executed."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganita import storage
from ganita.errors import GanitaError, IntegrityError
from ganita.model.config import ModelConfig
from ganita.model.decoder import Decoder

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"


def save_weights(model: Decoder, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write the parameters of `model` to a .safetensors file, atomically.

    Args:
        model: on any device; a tied embedding is written once.
        path: the file.
        dtype: type on disk; None: as they are.
    """
    tensors = {
        name: tensor.detach().to(device="cpu", dtype=dtype or tensor.dtype).contiguous()
        for name, tensor in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # transformers refuses a file that does not say which framework wrote it
        save_file(tensors, temporary, metadata={"format": "pt"})
        storage.fsync_path(temporary)
        temporary.replace(path)
    except SafetensorError as error:
        raise OSError(f"{path}: cannot be written ({error})") from None
    finally:
        temporary.unlink(missing_ok=True)
    storage.fsync_path(path.parent)


def load_weights(model: Decoder, path: Path) -> None:
    """Copy a .safetensors file into the parameters of `model`, keeping their type and device.

    Raises:
        IntegrityError: the file is broken, or its names or shapes are not those of the model.
    """
    fill(model, read_tensors(path), str(path))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file; a missing or broken one is named."""
    if not path.is_file():
        raise GanitaError(f"{path}: no such weights file")
    try:
        tensors: dict[str, Tensor] = load_file(path)
        return tensors
    except (SafetensorError, OSError) as error:
        raise IntegrityError(f"{path}: not a whole safetensors file ({error})") from None


def fill(model: Decoder, tensors: dict[str, Tensor], where: str) -> None:
    """Copy `tensors` into the parameters of `model`, all of them or none."""
    parameters = model.state_dict()
    if missing := sorted(parameters.keys() - tensors.keys()):
        raise IntegrityError(f"{where}: no tensor {missing[0]!r} ({len(missing)} missing): not this model's weights")
    if extra := sorted(tensors.keys() - parameters.keys()):
        raise IntegrityError(f"{where}: unknown tensor {extra[0]!r} ({len(extra)} unknown): not this model's weights")
    for name, parameter in parameters.items():
        if tensors[name].shape != parameter.shape:
            raise IntegrityError(
                f"{where}: {name} is {tuple(tensors[name].shape)}, the model's config says {tuple(parameter.shape)}"
            )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def save_model(model: Decoder, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Write weights.safetensors and config.json into `folder`."""
    save_weights(model, folder / WEIGHTS, dtype)
    model.config.save(folder / CONFIG)


def load_model(folder: Path) -> Decoder:
    """Return the decoder that `save_model` wrote, in eval mode, float32, on the CPU."""
    model = blank(ModelConfig.load(folder / CONFIG))
    load_weights(model, folder / WEIGHTS)
    return model.eval()


def blank(config: ModelConfig) -> Decoder:
    """Return a decoder whose weights are about to be overwritten; the global random generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        return Decoder(config)

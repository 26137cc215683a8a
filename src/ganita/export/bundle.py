"""`ganita bundle`: a run's model as the one that ships with the package and answers where no run is named."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ganita import storage
from ganita.errors import GanitaError
from ganita.evaluate.contamination import touched_by_set
from ganita.export.card import model_card, results
from ganita.model.config import ModelConfig
from ganita.model.reading import SCALE, read_arrays
from ganita.recipe import Recipe, recipe_to_dict
from ganita.runs import Run
from ganita.solve.bundled import BUNDLED, CARD, WEIGHTS

MAX_BYTES = 40_000_000
DTYPES = ("bf16", "int8")
_FILES = ("tokenizer.json", "tokenizer_config.json")

Array = np.ndarray[Any, Any]


def bundle(run: Run, out: Path = BUNDLED, dtype: str = "bf16") -> Path:
    """Write the final model of a run as the bundled model; return the folder.

    Args:
        run: a run with a trained model.
        out: the folder; the package's own by default. What it holds is replaced.
        dtype: bf16, or int8 with one float32 scale for each row of a matrix.

    Raises `GanitaError` for an unknown type, or files of more than 40 MB together (nothing is replaced then).
    """
    if dtype not in DTYPES:
        raise GanitaError(f"--dtype {dtype}: a bundled model is {' or '.join(DTYPES)}")
    folder, tokenizer = run.final_model(), run.stage("tokenizer")
    scratch = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    storage.remove(scratch)
    try:
        scratch.mkdir(parents=True)
        _write_weights(read_arrays(folder / "weights.safetensors"), scratch / WEIGHTS, dtype)
        ModelConfig.load(folder / "config.json").save(scratch / "config.json")
        for name in _FILES:
            shutil.copyfile(tokenizer / name, scratch / name)
        recipe = dataclasses.replace(run.recipe(), runs=Recipe().runs)  # where it lay is nobody's business
        card = {
            "name": recipe.name,
            "dtype": dtype,
            "results": results(run),
            "recipe": recipe_to_dict(recipe),
            "touched": touched_by_set(run),
        }
        storage.write_json(scratch / CARD, {**card, "files": storage.describe_files(scratch)})
        storage.write_text(scratch / "README.md", model_card(run, "bundle", dtype))
        size = sum(path.stat().st_size for path in scratch.iterdir())
        if size > MAX_BYTES:
            raise GanitaError(
                f"{run.root}: {size / 1e6:.1f} MB as {dtype}; a bundled model has at most {MAX_BYTES / 1e6:.0f} MB: "
                f"{'use --dtype int8' if dtype == 'bf16' else 'bundle a smaller model'}"
            )
        storage.remove(out)
        storage.publish(scratch, out)
    finally:
        storage.remove(scratch)
    return out


def _write_weights(tensors: dict[str, Array], path: Path, dtype: str) -> None:
    """Write matrices in `dtype` and norms in float32."""
    written: dict[str, Tensor] = {}
    for name, values in tensors.items():
        tensor = torch.from_numpy(values.copy())
        if tensor.ndim != 2:
            written[name] = tensor
        elif dtype == "bf16":
            written[name] = tensor.to(torch.bfloat16)
        else:
            # Symmetric, the largest number of a row is 127; rows of nothing but zeros keep the scale 1.
            scale = tensor.abs().amax(dim=1) / 127
            scale[scale == 0] = 1.0
            written[name] = (tensor / scale[:, None]).round().to(torch.int8)
            written[name + SCALE] = scale
    save_file(written, path, metadata={"format": "pt"})
    storage.fsync_path(path)

"""Other people's models on our benchmarks: what `ganita evaluate hf:NAME_OR_FOLDER --tasks TASK` does.

Sampler, scorers, statistics and files are those of our own models. Only the prompt is another one: such a model has
never seen our template, so it is asked in plain text.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganita.errors import GanitaError
from ganita.evaluate.suites import evaluate_more, require_askable, tasks_of
from ganita.evaluate.tasks import Task
from ganita.model.foreign import ForeignModel, load_foreign
from ganita.pipeline import lock
from ganita.progress import Reporter
from ganita.recipe import recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.solve.sampler import Sampler
from ganita.standalone import open_run
from ganita.storage import sha256_file
from ganita.tokenizer.foreign import ForeignTokenizer

PREFIX = "hf:"
# For benchmarks with numbers as answers that declare no wording of their own: GSM8K's, whose form they share.
_WORDING: dict[str, Any] = {
    "prompt": "Question: {question}\nAnswer:",
    "until": ("Question:",),
    "demonstrations": "gsm8k-train",
}


def evaluate_foreign(
    name: str, suite: str, names: Sequence[str], settings: Mapping[str, Any], out: Path, reporter: Reporter
) -> dict[str, Any]:
    """Evaluate a Hugging Face causal model, a folder or a name on the hub, and return its results by task.

    `settings` are fields of a recipe's `evaluate`. The first call makes the run folder `out`, later ones add to it.
    Raises `GanitaError` for what does not exist or cannot work, before any work, and where `out` is another model's.
    """
    given = {"calculator": False, "chat_template": "off", **settings}
    if given["chat_template"] == "on" or given["calculator"]:
        raise GanitaError(
            f"{PREFIX}{name}: neither our template nor the calculator is for a model that ganita did not train"
        )
    tasks = [plain(task) for task in tasks_of(suite, names)]
    if not tasks:
        raise GanitaError(f"{PREFIX}{name}: name benchmarks with --tasks or --suite, e.g. --tasks gsm8k")
    tree = recipe_to_dict(recipe_from_dict({"name": out.name, "description": f"baseline {name}"}))
    tree["evaluate"] |= {**given, "tasks": [task.name for task in tasks]}
    asked = recipe_from_dict(tree, where="ganita evaluate")
    require_askable(tasks, asked)
    model, inner = load_foreign(name, asked.finetune.device)
    run = Run(out)
    with lock(run.root):
        open_run(run, tree, identify(name, model))
        tokenizer = ForeignTokenizer(inner, model.config.vocabulary_size, _ends(model))
        sampler = Sampler(model, tokenizer, calculator=False)  # type: ignore[arg-type]  # they have the interface
        return evaluate_more(run, asked, tasks, sampler, reporter)


def plain(task: Task) -> Task:
    """Return a task as it is asked of a model that does not know our template."""
    if not task.prompt and task.scorer == "number":
        task = dataclasses.replace(task, **_WORDING)
    return dataclasses.replace(task, asked="")


def folder_name(name: str) -> str:
    """Return the name of the run folder of a model: `hf-gpt2`, `hf-Qwen-Qwen2.5-0.5B`."""
    path = Path(name).expanduser()
    return "hf-" + re.sub(r"[^A-Za-z0-9.]+", "-", path.resolve().name if path.is_dir() else name).strip("-.")


def identify(name: str, model: ForeignModel) -> dict[str, Any]:
    """Return what tells a model from others: its name and, of a folder, its weights' checksums, else its commit."""
    folder = Path(name).expanduser()
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return {
        "model": name,
        "class": type(model.inner).__name__,
        "parameters": sum(tensor.numel() for tensor in model.inner.parameters()),
        "commit": getattr(model.inner.config, "_commit_hash", None) or "",
        "weights": {file.name: sha256_file(file) for file in files},
    }


def _ends(model: ForeignModel) -> list[int]:
    """Return the end tokens that the model's own settings for generation name."""
    ends = getattr(getattr(model.inner, "generation_config", None), "eos_token_id", None)
    return [] if ends is None else [int(one) for one in (ends if isinstance(ends, list) else [ends])]

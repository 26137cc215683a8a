"""The model card: what a model is, what it read, what it can do, what it cost, what it must not be used for.

Every figure is read from the run's own files; what a run does not know is said to be unknown. The header is what
huggingface.co reads (hub documentation, "Model Cards").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ganita.model.config import ModelConfig, num_parameters
from ganita.runs import Run
from ganita.storage import read_json

_USE = {
    "hf": """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer, model = (kind.from_pretrained("FOLDER") for kind in (AutoTokenizer, AutoModelForCausalLM))
question = [{"role": "user", "content": "A box holds 12 pencils. How many pencils are in 4 boxes?"}]
ids = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
print(tokenizer.decode(model.generate(**ids, max_new_tokens=200)[0]))
```

Without custom code nobody does the arithmetic for the model: it writes the results after `=` by itself. The figures
below are with ganita's calculator, which does; `ganita.load("FOLDER")` has it.
""",
    "gguf": """\
`llama-cli -m FILE.gguf --jinja`, or any program on llama.cpp. The figures below are with ganita's calculator, which
fills in the results after `=`; llama.cpp has none.
""",
    "onnx": """\
`onnxruntime.InferenceSession("model.onnx").run(None, {"input_ids": ids})` gives the logits (batch, length, vocabulary)
of ids (batch, length). The figures below are with ganita's calculator, which fills in the results after `=`.
""",
    "bundle": '`ganita solve "A box holds 12 pencils. How many pencils are in 4 boxes?"`\n',
}
_LIMITS = """\
Made to be studied: a small model of worked mathematics problems in English, which others can train again from nothing.
Not made to be relied on: it is wrong far more often than the wording of its answers suggests; nothing that matters to
somebody's money, health or marks should rest on it. It knows little of the world and no language but that of its
sources, repeats whatever bias their stories hold, and has had no training for safety. A question longer than its window
is refused. Answers to what is no problem of mathematics mean nothing.
"""


def model_card(run: Run, to: str, dtype: str) -> str:
    """Return the card of a run's final model in a format (hf, gguf, onnx or bundle) as Markdown."""
    recipe = run.recipe()
    config = ModelConfig.load(run.stage(run.model_stage()) / "model" / "config.json")
    licences = sorted({str(card.get("licence") or "unknown") for card in _sources(run).values()})
    parts = [
        _header(to, licences),
        f"# {recipe.name}\n",
        (recipe.description or "A small language model of mathematics, trained from nothing.") + "\n",
        f"{num_parameters(config):,} parameters, {config.layers} layers of width {config.width}, a vocabulary of "
        f"{config.vocabulary_size:,} tokens, a window of {config.context_length:,}; weights here: {dtype}. Made with "
        "[ganita](https://pypi.org/project/ganita/) from public text and generated problems, starting from random "
        "numbers.\n",
        "## Use\n",
        _USE[to],
        "## Results\n",
        _results(run),
        "## Data\n",
        _data(run),
        "## Training\n",
        _training(run),
        "## Intended use and limits\n",
        _LIMITS,
        "## Licence\n",
        "The weights are offered as ganita is (Apache-2.0). What they were trained on has licences of its own, listed "
        f"above ({', '.join(licences) or 'none known'}); some ask for attribution or forbid commercial use.\n",
    ]
    return "\n".join(parts)


def _header(to: str, licences: Iterable[str]) -> str:
    lines = ["language: en", "license: apache-2.0", "pipeline_tag: text-generation", "tags: [mathematics, ganita]"]
    if to == "hf":
        lines.append("library_name: transformers")
    if any("NC" in licence.upper().split("-") for licence in licences):
        lines[1] = "license: other"
    return "\n".join(("---", *lines, "---", ""))


def results(run: Run) -> dict[str, Any]:
    """Return the results of the run's evaluation by task; empty where it was not evaluated."""
    path = run.root / "evaluate" / "results.json"
    return dict(read_json(path)) if path.is_file() else {}


def _results(run: Run) -> str:
    found = results(run)
    if not found:
        return "Not evaluated.\n"
    rows = [
        (
            result["title"],
            f"{result['n']:,}",
            _interval(result["strict"]),
            _interval(result["flexible"]),
            result["form"],
            "on" if result["calculator"] else "off",
            _touched(result),
        )
        for result in found.values()
    ]
    head = (
        "Benchmark",
        "Items",
        "Strict, %",
        "Flexible, %",
        "Form",
        "Calculator",
        "Items found in a source, taken out",
    )
    note = "Greedy, one solution each; in brackets the 95 % interval (Wilson)."
    return f"{_table(head, rows)}\n{note}\n"


def _interval(score: Mapping[str, float]) -> str:
    return f"{100 * score['accuracy']:.1f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"


def _touched(result: Mapping[str, Any]) -> str:
    found = result.get("contamination", {})
    return f"{found['touched']['n']:,}" if found.get("compared") else str(found.get("reason") or "not compared")


def _data(run: Run) -> str:
    rows = []
    for name, card in _sources(run).items():
        kept = card.get("kept", {}).get("train", {})
        rows.append(
            (
                name,
                str(card.get("licence") or "unknown"),
                {True: "yes", False: "no"}.get(card.get("commercial_use"), "unknown"),  # type: ignore[arg-type]
                f"{kept.get('documents', 0):,}",
                f"{kept.get('characters', 0):,}",
            )
        )
    head = ("Source", "Licence", "Commercial use", "Documents", "Characters")
    return _table(head, rows) if rows else "Not known here.\n"


def _sources(run: Run) -> dict[str, dict[str, Any]]:
    path = run.root / "corpus" / "card.json"
    return dict(read_json(path).get("sources", {})) if path.is_file() else {}


def _training(run: Run) -> str:
    rows = []
    for stage in ("pretrain", "finetune"):
        path = run.root / stage / "summary.json"
        summary = read_json(path) if path.is_file() else {}
        if summary.get("steps"):
            energy = summary.get("joules")
            rows.append(
                (
                    stage,
                    f"{summary['tokens']:,}",
                    f"{summary['seconds'] / 3600:.2f}",
                    "unknown" if energy is None else f"{energy / 3.6e6:.4f} ({summary.get('energy_source', '')})",
                    str(summary.get("device", "unknown")),
                    f"{summary['validation_loss']:.4f}" if summary.get("validation_loss") else "not measured",
                )
            )
    return _table(("Stage", "Tokens", "Hours", "Energy, kWh", "Machine", "Validation loss"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *map(list, rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in cells)

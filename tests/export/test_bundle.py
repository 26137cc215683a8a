"""The model that ships: written by `ganita bundle`, found by `ganita solve` without a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganita.errors import GanitaError, IntegrityError
from ganita.evaluate.contamination import TOUCHED, find_overlap
from ganita.evaluate.tasks import load_tasks
from ganita.export import bundle as bundling
from ganita.export.bundle import bundle
from ganita.model.reading import read_arrays
from ganita.runs import Run
from ganita.solve import bundled
from ganita.solve.bundled import load_bundled, read_card
from ganita.storage import read_json, write_json
from tests.export.conftest import call

QUESTION = "Ann has 3 pens and buys 4. How many has she now?"


@pytest.mark.parametrize(("dtype", "most"), [("bf16", 2**-8), ("int8", 0.5 / 127)])
def test_the_weights_are_the_run_s_but_for_rounding(dtype: str, most: float, run: Run, out: Path) -> None:
    bundle(run, out, dtype)
    before = read_arrays(run.final_model() / "weights.safetensors")
    after = read_arrays(out / "model.safetensors")
    assert before.keys() == after.keys()
    for name, values in before.items():
        largest = np.abs(values).max(axis=-1, keepdims=True)
        assert (np.abs(after[name] - values) <= most * largest * 1.01).all(), name
    assert (out / "model.safetensors").stat().st_size < 0.6 * sum(values.nbytes for values in before.values())
    card = read_card(out)
    assert card["name"] == "tiny"
    assert card["results"]["families"]["n"] == 4
    assert str(run.root.parent) not in (out / "card.json").read_text(encoding="utf-8")
    assert "## Results" in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("dtype", ["bf16", "int8"])
def test_both_engines_answer_alike(dtype: str, run: Run, out: Path) -> None:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("gguf")
    bundle(run, out, dtype)
    said = [load_bundled(engine=name, folder=out).solve(QUESTION, max_new_tokens=30) for name in ("torch", "llama.cpp")]
    assert said[0] == said[1]


def test_the_command_line_uses_it(monkeypatch: pytest.MonkeyPatch, run: Run, out: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "BUNDLED", out)
    for words in (["solve", QUESTION], ["solve"], ["evaluate", "bundled"]):
        code, _, errors = call(*words)
        assert (code, len(errors)) == (2, 1)
        assert "no model is shipped" in errors[0]
    bundle(run, out)
    code, said, errors = call("solve", QUESTION, "--max-new-tokens", "20")
    assert code == 0, errors
    assert "answer" in said
    for words in (
        ["--max-new-tokens", "20", QUESTION],
        ["--max-new-tokens", "20", "--engine", "torch", "bundled", QUESTION],
    ):
        assert call("solve", *words)[:2] == (0, said)
    words = ["--runs", tmp_path, "--set", "evaluate.families_count=3", "--set", "evaluate.max_new_tokens=4"]
    code, said, errors = call("evaluate", "bundled", *words)
    assert code == 0, errors
    assert read_json(tmp_path / "bundled" / "evaluate" / "results.json")["families"]["n"] == 3
    code, said, errors = call("evaluate", "bundled", *words, "--tasks", "families", "stories", "--limit", "2")
    assert code == 0, errors
    results = read_json(tmp_path / "bundled" / "evaluate" / "results.json")
    assert {name: result["n"] for name, result in results.items()} == {
        "families": 3,
        "families-first2": 2,
        "stories-first2": 2,
    }
    code, _, errors = call("evaluate", "bundled", *words, "--set", "evaluate.engine=llama.cpp")
    assert (code, len(errors)) == (2, 1), "an engine without likelihoods is refused, not passed over"
    bundle(run, out, "int8")
    code, _, errors = call("evaluate", "bundled", *words)
    assert (code, "results of another model" in errors[0]) == (2, True), errors


def test_it_knows_which_items_its_training_data_touched(run: Run, out: Path, tmp_path: Path) -> None:
    bundle(run, out)
    touched = {"gsm8k-test": ["gsm8k-test-1"]}
    assert read_card(out)["touched"] == {}  # the tiny run was compared with nothing
    write_json(tmp_path / "alone" / TOUCHED, touched)
    overlap = find_overlap(load_tasks()["gsm8k"], Run(tmp_path / "alone"))
    assert [overlap.touches(f"gsm8k-test-{number}") for number in (1, 2)] == [True, False]
    assert find_overlap(load_tasks()["svamp"], Run(tmp_path / "alone")).touches("1") is None


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch, run: Run, out: Path) -> None:
    bundle(run, out)
    with pytest.raises(GanitaError, match="bf16 or int8"):
        bundle(run, out, "int4")
    monkeypatch.setattr(bundling, "MAX_BYTES", 100_000)
    with pytest.raises(GanitaError, match="at most 0 MB: use --dtype int8"):
        bundle(run, out)
    assert read_card(out)["dtype"] == "bf16", "what was there stays"
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    weights = out / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="altered"):
        load_bundled(folder=out)


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensors = {
        "half": torch.tensor([[1.5, -2.0]]).half(),
        "brain": torch.tensor([3.25]).bfloat16(),
        "full": torch.ones(2),
    }
    save_file(tensors, tmp_path / "x.safetensors")
    found = read_arrays(tmp_path / "x.safetensors")
    assert {name: values.tolist() for name, values in found.items()} == {
        "half": [[1.5, -2.0]],
        "brain": [3.25],
        "full": [1.0, 1.0],
    }
    save_file({"whole": torch.ones(2, dtype=torch.int64)}, tmp_path / "x.safetensors")
    with pytest.raises(IntegrityError, match="I64"):
        read_arrays(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(IntegrityError, match="not a whole"):
        read_arrays(tmp_path / "x.safetensors")
    with pytest.raises(GanitaError, match="no such"):
        read_arrays(tmp_path / "y.safetensors")

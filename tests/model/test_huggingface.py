from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from ganita.errors import GanitaError, IntegrityError
from ganita.model import huggingface
from ganita.model.decoder import Decoder
from ganita.model.huggingface import export_folder, export_run, from_huggingface, import_folder, to_huggingface
from ganita.model.weights import save_model
from ganita.runs import Run
from ganita.storage import seal
from ganita.tokenizer.build import train as train_tokenizer
from ganita.tokenizer.template import tokenizer_config
from ganita.tokenizer.tokenizer import Tokenizer
from tests.model.shapes import BASE, KINDS, make, tokens

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    texts = ["one and two are three, three and three are six, six and seven are thirteen"] * 4
    (folder / "tokenizer.json").write_text(train_tokenizer(iter([texts]), 280, 2), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config()), encoding="utf-8")
    return folder


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_transformers_computes_the_same_logits(kind: str, tokenizer_folder: Path, tmp_path: Path) -> None:
    model, ids = make(kind), tokens(3, 50)
    export_folder(model, tokenizer_folder, tmp_path / "out")
    theirs, info = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert type(theirs).__name__ == ("Qwen3ForCausalLM" if model.config.qk_norm else "LlamaForCausalLM")
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    expected = theirs(ids).logits
    assert expected.std() > 0.5  # else closeness would say nothing
    assert (model(ids) - expected).abs().max() < 1e-4
    other = Decoder(dataclasses.replace(model.config, rope_base=10.0))
    other.load_state_dict(model.state_dict())
    assert (other(ids) - expected).abs().max() > 1e-2  # the comparison sees the RoPE settings


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind: str, tokenizer_folder: Path, tmp_path: Path) -> None:
    model = make(kind)
    back = import_folder(export_folder(model, tokenizer_folder, tmp_path / "out"))
    assert back.config == model.config
    assert not back.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, back.state_dict()[name])


@pytest.mark.parametrize("qk_norm", [False, True])
def test_a_trained_mup_model_is_a_standard_one(qk_norm: bool, tokenizer_folder: Path, tmp_path: Path) -> None:
    """Attention scores and logits have their factors in the weights, at initialisation and after steps."""
    torch.manual_seed(0)
    config = dataclasses.replace(BASE, qk_norm=qk_norm, mup_base_width=8, mup_base_head_width=2)
    model, ids = Decoder(config), tokens(3, 50)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(3):
        (model.loss(ids, ids.roll(-1, 1))[0] / ids.numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
    out = export_folder(model.eval(), tokenizer_folder, tmp_path / "out")
    with torch.no_grad():
        ours, theirs = model(ids), transformers.AutoModelForCausalLM.from_pretrained(out)(ids).logits
    assert ours.std() > 0.05
    assert (ours - theirs).abs().max() < 1e-5 * ours.abs().max()
    assert import_folder(out).config == config  # so that training can go on at the same learning rates


@torch.no_grad()
def test_a_folder_that_transformers_wrote_is_read(tmp_path: Path) -> None:
    shape = {"vocab_size": 99, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 40}
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape, rope_parameters=rope)).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    ours, ids = import_folder(tmp_path), tokens(2, 30) % 99
    assert (ours(ids) - theirs(ids).logits).abs().max() < 1e-4


def test_greedy_generation_there_stops_at_our_end(tokenizer_folder: Path, tmp_path: Path) -> None:
    out = export_folder(make(), tokenizer_folder, tmp_path / "out")
    tokenizer = Tokenizer.load(tokenizer_folder)
    theirs = transformers.AutoTokenizer.from_pretrained(out)
    assert theirs.encode("two and 13", add_special_tokens=False) == tokenizer.encode("two and 13")
    generation = transformers.GenerationConfig.from_pretrained(out)
    assert (generation.eos_token_id, generation.pad_token_id) == (tokenizer.end_id, tokenizer.pad_id)
    assert generation.do_sample is False


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_smaller_types_on_disk(dtype: torch.dtype, tokenizer_folder: Path, tmp_path: Path) -> None:
    model = make()
    out = export_folder(model, tokenizer_folder, tmp_path / "out", dtype)
    assert transformers.AutoModelForCausalLM.from_pretrained(out, dtype="auto").dtype == dtype
    weight = import_folder(out).output_weight
    assert weight.dtype == torch.float32
    torch.testing.assert_close(weight, model.output_weight, rtol=1e-2, atol=1e-3)


def test_both_forms_of_rope_settings_are_written_and_read() -> None:
    config = dataclasses.replace(BASE, rope_scale=4.0, rope_base=500.0)
    values = to_huggingface(config, torch.float32)
    for removed in (("rope_parameters",), ("rope_scaling", "rope_theta")):
        part = {key: value for key, value in values.items() if key not in removed}
        assert from_huggingface(part, "here") == config
    older = {**values, "rope_scaling": {"type": "linear", "factor": 4.0}}
    assert from_huggingface(older, "here") == config


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model_type": "gpt2"}, "gpt2"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "yarn"),
    ],
)
def test_what_cannot_be_computed_is_not_imported(change: dict[str, object], named: str) -> None:
    with pytest.raises(GanitaError, match=named):
        from_huggingface(to_huggingface(BASE, torch.float32) | change, "here")
    part = to_huggingface(BASE, torch.float32)
    del part["vocab_size"]
    with pytest.raises(IntegrityError, match="vocab_size"):
        from_huggingface(part, "here")


def test_nothing_is_overwritten_and_nothing_is_left_behind(
    tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(GanitaError, match="not the tokenizer"):
        export_folder(make(vocabulary_size=100), tokenizer_folder, out)
    monkeypatch.setattr(huggingface.shutil, "copyfile", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        export_folder(make(), tokenizer_folder, out)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    out.mkdir()  # an empty folder is as good as none
    export_folder(make(), tokenizer_folder, out)
    with pytest.raises(GanitaError, match="empty folder"):
        export_folder(make(), tokenizer_folder, out)


def test_an_index_cannot_lead_out_of_its_folder(tokenizer_folder: Path, tmp_path: Path) -> None:
    out = export_folder(make(), tokenizer_folder, tmp_path / "out")
    index = {"weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    (out / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(IntegrityError, match="plain file name"):
        import_folder(out)


@torch.no_grad()
def test_a_run_s_final_model_is_exported(tokenizer_folder: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    shutil.copytree(tokenizer_folder, run.root / "tokenizer")
    seal(run.root / "tokenizer", {})
    for seed, stage in enumerate(("pretrain", "finetune")):
        save_model(make(seed=seed), run.root / stage / "model")
        seal(run.root / stage, {"summary": {"steps": 3}})
    out = export_run(run, tmp_path / "out", dtype="bfloat16")
    assert torch.equal(import_folder(out).output_weight, make(seed=1).output_weight.bfloat16().float())
    with pytest.raises(GanitaError, match="float32, bfloat16, float16"):
        export_run(run, tmp_path / "other", dtype="int4")
    weights = run.root / "finetune" / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="truncated"):
        export_run(run, tmp_path / "other")

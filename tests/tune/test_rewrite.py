from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ganita.errors import GanitaError
from ganita.recipe import load_recipe
from ganita.tune.outcome import differing_keys, tuned_recipe
from ganita.tune.rewrite import set_values

CONFIGS = sorted((Path(__file__).parent.parent.parent / "configs").glob("*.toml"))

TEXT = """# a recipe
name = "x"   # its name

[[corpus.sources]]
name = "a"
weight = 1.0

[train]            # both stages
learning_rate = 3e-3   # found by hand
# decay = 0.5 is no key

[pretrain]
tokens = 1_000
"""


def test_every_other_line_and_comment_stays() -> None:
    values = {("train", "learning_rate"): 0.001, ("pretrain", "decay"): 0.25, ("model", "init_std"): 0.05}
    text = set_values(TEXT, values, Path("x.toml"))
    assert "learning_rate = 0.001   # found by hand\n" in text
    assert text.endswith("tokens = 1_000\ndecay = 0.25\n\n[model]\ninit_std = 0.05\n")
    kept = [line for line in TEXT.splitlines() if "3e-3" not in line]
    lines = iter(text.splitlines())
    assert all(line in lines for line in kept), "all of them, in their order"
    tree = tomllib.loads(text)
    assert (tree["train"]["learning_rate"], tree["pretrain"]["decay"]) == (0.001, 0.25)


@pytest.mark.parametrize(
    "text",
    [
        "pretrain.decay = 0.1 # dotted\n[model]\nwidth = 64\n",
        "[ pretrain ]\r\ndecay=0.1\r\n[model]\r\nwidth = 64\r\n",
        "[pretrain]\nforms = [\n  'words',\n]\n",
        "[pretrain]",
    ],
)
def test_other_layouts_are_set_too(text: str) -> None:
    found = tomllib.loads(set_values(text, {("pretrain", "decay"): 0.3}, Path("x.toml")))
    assert found["pretrain"]["decay"] == 0.3


@pytest.mark.parametrize("text", ["pretrain = {decay = 0.1}\n", "[pretrain]\nx = [\n[1],\n[2]]\ndecay = 0.1\n"])
def test_a_layout_that_cannot_be_set_is_said_with_the_values(text: str) -> None:
    with pytest.raises(GanitaError, match=r"pretrain.decay = 0.3"):
        set_values(text, {("pretrain", "decay"): 0.3}, Path("x.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_recipe_can_be_tuned_and_differs_in_those_keys_only(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    values = {"learning_rate": 0.00123, "muon_learning_rate": 0.0456, "weight_decay": 0.0789, "decay": 0.4}
    width = recipe.model.width // recipe.model.heads
    text, changes = tuned_recipe(path, recipe, values, width)
    target = tmp_path / f"{recipe.name}-tuned.toml"
    target.write_text(text, encoding="utf-8")
    tuned = load_recipe(target)
    own = tomllib.loads(path.read_text(encoding="utf-8"))["finetune"]  # a rate of its own stays
    assert tuned.pretrain.learning_rate == 0.00123
    assert tuned.finetune.learning_rate == own.get("learning_rate", 0.00123)
    assert tuned.pretrain.decay == 0.4
    assert tuned.finetune.decay == recipe.finetune.decay
    assert tuned.model.mup_base_width == (recipe.model.mup_base_width or width)
    expected = {key for key in changes if not key.startswith("train.")}
    for stage in ("pretrain", "finetune"):
        expected |= {f"{stage}.{key[6:]}" for key in changes if key.startswith("train.")}
    expected -= {f"finetune.{key}" for key in own}
    assert differing_keys(recipe, tuned) == expected


def test_a_recipe_without_a_name_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[pretrain]\nsteps = 5\n[finetune]\nlearning_rate = 1e-3\n", encoding="utf-8")
    text, changes = tuned_recipe(path, load_recipe(path), {"learning_rate": 0.01}, 256)
    target = tmp_path / "mine-tuned.toml"
    target.write_text(text, encoding="utf-8")
    assert load_recipe(target).name == "mine"
    assert changes == {"pretrain.learning_rate": 0.01}, "fine-tuning has a rate of its own"

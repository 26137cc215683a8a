"""The page of a run: whole, self-contained, and unable to be broken out of."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.report.gather import MAX_ITEMS, gather
from ganita.report.page import asset, write
from ganita.runs import Run
from tests.report.fake_run import HOSTILE, NUM_GSM8K, NUM_GSM8K_RIGHT, make_run

VOID = {"meta", "br", "hr", "img", "input", "link", "col"}
LOADING = {"src", "srcset", "data", "action", "poster", "formaction", "background"}


class Page(HTMLParser):
    """Reads a page as a browser's tokenizer does and keeps what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.scripts: list[tuple[dict[str, Any], str]] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.problems: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif self.open and self.open[-1] != "style":
            self.text += data + " "

    def data(self, identifier: str) -> Any:
        return next(json.loads(text) for attributes, text in self.scripts if attributes.get("id") == identifier)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "ganita-30m")


@pytest.fixture
def page(run: Run, reporter: Reporter) -> Page:
    return Page(write(run, reporter).read_text(encoding="utf-8"))


def test_it_is_well_formed(page: Page) -> None:
    assert page.problems == []
    assert page.open == []
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_it_loads_nothing_from_anywhere(page: Page) -> None:
    assert not {"link", "iframe", "object", "embed", "img", "base", "form"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not LOADING & set(attributes), (tag, attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in asset("style.css")
    assert "@import" not in asset("style.css")


def test_only_its_own_script_may_run(page: Page) -> None:
    policy = next(
        a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    code = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    assert len(code) == 1
    digest = base64.b64encode(hashlib.sha256(code[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_text_of_a_question_stays_text(page: Page) -> None:
    # The question is in the data exactly as it was, and no element came out of it.
    assert page.data("items-data")[0]["items"][1]["question"] == HOSTILE
    assert all("onerror" not in attributes for _, attributes in page.tags)
    assert len([1 for attributes, _ in page.scripts if attributes.get("type") != "application/json"]) == 1


def test_the_scripts_never_make_markup_of_text() -> None:
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert word not in asset("page.js")


def test_names_in_the_recipe_are_escaped(tmp_path: Path, reporter: Reporter) -> None:
    run = make_run(tmp_path / "run")
    recipe = json.loads((run.root / "recipe.json").read_text())
    recipe["description"] = HOSTILE
    (run.root / "recipe.json").write_text(json.dumps(recipe))
    page = Page(write(run, reporter).read_text(encoding="utf-8"))
    assert HOSTILE in page.text
    assert page.problems == []
    assert "img" not in {tag for tag, _ in page.tags}


def test_the_figures_are_there(page: Page) -> None:
    for figure in (
        "29,893,120", "39.4", "[36.8, 42.1]", "1,319", "78.6M", "3.09 USD", "8192", "3.41", "7,473", "60 duplicate",
        "CC BY-SA 4.0", "Example CPU 9000", "8 GiB", "estimated: 84 W", "12 benchmark overlap",
    ):  # fmt: skip
        assert figure in page.text, figure
    assert {"pretrain-loss", "pretrain-rate", "pretrain-speed", "finetune-loss"} <= {
        a.get("id") for a, _ in page.scripts
    }


def test_items_carry_their_verdicts(page: Page) -> None:
    items = page.data("items-data")[0]["items"]
    verdicts = [item["verdict"] for item in items]
    assert len(items) == NUM_GSM8K
    assert verdicts.count("right") == NUM_GSM8K_RIGHT
    assert verdicts.count("none") > 0
    assert {item["strict"] for item in items if item["verdict"] == "none"} == {""}


def test_a_large_task_is_sampled_evenly_and_always_the_same(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    path = run.root / "evaluate" / "gsm8k" / "items.jsonl"
    path.write_text("".join(json.dumps({"id": str(index), "strict": True}) + "\n" for index in range(3 * MAX_ITEMS)))
    first, second = (gather(run).tasks[0] for _ in range(2))
    assert first.num_items == 3 * MAX_ITEMS
    assert [item["id"] for item in first.items] == [str(3 * index) for index in range(MAX_ITEMS)]
    assert first.items == second.items


def test_families_are_listed_with_their_counts(page: Page) -> None:
    assert "By problem family" in page.text
    assert "shared cost" in page.text


@pytest.mark.parametrize(
    "stages",
    [
        (),
        ("corpus",),
        ("corpus", "tokenizer", "shards", "pretrain.partial"),
        ("evaluate",),
        ("corpus", "pretrain", "finetune"),
    ],
    ids=lambda stages: "+".join(stages) or "nothing",
)
def test_a_run_with_missing_stages_says_so(tmp_path: Path, reporter: Reporter, stages: tuple[str, ...]) -> None:
    page = Page(write(make_run(tmp_path / "run", stages=stages), reporter).read_text(encoding="utf-8"))
    assert page.problems == []
    assert ("not run" in page.text) or ("at work" in page.text)
    assert ("The evaluate stage has not finished" in page.text) == ("evaluate" not in stages)
    assert ("There is no corpus card" in page.text) == ("corpus" not in stages)
    if "pretrain.partial" in stages:  # a cut-off stage still shows its curve
        assert any(attributes.get("id") == "pretrain-loss" for attributes, _ in page.scripts)


def test_broken_files_cost_a_section_not_the_page(run: Run, reporter: Reporter) -> None:
    (run.root / "corpus" / "card.json").write_text("{")
    (run.root / "env.json").unlink()
    (run.root / "evaluate" / "results.json").write_text("[]")
    with (run.root / "pretrain" / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "step": 12')
    page = Page(write(run, reporter).read_text(encoding="utf-8"))
    assert "There is no corpus card" in page.text
    assert "The evaluate stage has not finished" in page.text
    assert any(attributes.get("id") == "pretrain-loss" for attributes, _ in page.scripts)


def test_losses_that_are_not_finite_do_not_break_the_curves(run: Run, reporter: Reporter) -> None:
    with (run.root / "pretrain" / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "step": 1300, "loss": NaN, "learning_rate": Infinity}\n')
    text = write(run, reporter).read_text(encoding="utf-8")
    assert not re.search(r'points="[^"]*(nan|inf)', text)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(GanitaError, match="not a run folder"):
        write(Run(tmp_path), reporter)
    assert list(tmp_path.iterdir()) == []

"""The way from a run to its verifier and back to the benchmark. The tiny model solves nothing, so a stand-in judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ganita
from ganita import storage, verify
from ganita.corpus.document import Problem
from ganita.errors import GanitaError
from ganita.evaluate.scoring import Verdict
from ganita.progress import Reporter
from ganita.runs import Run
from ganita.storage import read_json
from ganita.verify import Settings, choose, rerank, train_verifier
from tests.tiny import write_tiny

SETTINGS = Settings(questions=20, samples=2, temperature=1.0, tokens=4000)
QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("verify")
    overrides = ["pretrain.steps=2", "finetune.steps=1", "evaluate.families_count=5", "evaluate.samples=4"]
    return ganita.run(write_tiny(folder), overrides, runs=str(folder / "runs"), quiet=True)


def odd_is_right(text: str, gold: str) -> Verdict:
    right = len(text) % 2 == 1
    return Verdict(gold, gold, right, right)


def test_solutions_are_all_wrong(run: Run) -> None:
    with pytest.raises(GanitaError, match="all right or all wrong"):
        train_verifier(run, SETTINGS, QUIET)


def test_a_verifier_from_end_to_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "judge_number", odd_is_right)
    path = run.partial("verifier") / "samples.jsonl"
    path.unlink()
    (run.root / "torn").write_text("")
    summary = train_verifier(run, SETTINGS, QUIET)
    assert (summary["questions"], summary["solutions"]) == (20, 40)
    assert 0 < summary["share_right"] < 1
    rows = [json.loads(line) for line in (run.root / "verifier" / "samples.jsonl").read_text("utf-8").splitlines()]
    assert all(
        right == (len(text) % 2 == 1) for row in rows for text, right in zip(row["texts"], row["right"], strict=True)
    )
    result = rerank(run, "families", QUIET)
    assert result["n"] == 5
    assert list(result["by_k"]) == ["1", "2", "4"]
    assert read_json(run.root / "verifier" / "families.json") == result
    with pytest.raises(GanitaError, match="exists"):
        train_verifier(run, SETTINGS, QUIET)
    with pytest.raises(GanitaError, match=r"evaluate with evaluate\.samples"):
        rerank(run, "gsm8k", QUIET)


def test_sampling_goes_on_after_the_last_whole_line(run: Run, tmp_path: Path) -> None:
    solver = verify.load_solver(run.root)
    recipe = run.recipe()
    whole = verify._sample(run, recipe, solver, SETTINGS, tmp_path / "a", QUIET)
    text = (tmp_path / "a" / "samples.jsonl").read_text("utf-8")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "samples.jsonl").write_text("".join(text.splitlines(True)[:10]) + '{"question": "torn', "utf-8")
    assert verify._sample(run, recipe, solver, SETTINGS, tmp_path / "b", QUIET) == whole
    assert (tmp_path / "b" / "samples.jsonl").read_text("utf-8") == text


def test_an_unknown_source_is_named(run: Run) -> None:
    with pytest.raises(GanitaError, match="no source 'gsm'"):
        train_verifier(Run(run.root), Settings(source="gsm"), QUIET) if not (run.root / "verifier").exists() else (
            verify._questions(run, run.recipe(), Settings(source="gsm"), QUIET)
        )


def test_labels_by_the_chain_see_a_lucky_answer() -> None:
    question = "A box holds 2 rows of 2 cups, and each cup costs $5. What do the cups of a box cost?"
    steps = ("There are <<2*2=4>>4 cups.", "They cost <<4*5=20>>20 dollars.")
    problem = Problem("a", "test", question, steps, "20")
    texts = ["<<2*2=4>>\n<<4*5=20>>\n#### 20", "<<2+2=4>>\n<<4*5=20>>\n#### 20", "<<2*5=10>>\n#### 10"]
    assert verify._judged(problem, texts, "answers")["right"] == [True, True, False]
    assert verify._judged(problem, texts, "chains")["right"] == [True, False, False]


def test_questions_of_a_slice_are_no_benchmark_for_its_verifier(run: Run, tmp_path: Path) -> None:
    copy = Run(tmp_path / "run")
    for folder in ("verifier", "evaluate/gsm8k-dev"):
        (copy.root / folder).mkdir(parents=True)
    (copy.root / "evaluate/gsm8k-dev/samples.jsonl").write_text("", "utf-8")
    (copy.root / "verifier/summary.json").write_text('{"settings": {"variants": "gsm8k-dev"}}', "utf-8")
    storage.seal(copy.root / "verifier", {"stage": "verifier", "summary": {}})
    with pytest.raises(GanitaError, match="trained on questions of gsm8k-dev"):
        rerank(copy, "gsm8k-dev", QUIET)
    with pytest.raises(GanitaError, match="leave it out"):
        train_verifier(copy.__class__(tmp_path / "none"), Settings(source="a", variants="gsm8k-dev"), QUIET)
    with pytest.raises(GanitaError, match="benchmark"):
        verify._questions(run, run.recipe(), Settings(set="gsm8k-test"), QUIET)


def test_ways_to_choose() -> None:
    rows = [
        # the verifier finds the one right sample; the majority is wrong
        {"answers": ["3", "3", "5", "3"], "right": [False, False, True, False], "scores": [0.1, 0.1, 0.9, 0.1]},
        # sure of a sample that has no answer: it is not handed in
        {"answers": [None, "4", "6", "4"], "right": [False, True, False, True], "scores": [0.99, 0.2, 0.3, 0.2]},
    ]
    result = choose(rows, [True, False])
    at = {k: {name: value["accuracy"] for name, value in by.items()} for k, by in result["by_k"].items()}
    assert result["greedy"]["accuracy"] == 0.5
    assert at["1"] == {"best": 0.0, "majority": 0.0, "weighted": 0.0}
    assert at["4"] == {"best": 0.5, "majority": 0.5, "weighted": 1.0}

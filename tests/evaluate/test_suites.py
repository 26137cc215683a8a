from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ganita.errors import GanitaError
from ganita.evaluate import suites
from ganita.evaluate.answers import answers
from ganita.evaluate.declared import read_tasks
from ganita.evaluate.suites import evaluate_more, find_suite, load_suites, settings_name
from ganita.evaluate.tasks import load_tasks
from ganita.progress import Reporter
from ganita.recipe import Recipe, recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.solve.sampler import Sampler
from ganita.storage import read_json, seal, verify, write_json, write_text
from tests.solve.stand_ins import tiny_model, tiny_tokenizer

QUIET = Reporter(quiet=True)
OWN = {"title": "own", "n": 1}


def write_items(folder: Path, count: int) -> None:
    rows = [{"id": f"i{n}", "question": f"{n}+{n}?", "choices": ["1", str(2 * n)], "label": "B"} for n in range(count)]
    write_text(folder / "items.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that was evaluated on one task, and beside it a file of two tasks of nine items."""
    root = tmp_path / "run"
    write_json(root / "recipe.json", recipe_to_dict(recipe_from_dict({})))
    write_json(root / "finetune" / "manifest.json", {"fingerprint": "f1"})
    write_json(root / "evaluate" / "results.json", {"own": OWN})
    write_text(root / "evaluate" / "own" / "items.jsonl", "")
    identity = {"inputs": {"finetune": "f1"}}
    seal(root / "evaluate", {"fingerprint": "e1", "identity": identity, "summary": {"tasks": {"own": OWN}}})
    write_items(tmp_path, 9)
    tables = (f'[{name}]\npath = "items.jsonl"\nchoice = "{{text}}"\n' for name in ("one", "two"))
    write_text(tmp_path / "my.toml", "\n".join(tables))
    return Run(root)


def evaluate(run: Run, recipe: Recipe | None = None, reporter: Reporter = QUIET) -> dict[str, Any]:
    tasks = read_tasks(run.root.parent / "my.toml")
    return evaluate_more(run, recipe or run.recipe(), tasks, Sampler(tiny_model(), tiny_tokenizer()), reporter)


def test_results_are_added_and_nothing_is_lost(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluate(run)
    results = read_json(run.stage("evaluate") / "results.json")
    assert results == {"own": OWN, **found}
    assert list(found) == ["one", "two"]
    manifest = verify(run.stage("evaluate"))
    assert (manifest["fingerprint"], manifest["identity"]) == ("e1", {"inputs": {"finetune": "f1"}})
    assert list(manifest["summary"]["tasks"]) == ["own", "one", "two"]
    assert len(list(answers(run, "one"))) == found["one"]["n"] == 9
    assert not (run.root / suites.PARTIAL).exists()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["task", "n", "strict|acc"]
    assert [line.split()[:2] for line in lines[1:]] == [["one", "9"], ["two", "9"]]
    assert "50.0 +- 32.7" in lines[1]


def test_what_was_done_is_not_done_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate(run)
    monkeypatch.setattr(suites, "evaluate_task", lambda *_: pytest.fail("evaluated again"))
    assert evaluate(run) == first
    faster = dataclasses.replace(run.recipe().evaluate, batch_rows=2)
    assert evaluate(run, dataclasses.replace(run.recipe(), evaluate=faster)) == first


def test_other_items_replace_results_and_the_old_ones_are_kept(run: Run) -> None:
    first = evaluate(run)
    write_items(run.root.parent, 5)
    second = evaluate(run)
    assert second["one"]["n"] == 5
    verify(run.stage("evaluate"))
    (kept,) = (run.root / "superseded").glob("evaluate-one-*")
    assert read_json(kept / "results.json") == {"one": first["one"]}
    assert len((kept / "items.jsonl").read_text(encoding="utf-8").splitlines()) == 9


def test_asked_otherwise_it_has_another_name(run: Run) -> None:
    recipe = run.recipe()
    fewer = dataclasses.replace(recipe, evaluate=dataclasses.replace(recipe.evaluate, limit=4, form="words"))
    assert list(evaluate(run)) == ["one", "two"]
    assert {name: result["n"] for name, result in evaluate(run, fewer).items()} == {
        "one-words-first4": 4,
        "two-words-first4": 4,
    }
    assert set(read_json(run.stage("evaluate") / "results.json")) == {
        "own", "one", "two", "one-words-first4", "two-words-first4",
    }  # fmt: skip
    shots = dataclasses.replace(recipe, evaluate=dataclasses.replace(recipe.evaluate, few_shot=5, chat_template="off"))
    assert settings_name(recipe, shots) == "-5shot-plain"
    assert settings_name(recipe, recipe) == ""


@pytest.mark.parametrize("failing", range(1, 9))
def test_a_kill_while_adding_is_mended(run: Run, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """Fail at each write and rename of the adding in turn; the next call ends with the same results."""
    calls = 0

    def failing_at(work: Any) -> Any:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise KeyboardInterrupt
            return work(*arguments, **options)

        return wrapped

    for name in ("write_json", "seal"):
        monkeypatch.setattr(suites, name, failing_at(getattr(suites, name)))
    monkeypatch.setattr(Path, "rename", failing_at(Path.rename))
    with pytest.raises(KeyboardInterrupt):
        evaluate(run)
    monkeypatch.undo()
    again = evaluate(run)
    assert read_json(run.stage("evaluate") / "results.json") == {"own": OWN, **again}
    verify(run.stage("evaluate"))
    assert not (run.root / suites.PARTIAL).exists()


def test_a_newer_model_is_not_put_beside_an_older_one(run: Run) -> None:
    write_json(run.root / "finetune" / "manifest.json", {"fingerprint": "f2"})
    with pytest.raises(GanitaError, match="finetune is newer than the evaluation; first run `ganita evaluate"):
        evaluate(run)


def test_suites_name_tasks_that_there_are() -> None:
    tasks = load_tasks()
    for name, names in load_suites().items():
        assert names, name
        assert len(set(names)) == len(names)
        assert set(names) <= set(tasks)
    slices = {"gsm8k-dev", "gsm8k-dev-wide"}  # of a training set
    assert set(find_suite("all")) == {task.name for task in tasks.values() if task.set} - slices
    assert {tasks[name].scorer for name in find_suite("choices")} == {"choice"}
    assert {name for name, task in tasks.items() if task.scorer == "choice"} == set(find_suite("choices"))
    with pytest.raises(GanitaError, match=r"no suite 'papers' \(did you mean 'paper'\?\)"):
        find_suite("papers")

"""Other people's models on our benchmarks, through the command line; the models are random and made here."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ganita import cli
from ganita.baselines import folder_name, plain
from ganita.evaluate.compare import compare_folders
from ganita.evaluate.records import read_records
from ganita.evaluate.tasks import load_tasks
from ganita.progress import Reporter
from ganita.report.page import write
from ganita.runs import Run
from ganita.storage import read_json
from tests.model.foreign_models import write_foreign

pytest.importorskip("transformers")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models, and small files for three benchmarks and the examples of one."""
    (tmp_path / "data" / "eval").mkdir(parents=True)
    (tmp_path / "data" / "train").mkdir()
    gsm = [
        {"id": f"t/{n}", "question": f"{n}+{n}?", "solution": f"#### {2 * n}", "answer": str(2 * n)} for n in range(9)
    ]
    files = {
        "eval/gsm8k_test": gsm[:6],
        "train/gsm8k_train": [{**row, "id": f"train/{n}", "question": f"{n}-1?"} for n, row in enumerate(gsm)],
        "eval/svamp_half": [{**row, "id": f"s/{n}"} for n, row in enumerate(gsm[:6])],
        "eval/math500_test": [{**row, "solution": "\\boxed{1}", "answer": "1"} for row in gsm[:6]],
        "eval/logiqa_test": [
            {
                "id": f"l/{n}",
                "passage": "P.",
                "question": "Q?",
                "options": ["a", "b.", "cd", "e"],
                "label": "ABCD"[n % 4],
            }
            for n in range(6)
        ],
    }
    for name, rows in files.items():
        with gzip.open(tmp_path / "data" / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    monkeypatch.setenv("GANITA_DATA", str(tmp_path / "data"))
    for kind in ("gpt2", "llama"):
        write_foreign(tmp_path / kind, kind)
    return tmp_path


def ganita(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        cli.main([str(one) for one in arguments])
    return end.value.code


def test_a_model_is_evaluated_read_and_compared(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = ["gsm8k", "svamp", "math500", "logiqa"]
    for kind in ("gpt2", "llama"):
        assert ganita("evaluate", f"hf:{models / kind}", "--tasks", *tasks, "--runs", models / "runs", "--quiet") == 0
    run = Run(models / "runs" / "hf-gpt2")
    results = read_json(run.stage("evaluate") / "results.json")
    assert list(results) == tasks
    assert {results[name]["n"] for name in tasks} == {6}
    assert results["gsm8k"]["protocol"] == "plain text, as lm-evaluation-harness gsm8k, zero-shot"
    assert results["gsm8k"]["form"] == "plain text"
    assert results["math500"]["measures"] == {"strict": "exact", "flexible": "equivalent"}
    records = list(read_records(run.stage("evaluate") / "gsm8k" / "items.jsonl"))
    assert {record.finished for record in records} <= {"end", "length", "stop"}
    assert all("Question:" not in record.output for record in records)
    scored = list(read_records(run.stage("evaluate") / "logiqa" / "items.jsonl"))
    assert all(len(record.log_likelihoods) == 4 for record in scored)
    both = compare_folders(run.root / "evaluate", models / "runs" / "hf-llama" / "evaluate")
    assert [one.task for one in both] == tasks
    assert write(run, Reporter(quiet=True)).is_file()
    capsys.readouterr()
    assert ganita("answers", run.root, "--task", "svamp", "--limit", "1") == 0
    assert "1 answers shown" in capsys.readouterr().out
    assert ganita("check", run.root, "--quiet") == 0


def test_examples_stand_before_the_question_and_a_second_call_adds(models: Path) -> None:
    where = ("--runs", models / "runs", "--quiet")
    assert ganita("evaluate", f"hf:{models / 'llama'}", "--tasks", "gsm8k", "--few-shot", 2, *where) == 0
    assert ganita("evaluate", f"hf:{models / 'llama'}", "--tasks", "logiqa", "--limit", "3", *where) == 0
    results = read_json(models / "runs" / "hf-llama" / "evaluate" / "results.json")
    assert results["gsm8k"]["protocol"].endswith("2-shot")
    assert len(results["gsm8k"]["demonstrations"]["ids"]) == 2
    assert [results[name]["n"] for name in results] == [6, 3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hf:{}/nothing", "--tasks", "gsm8k"], "cannot be loaded"),
        (["hf:{}/llama"], "name benchmarks"),
        (["hf:{}/llama", "--tasks", "gsm9k"], "did you mean 'gsm8k'"),
        (["hf:{}/llama", "--tasks", "gsm8k", "--chat-template", "on"], "neither our template"),
        (["hf:{}/llama", "--tasks", "gsm8k", "--engine", "lm-eval"], "--engine lm-eval is for runs"),
        (["hf:{}/llama", "--tasks", "sat-math", "--few-shot", "2"], "no training or development split"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(
    models: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["evaluate", *[one.format(models) for one in arguments], "--runs", models / "runs", "--quiet"]
    assert ganita(*line) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len([one for one in error.splitlines() if one.startswith("ganita: ")]) == 1
    assert not (models / "runs").exists() or not any((models / "runs").rglob("items.jsonl"))


def test_results_of_two_models_are_not_mixed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--tasks", "gsm8k", "--runs", models / "runs", "--name", "same", "--quiet")
    assert ganita("evaluate", f"hf:{models / 'llama'}", *where) == 0
    assert ganita("evaluate", f"hf:{models / 'gpt2'}", *where) == 2
    assert "name another folder with --name" in capsys.readouterr().err


def test_names(tmp_path: Path) -> None:
    assert folder_name("Qwen/Qwen2.5-0.5B") == "hf-Qwen-Qwen2.5-0.5B"
    assert folder_name(str(tmp_path)) == f"hf-{tmp_path.name.replace('_', '-')}".strip("-.")
    assert plain(load_tasks()["svamp"]).prompt == "Question: {question}\nAnswer:"
    assert plain(load_tasks()["gsm8k"]).asked == ""

"""The whole way through the command line, on a recipe of seconds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ganita.runs import STAGES, Run
from ganita.storage import read_json, read_jsonl
from tests.tiny import ganita, write_tiny


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, str]:
    folder = tmp_path_factory.mktemp("whole")
    recipe = write_tiny(folder)
    done = ganita("run", recipe, "--runs", folder / "runs")
    assert done.returncode == 0, done.stderr
    return recipe, Run(folder / "runs" / "tiny"), done.stdout


def test_documents_in_a_tested_model_out(finished: tuple[Path, Run, str]) -> None:
    _, run, output = finished
    assert all(run.has(stage) for stage in STAGES)
    results = read_json(run.stage("evaluate") / "results.json")
    assert results["families"]["n"] == 6
    items = list(read_jsonl(run.stage("evaluate") / "families" / "items.jsonl"))
    assert len({item["id"] for item in items}) == 6
    assert {"question", "gold", "output", "strict", "flexible"} <= set(items[0])
    assert "<html" in (run.root / "report.html").read_text(encoding="utf-8")
    assert re.search(r"families: \d", output)
    assert "ganita solve" in output


def test_the_plan_is_said_before_anything_runs(finished: tuple[Path, Run, str]) -> None:
    _, _, output = finished
    head = output[: output.index("[1/6]")]
    for word in ("parameters", "pretrain tokens", "finetune work", "memory", "disk", "tokens/s measured here"):
        assert word in head


def test_a_second_run_skips_everything(finished: tuple[Path, Run, str]) -> None:
    recipe, run, _ = finished
    before = {stage: run.manifest(stage)["finished"] for stage in STAGES}
    done = ganita("run", recipe, "--runs", run.root.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done, skipped") == len(STAGES)
    assert {stage: run.manifest(stage)["finished"] for stage in STAGES} == before


def test_losses_are_logged_once_per_step(finished: tuple[Path, Run, str]) -> None:
    _, run, _ = finished
    for stage, steps in (("pretrain", 14), ("finetune", 8)):
        lines = list(read_jsonl(run.stage(stage) / "metrics.jsonl"))
        assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, steps + 1))
        assert any(line["kind"] == "validation" for line in lines)


def test_solve_answers_shows_and_exports(finished: tuple[Path, Run, str], tmp_path: Path) -> None:
    _, run, _ = finished
    done = ganita("solve", run.root, "Ann has 3 pens and buys 4. How many pens?", "--max-new-tokens", "8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    done = ganita("answers", run.root, "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("gold") >= 2
    done = ganita("export", run.root, "--out", tmp_path / "hf")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]


def test_every_stage_says_what_it_cost_and_watch_and_report_show_it(finished: tuple[Path, Run, str]) -> None:
    _, run, _ = finished
    for stage in STAGES:
        manifest = run.manifest(stage)
        assert manifest["seconds"] > 0
        assert manifest["joules"] > 0
        assert manifest["energy_source"]
    summary = run.manifest("pretrain")["summary"]
    billion = summary["per_billion_tokens"]
    assert billion["seconds"] == pytest.approx(summary["seconds"] * 1e9 / summary["tokens"])
    assert 0 < summary["checkpoint_seconds"] < summary["seconds"]
    assert "Per billion tokens" in (run.root / "report.html").read_text(encoding="utf-8")
    done = ganita("watch", run.root)  # into a pipe: one frame
    assert done.returncode == 0, done.stderr
    assert "the run is whole" in done.stdout
    assert "step 8/8" in done.stdout
    done = ganita("watch", run.root.parent, "--once")
    assert done.returncode == 2
    assert "is not a run folder" in done.stderr


def test_check_finds_an_altered_shard_and_training_refuses_it(finished: tuple[Path, Run, str], tmp_path: Path) -> None:
    import shutil

    recipe, run, _ = finished
    copy = tmp_path / "runs" / "tiny"
    shutil.copytree(run.root, copy)
    shard = next((copy / "shards" / "train").glob("*.bin"))
    data = bytearray(shard.read_bytes())
    data[10] ^= 1
    shard.write_bytes(data)
    done = ganita("check", copy)
    assert done.returncode == 2
    assert shard.name in done.stderr
    done = ganita("run", recipe, "--runs", copy.parent, "--set", "pretrain.steps=15", "--no-plan")
    assert done.returncode == 2
    assert shard.name in done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["run", "none.toml"], "no such recipe"),
        (["run", "RECIPE", "--set", "modle.layers=3"], "did you mean 'model'"),
        (["run", "RECIPE", "--set", "tokenizer.vocabulary_size=60000"], "at most"),
        (["run", "RECIPE", "--set", "pretrain.context_length=4096"], "longer than model.context_length"),
        (["run", "RECIPE", "--set", "corpus.sources.notes.path=/nowhere/x.md"], "/nowhere/x.md"),
        (["run", "RECIPE", "--set", "evaluate.tasks=['gsm8x']"], "gsm8k"),
        (["run", "RECIPE", "--set", "max_memory_gb=0.01"], "does not fit"),
        (["solve", "RUNS", "why?"], "not a run"),
        (["solve", "RUN", "why " * 400], "context"),
        (["export", "RUN", "--out", "RUN"], "exist"),
        (["pretrain", "RECIPE", "--name", "fresh"], "reads stage"),
    ],
)
def test_the_users_mistakes_are_one_line_and_exit_2(
    finished: tuple[Path, Run, str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    recipe, run, _ = finished
    names = {"RECIPE": str(recipe), "RUNS": str(run.root.parent), "RUN": str(run.root)}
    words = [names.get(word, word) for word in arguments]
    if arguments[0] in ("run", "pretrain"):
        words += ["--runs", str(tmp_path / "runs")]
    done = ganita(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("ganita: ")]
    assert len(lines) == 1, done.stderr
    assert message in lines[0]
    assert "Traceback" not in done.stderr
    assert not any(path.is_file() for path in (tmp_path / "runs").rglob("*.tmp"))


def test_our_mistakes_are_one_line_and_exit_1(tmp_path: Path) -> None:
    program = (
        "from ganita.cli import main, tools\n"
        "def broken(*_):\n    raise RuntimeError('it broke\\nhere')\n"
        "tools.documentation = broken\n"
        "main(['recipe'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "our mistake" in done.stderr
    assert "--debug" in done.stderr


def test_more_benchmarks_are_added_to_a_finished_run(finished: tuple[Path, Run, str], tmp_path: Path) -> None:
    _, run, _ = finished
    rows = [{"question": f"What is {n} + {n}?", "choices": ["1", str(2 * n)], "label": "B"} for n in range(5)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    own = tmp_path / "my.toml"
    own.write_text('[sums]\npath = "sums.jsonl"\nchoice = "{text}"\n', encoding="utf-8")
    before = read_json(run.stage("evaluate") / "results.json")["families"]
    done = ganita("evaluate", run.root, "--tasks", own, "--tasks", "families", "--limit", "3")
    assert done.returncode == 0, done.stderr
    results = read_json(run.stage("evaluate") / "results.json")
    assert results["families"] == before
    assert {name: result["n"] for name, result in results.items()} == {
        "families": 6, "sums-first3": 3, "families-first3": 3,
    }  # fmt: skip
    assert re.search(r"sums-first3 +3 ", done.stdout)
    assert ganita("check", run.root).returncode == 0
    for arguments, said in (
        (["--suite", "papers"], "did you mean 'paper'"),
        (["--few-shot", "3"], "--few-shot goes with --suite or --tasks"),
        (["--tasks", own, "--few-shot", "3"], "sums has no training or development split"),
        (["--tasks", own, "--chat-template", "off"], "sums has no prompt in plain text"),
        (["--tasks", own, "--few-shot", "-1"], "evaluate.few_shot cannot be negative"),
    ):
        refused = ganita("evaluate", run.root, *arguments)
        assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (2, 1), refused.stderr
        assert said in refused.stderr

"""The published table: every row has its source and protocol, and rows of unlike protocols stay apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganita.report.gather import gather, load_baselines
from ganita.report.results import published_section
from tests.report.fake_run import make_run

ROWS = load_baselines()["rows"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["model"])
def test_a_row_is_complete(row: dict[str, object]) -> None:
    assert set(row) - {"math", "gpu_hours", "gpu", "gpu_watts", "cost_note"} == {
        "model",
        "parameters",
        "gsm8k",
        "protocol",
        "conditions",
        "source",
    }
    assert row["protocol"] in load_baselines()["protocols"]
    assert isinstance(row["gsm8k"], float)
    assert 0 < row["gsm8k"] < 100
    assert row["source"]


def test_the_rows_that_must_be_there_are_there_once() -> None:
    names = [row["model"] for row in ROWS]
    assert len(names) == len(set(names))
    wanted = {
        "LLaMA-1 7B": 11.0,
        "LLaMA-1 33B": 35.6,
        "LLaMA-2 7B": 11.8,
        "Falcon 7B": 6.8,
        "Falcon 40B": 19.6,
        "PaLM 8B": 4.1,
        "PaLM 62B": 33.0,
        "Minerva 8B": 16.2,
        "LLEMMA 7B": 36.4,
        "Vicuna v1.3 13B": 27.6,
        "Paramanu-Ganita": 39.4,
    }
    assert {name: next(row["gsm8k"] for row in ROWS if row["model"] == name) for name in wanted} == wanted


def test_groups_are_in_order_of_size_and_this_run_is_apart(tmp_path: Path) -> None:
    text = published_section(gather(make_run(tmp_path / "run")))
    table = text[text.index('<table class="published"') :]
    assert table.index("measured here") < table.index("Published ·")
    assert table.count('class="badge"') == 1
    for key in load_baselines()["protocols"]:
        rows = sorted((row for row in ROWS if row["protocol"] == key), key=lambda row: row["parameters"])
        places = [table.index(f">{row['model']}<") for row in rows]
        assert places == sorted(places)


def test_without_a_gsm8k_result_nothing_is_marked_as_measured(tmp_path: Path) -> None:
    text = published_section(gather(make_run(tmp_path / "run", stages=("corpus",))))
    assert 'class="badge"' not in text
    assert "no GSM8K result" in text


def test_protocols_unlike_this_runs_are_marked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    text = published_section(gather(run))
    assert text.count("unlike this run") == len(load_baselines()["protocols"]), "its calculator is no published tool"
    assert "like none below: its calculator is a tool" in text
    path = run.root / "evaluate" / "results.json"
    path.write_text(path.read_text("utf-8").replace('"calculator": true', '"calculator": false'), encoding="utf-8")
    text = published_section(gather(run))
    assert "one greedy chain, no tool · as this run" in text
    assert text.count("unlike this run") == len(load_baselines()["protocols"]) - 1

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganita.report.audit import audit_tables, read_audit
from ganita.report.built import tokenizer_section
from ganita.report.charts import Bar, bar_groups
from ganita.report.gather import gather
from ganita.runs import Run
from ganita.storage import write_json
from ganita.tokenizer.audit import AUDIT, OWN
from tests.report.fake_run import make_run


def entry(figure: float, takes: float | None = None, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"bytes": 1000, "tokens": 400, "bytes_per_token": figure}
    if takes is not None:
        row["this_run_takes"] = takes
    return {"about": "some <b>text</b>", "vocabulary_size": 8192, "kinds": {"LaTeX": row, "code": row}, **more}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run", stages=("corpus", "tokenizer"))


def write(run: Run, **changes: Any) -> None:
    uses = {"learned": 7000, "dead": 168, "rare_share": 0.034}
    numbers = [{"digits": 8, "tokens": 3, "example": "12|345|678"}]
    commands = {"of": 200, "whole": 94, "uncut_share": 0.314}
    contestants = {
        OWN: entry(3.251, uses=uses, numbers=numbers, commands=commands),
        "other <script>": entry(2.514, -0.231),
    }
    write_json(run.root / AUDIT, {"tokenizer": None, "contestants": contestants} | changes)


def test_without_an_audit_the_sources_are_shown(run: Run) -> None:
    text = tokenizer_section(gather(run))
    assert "Bytes per token" in text
    assert "3.41" in text
    assert "<svg" not in text


def test_the_audit_takes_their_place(run: Run) -> None:
    write(run)
    text = tokenizer_section(gather(run))
    for figure in ("3.25", "2.51", "-23.1 %", "168", "3.4 %", "94 of 200", "31 %", "12|345|678", "8,192"):
        assert figure in text, figure
    assert "<svg" in text
    assert "3.41" not in text
    assert "<script>" not in text
    assert "some <b>" not in text


def test_an_audit_of_another_tokenizer_is_not_shown(run: Run) -> None:
    write(run, tokenizer="of the recipe before")
    assert read_audit(run, None) == {}
    assert "3.41" in tokenizer_section(gather(run))


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        '{"tokenizer": null}',
        '{"tokenizer": null, "contestants": []}',
        '{"tokenizer": null, "contestants": {"this run": 3}}',
        '{"tokenizer": null, "contestants": {"this run": {"kinds": {"code": {"bytes_per_token": "3"}}}}}',
        '{"tokenizer": null, "contestants": {"this run": {"kinds": {"code": 3}}, "other": null}}',
    ],
)
def test_a_broken_audit_costs_itself_only(run: Run, broken: str) -> None:
    (run.root / AUDIT).write_text(broken, encoding="utf-8")
    assert "3.41" in tokenizer_section(gather(run))


def test_a_contestant_may_lack_what_was_not_measured() -> None:
    entries = {
        OWN: entry(3.0),
        "other": {"kinds": {"code": {"bytes_per_token": 2.0}}},
        "bare": {"uses": 1, "numbers": 2},
    }
    text = audit_tables(entries)
    assert json.dumps("–")[1:-1] in json.dumps(text)  # a dash where there is nothing
    assert "nan" not in text


def test_bars_are_as_long_as_their_values() -> None:
    text = bar_groups("t", [("code", [Bar("mine", 4.0, own=True), Bar("theirs", 2.0)])], lambda value: f"{value:.1f}")
    assert 'class="glyph solid" x="190" y="18.0" width="510.0"' in text
    assert 'class="glyph" x="190" y="33.0" width="255.0"' in text
    assert bar_groups("t", [], str) == bar_groups("t", [("code", [Bar("none", 0.0)])], str) == ""

"""`ganita problems`: what it prints, and how it ends."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ganita.cli import main
from ganita.corpus import sources
from ganita.corpus.families.compose import Joints
from ganita.progress import Reporter
from ganita.recipe import Source
from tests.corpus.families.test_loading import FAMILY


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["problems", *arguments])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def test_sample(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "sample", "--families", "4", "--difficulty", "3", "--seed", "2")
    assert code == 0
    assert out.count("#### ") == 4
    assert out == run(capsys, "sample", "--families", "4", "--difficulty", "3", "--seed", "2")[1]
    code, out, _ = run(capsys, "sample", "--families", "2", "--id", "two-taps", "--form", "equations")
    assert out.count("[two-taps]") == 2
    assert "<<" not in out
    assert "together" not in out.lower().split("####")[0].splitlines()[2]
    assert run(capsys, "sample", "--composed", "--families", "3")[1].count("+") >= 3
    assert "[derivative]" in run(capsys, "sample", "--procedural", "--id", "derivative", "--families", "1")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample", "--id", "two-tabs"), "did you mean 'two-taps'"),
        (("sample", "--topic", "astrology"), "topics are"),
        (("sample", "--families", "0"), "at least 1"),
        (("sample", "--procedural", "--topic", "money"), "--topic is for families"),
        (("sample", "--composed", "--id", "two-taps"), "leave --id and --split out"),
        (("check", "nowhere"), "no such folder"),
        (("check", "--draws", "0"), "--draws: at least 1"),
        (("stats", "--against", "gsm8k-trian"), "gsm8k-train"),
    ],
)
def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_check_ends_with_2_when_there_are_faults(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(FAMILY, encoding="utf-8")
    code, out, _ = run(capsys, "check", str(tmp_path), "--draws", "5", "--workers", "1")
    assert code == 0
    assert "1 families, 8 wordings, 5 draws of each: no fault" in out
    (tmp_path / "mine.toml").write_text(FAMILY.replace("1. {p} buys", "1. {p} buys the the"), encoding="utf-8")
    code, out, err = run(capsys, "check", str(tmp_path), "--draws", "5", "--workers", "1")
    assert code == 2
    assert "mine.toml: family 'packs': train wording 0: language" in out
    assert "1 faults" in err


def test_stats(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANITA_DATA", raising=False)
    code, out, _ = run(capsys, "stats")
    assert code == 0
    for figure in ("distinct word 4-grams", "steps", "pairs of families compose", "procedural"):
        assert figure in out


def test_stats_say_which_graphs_of_human_problems_no_family_has(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bought = {"question": "A pen costs $2. What do 3 cost?", "solution": "<<2*3=6>>\n#### 6", "answer": "6"}
    odd = {"question": "How many?", "solution": "<<7*8-30/5+11*13=193>>\n#### 193", "answer": "193"}
    rows = [row | {"id": str(index)} for index, row in enumerate([bought, odd, odd])]
    (tmp_path / "train").mkdir()
    with gzip.open(tmp_path / "train" / "gsm8k_train.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    code, out, _ = run(capsys, "stats", "plain", "--lacking", "1")
    assert code == 0
    assert "33% of 3 problems of gsm8k-train have the graph of a family" in " ".join(out.split())
    assert out.rstrip().splitlines()[-1].split(maxsplit=1) == ["2", "((v0 * v1) + ((v2 * v3) - (v4 / v5)))"]


def test_sources_of_generated_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    def documents(source: Source) -> list:
        sources.open_source(source, 0, Reporter(quiet=True))
        return list(sources.documents_of(source, 0))

    procedural = documents(Source(name="steps", procedural="train", count=50))
    assert len(procedural) == 50
    assert {problem.source for problem in procedural} == {"steps"}
    composed = documents(Source(name="long", families="train", composed=1.0, count=20))
    assert all("+" in problem.family for problem in composed)
    # Without the option nothing is composed, and the joints are not even looked for.
    monkeypatch.setattr(Joints, "__init__", lambda *_: pytest.fail("not needed"))
    assert not any("+" in problem.family for problem in documents(Source(name="short", families="train", count=20)))

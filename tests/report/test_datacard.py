from __future__ import annotations

from pathlib import Path

import pytest

from ganita.errors import GanitaError
from ganita.report.datacard import CARD, markdown, source_tokens, steps, write_data_card
from ganita.report.gather import gather
from ganita.runs import Run
from ganita.storage import read_json, write_json
from tests.report.fake_run import make_run

STREAMS = {
    "train": {
        "gsm8k.equations": {"tokens": 900_000, "documents": 7000},
        "gsm8k.words": {"tokens": 1_900_000, "documents": 7000},
        "textbooks": {"tokens": 19_000_000, "documents": 800},
    },
    "validation": {
        "gsm8k.words": {"tokens": 100_000, "documents": 400},
        "textbooks": {"tokens": 1_000_000, "documents": 40},
    },
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = make_run(tmp_path / "run")
    manifest = read_json(tmp_path / "run/shards/manifest.json")
    manifest["summary"] = {"streams": STREAMS}
    write_json(tmp_path / "run/shards/manifest.json", manifest)
    return run


def test_tokens_of_a_source_are_those_of_its_longest_form(run: Run) -> None:
    assert source_tokens(gather(run)) == {"gsm8k": 2_000_000, "textbooks": 20_000_000}


def test_steps_go_down_from_everything_to_what_was_kept(run: Run) -> None:
    found = steps(gather(run))
    assert [step.documents for step in found] == [8385, 8385, 8385, 8291, 8291, 8291]
    assert found[0].characters == 65_012_345
    # 2.0 million tokens of gsm8k (4,012,344 of its characters were kept), 20 million of the textbooks
    assert found[0].tokens == pytest.approx(22_000_000, rel=1e-3)


def test_without_shards_there_are_no_token_figures(tmp_path: Path) -> None:
    found = gather(make_run(tmp_path / "run", stages=("corpus",)))
    assert {step.tokens for step in steps(found)} == {None}
    assert "| gsm8k | MIT | yes | 7,473 |" in markdown(found)


def test_the_card_names_licences_reasons_and_benchmarks(run: Run) -> None:
    text = write_data_card(run).read_text(encoding="utf-8")
    assert (run.root / CARD).is_file()
    assert "| textbooks | CC BY-SA 4.0 | yes |" in text
    assert "60 duplicate, 12 benchmark overlap" in text
    assert "2 paragraphs cut out of longer texts" in text
    assert "| gsm8k-test | 3 | 8-gram | gsm8k | 4 | dropped |" in text
    assert "Not at hand, so not compared: math-test" in text
    assert "/data/<books>" in text  # Markdown, so nothing is escaped but the bars of a table


def test_a_run_without_a_corpus_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match="corpus"):
        write_data_card(make_run(tmp_path / "run", stages=()))

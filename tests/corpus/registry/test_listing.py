from __future__ import annotations

from pathlib import Path

import pytest

from ganita.corpus.reading.readers import SourceMissingError
from ganita.corpus.registry.listing import get_set, list_sets, show_set
from ganita.errors import GanitaError
from ganita.progress import Reporter
from tests.corpus.corpora import write_data_folder, write_jsonl


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_data_folder(tmp_path / "data")
    monkeypatch.setenv("GANITA_DATA", str(folder))
    return folder


def test_the_list_says_where_each_set_is_and_marks_what_is_not_for_commerce(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list_sets(Reporter())
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["gsm8k-train"].split()[1:5] == ["train", "problem", "MIT", "GANITA_DATA"]
    assert lines["open-web-math"].split()[1:6] == ["train", "text", "ODC-By-1.0", "to", "download"]
    assert lines["svamp"].split()[1:6] == ["eval", "problem", "MIT", "GANITA_DATA", "only"]
    assert "CC-BY-NC-4.0 * " in lines["asdiv"]
    assert " * " not in lines["gsm8k-train"]
    assert "python" in lines["algebraic-stack-LANGUAGE:"]
    assert "algebraic-stack-python" not in lines


def test_show_says_all_and_the_first_document(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_set("gsm8k-train", Reporter())
    out = capsys.readouterr().out
    for part in ("MIT", "7,473 problems", "openai/gsm8k", "e53f048856ff", "main/train-*.parquet", "solution = answer"):
        assert part in out
    assert "Ben has 0 nuts and finds 3 more. How many nuts has he now?\nBen has 0+3 = <<0+3=3>>3 nuts.\n#### 3" in out


def test_show_of_a_set_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    show_set("mathpile-textbooks", Reporter())
    out = capsys.readouterr().out
    assert "accept the terms on that page, then set HF_TOKEN" in out
    assert "at hand            no" in out
    assert "first document" not in out
    with pytest.raises(GanitaError, match="did you mean 'metamathqa'"):
        show_set("metamath-qa", Reporter())


def test_show_passes_over_unreadable_rows_but_not_over_all(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, good = data / "train/gsm8k_train.jsonl.gz", {"question": "2 and 2?", "solution": "<<2+2=4>>\n#### 4"}
    write_jsonl(path, [{"question": "no solution"}, good])
    show_set("gsm8k-train", Reporter())
    assert "2 and 2?" in capsys.readouterr().out
    write_jsonl(path, [{"question": "no solution"}])
    with pytest.raises(GanitaError, match=r"no document could be read from the first rows of .*gsm8k_train"):
        show_set("gsm8k-train", Reporter())


def test_show_of_a_long_document_is_cut(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(data / "corpus/stacks_project.jsonl.gz", [{"source": "s", "path": "p", "text": "word " * 1000}])
    show_set("stacks-project", Reporter())
    out = capsys.readouterr().out
    assert "s/p (5,000 characters)" in out
    assert len(out) < 3_000


def test_get_says_where_it_is(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    get_set("gsm8k-train", Reporter())
    out = capsys.readouterr().out
    assert "gsm8k-train: 1 file, " in out
    assert str(data / "train") in out
    with pytest.raises(SourceMissingError, match="orz-math"):
        get_set("orz-math", Reporter())

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ganita.corpus import hub, sets
from ganita.corpus.forms import FORMS
from ganita.corpus.readers import SourceMissingError
from ganita.errors import GanitaError
from ganita.progress import Reporter
from tests.corpus.corpora import BENCHMARK_QUESTION, BENCHMARK_SOLUTION, write_data_folder, write_jsonl

HUB_ROWS = [{"question": BENCHMARK_QUESTION, "answer": BENCHMARK_SOLUTION}]


def write_parquet(path: Path, rows: list[dict[str, str]] = HUB_ROWS) -> Path:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def hub_cache(root: Path, *, references: bool = True, commit: str = "0123abc") -> Path:
    """Lay openai/gsm8k out as the hub's client caches it."""
    folder = root / "datasets--openai--gsm8k"
    write_parquet(folder / "snapshots" / commit / "main" / "test-00000-of-00001.parquet")
    if references:
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(commit)
    return folder


def test_every_entry_is_complete_and_names_a_known_form() -> None:
    assert len(sets.registry()) > 40
    for entry in sets.registry().values():
        assert entry.use in ("train", "eval")
        assert entry.kind in ("text", "problem")
        assert entry.licence
        homes = [home for home in (entry.local, entry.hub) if home]
        assert homes
        assert all(home.form in FORMS for home in homes)
        assert not entry.hub or (entry.hub.id.count("/") == 1 and entry.hub.files)


def test_no_file_of_a_training_set_is_a_benchmark_file() -> None:
    places = Counter[tuple[str, str]]()
    for entry in sets.registry().values():
        if entry.local:
            assert (entry.use == "eval") is entry.local.path.startswith("eval/")
        for pattern in entry.hub.files if entry.hub else ():
            places[entry.hub.id if entry.hub else "", pattern] += 1
            assert ("train" in pattern.lower() or "395K" in pattern) is (entry.use == "train")
    assert max(places.values()) == 1


def test_unknown_set_names_the_nearest() -> None:
    with pytest.raises(GanitaError, match=r"no public set 'gsm8k-trian' \(did you mean 'gsm8k-train'\?\)"):
        sets.find("gsm8k-trian")


def test_ganita_data_in_its_own_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    monkeypatch.setenv("GANITA_DATA", str(write_data_folder(tmp_path / "data")))
    problems = sets.load_problems("gsm8k-test", reporter)
    assert [problem.id for problem in problems] == ["t/0", "t/1"]
    assert problems[0].steps[0].startswith("Each tray carries 9 + 6 = <<9+6=15>>15")
    assert problems[0].answer == "187"
    assert sets.locate("gsm8k-test", reporter).origin == "GANITA_DATA/eval/gsm8k_test.jsonl.gz"


def test_ganita_data_in_the_layout_of_hub_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter
) -> None:
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    write_parquet(tmp_path / "openai/gsm8k/main/test-00000-of-00001.parquet")
    (row,) = sets.open_set("gsm8k-test", reporter)
    assert row == {"question": BENCHMARK_QUESTION, "solution": BENCHMARK_SOLUTION}
    assert sets.load_problems("gsm8k-test", reporter)[0].answer == "187"


@pytest.mark.parametrize("references", [True, False])
@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE"])
def test_the_hub_cache_is_read_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter, variable: str, references: bool
) -> None:
    monkeypatch.setattr(hub, "_download", lambda *_: pytest.fail("the network was asked"))
    monkeypatch.setenv(variable, str(tmp_path))
    hub_cache(tmp_path / "hub" if variable == "HF_HOME" else tmp_path, references=references)
    assert len(sets.load_problems("gsm8k-test", reporter)) == 1
    assert sets.locate("gsm8k-test", reporter).origin == "hub:openai/gsm8k@main"


def test_half_a_sharded_set_in_the_cache_is_not_taken_for_the_set(tmp_path: Path) -> None:
    for number in (0, 2):
        (tmp_path / f"train-{number:05d}-of-00003.parquet").touch()
    assert hub.matching(tmp_path, ["train-*.parquet"]) == []
    (tmp_path / "train-00001-of-00003.parquet").touch()
    assert len(hub.matching(tmp_path, ["train-*.parquet"])) == 3
    assert hub.matching(tmp_path, ["train-*.parquet", "test-*.parquet"]) == []


def test_a_download_fills_the_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    def download(repository: str, revision: str, patterns: tuple[str, ...]) -> Path:
        assert (repository, revision, patterns) == ("openai/gsm8k", "main", ["main/test-*.parquet"])
        return write_parquet(tmp_path / "main/test-00000-of-00001.parquet").parent.parent

    monkeypatch.setattr(hub, "_download", download)
    assert len(sets.load_problems("gsm8k-test", reporter)) == 1


def test_neither_home_reachable_names_both_in_one_line(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(SourceMissingError) as caught:
        sets.locate("gsm8k-test", reporter)  # conftest takes the network away
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ("GANITA_DATA", "eval/gsm8k_test.jsonl.gz", "openai/gsm8k", "Hugging Face"))


def test_a_set_without_a_hub_home_says_so(reporter: Reporter) -> None:
    with pytest.raises(SourceMissingError, match="not on the Hugging Face hub: set GANITA_DATA"):
        sets.locate("tinygsm", reporter)


def test_ganita_data_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    monkeypatch.setenv("GANITA_DATA", str(tmp_path / "gone"))
    with pytest.raises(GanitaError, match=r"GANITA_DATA = .*gone: no such folder"):
        sets.locate("gsm8k-test", reporter)


def test_rows_of_other_splits_in_the_same_file_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter
) -> None:
    rows = [
        {"split": split, "question": split, "options": ["1", "2"], "label": "B"} for split in ("dev", "test", "val")
    ]
    write_jsonl(tmp_path / "eval/mmlu_college_mathematics.jsonl.gz", rows)
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    (problem,) = sets.load_problems("mmlu-college-mathematics", reporter)
    assert (problem.question, problem.choices, problem.answer, problem.steps) == ("test", ("1", "2"), "B", ())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"question": "q", "solution": "no mark"}'], "line 1: .*####"),
        (["{"], "line 1: not JSON"),
        ([], "holds no item"),
    ],
)
def test_a_benchmark_with_a_hole_in_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter, lines: list[str], message: str
) -> None:
    monkeypatch.setenv("GANITA_DATA", str(tmp_path))
    path = write_jsonl(tmp_path / "openai/gsm8k/main/test.jsonl", [])
    path.write_text("\n".join(lines))
    home = sets.Home(form="gsm8k", path="openai/gsm8k/main/test.jsonl")
    entry = sets.PublicSet("gsm8k-test", "", "eval", "problem", "MIT", home)
    monkeypatch.setattr(sets, "registry", lambda: {"gsm8k-test": entry})
    with pytest.raises(GanitaError, match=message):
        sets.load_problems("gsm8k-test", reporter)


def test_open_set_gives_plain_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    monkeypatch.setenv("GANITA_DATA", str(write_data_folder(tmp_path)))
    rows = list(sets.open_set("gsm8k-train", reporter))
    assert len(rows) == 40
    assert set(rows[0]) == {"id", "question", "solution", "answer"}
    json.dumps(rows)

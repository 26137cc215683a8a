from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganita.corpus import executor, part, sources
from ganita.corpus.build import build, input_fingerprint
from ganita.corpus.document import Text, from_json
from ganita.corpus.part import split_of
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.runs import Run
from tests.corpus.corpora import (
    BENCHMARK_QUESTION,
    SHORT_QUESTION,
    read_jsonl,
    recipe_of,
    run_stage,
    texts,
    write_jsonl,
)


def kept(folder: Path, source: str) -> list[dict[str, Any]]:
    return [row for split in ("train", "validation") for row in read_jsonl(folder / split / f"{source}.jsonl")]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_from_sources_to_two_splits_and_a_card(tmp_path: Path, data: Path) -> None:
    write_jsonl(tmp_path / "own.jsonl.gz", texts(200))
    recipe = recipe_of(
        {"set": "gsm8k-train"}, {"name": "own", "path": str(tmp_path / "own.jsonl.gz")},
        decontaminate=["gsm8k-test"], validation_share=0.2,
    )  # fmt: skip
    summary = run_stage(tmp_path / "out", recipe)
    assert sorted(digests(tmp_path / "out")) == [
        "card.json", "ledger.jsonl", "rejected.jsonl", "train/gsm8k-train.jsonl", "train/own.jsonl",
        "validation/gsm8k-train.jsonl", "validation/own.jsonl",
    ]  # fmt: skip
    card = json.loads((tmp_path / "out/card.json").read_text())
    own, worked = card["sources"]["own"], card["sources"]["gsm8k-train"]
    assert own["kept"]["train"]["documents"] + own["kept"]["validation"]["documents"] == 200
    assert 20 <= own["kept"]["validation"]["documents"] <= 60
    assert own["characters_in"] == sum(len(row["text"]) for row in texts(200))
    assert (worked["kind"], worked["licence"], worked["problems_with_equations"]) == ("problem", "MIT", 40)
    assert worked["from"] == "GANITA_DATA/train/gsm8k_train.jsonl.gz"
    assert card["benchmarks"] == {
        "compared": ["gsm8k-test"], "not_compared": [], "items": 2, "hits": [], "touched": {},
    }  # fmt: skip
    assert summary["documents"] == card["totals"]["documents"]
    assert json.loads(json.dumps(summary)) == summary
    documents = [from_json(row) for row in kept(tmp_path / "out", "gsm8k-train")]
    assert {document.source for document in documents} == {"gsm8k-train"}


def test_the_same_recipe_gives_the_same_bytes(tmp_path: Path, data: Path) -> None:
    write_jsonl(tmp_path / "own.jsonl", texts(50))
    recipe = recipe_of({"set": "gsm8k-train"}, {"name": "own", "path": str(tmp_path / "own.jsonl")})
    run_stage(tmp_path / "a/out", recipe)
    run_stage(tmp_path / "b/out", recipe)
    assert digests(tmp_path / "a/out") == digests(tmp_path / "b/out")


def test_a_document_keeps_its_side_whatever_stands_beside_it(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", texts(100))
    write_jsonl(tmp_path / "b.jsonl", [*texts(60, "cube"), *reversed(texts(100))])
    for name in ("a", "b"):
        recipe = recipe_of({"name": name, "path": str(tmp_path / f"{name}.jsonl")}, validation_share=0.3)
        run_stage(tmp_path / name / "out", recipe)
    first = {row["text"] for row in read_jsonl(tmp_path / "a/out/validation/a.jsonl")}
    second = {row["text"] for row in read_jsonl(tmp_path / "b/out/validation/b.jsonl")}
    assert first
    assert first == {text for text in second if "cube" not in text}


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_the_validation_share_is_met(share: float) -> None:
    splits = [split_of(Text(str(n), "s", f"document {n}"), share) for n in range(4000)]
    assert splits.count("validation") / 4000 == pytest.approx(share, abs=0.025)


def test_two_solutions_of_a_question_are_kept_on_one_side(tmp_path: Path) -> None:
    rows = [
        {"question": f"What is {n}+1?", "steps": [f"way {way}"], "answer": n + 1} for n in range(50) for way in "ab"
    ]
    write_jsonl(tmp_path / "p.jsonl", rows)
    recipe = recipe_of({"name": "p", "path": str(tmp_path / "p.jsonl"), "kind": "problem"}, validation_share=0.4)
    run_stage(tmp_path / "out", recipe)
    sides = [{row["question"] for row in read_jsonl(tmp_path / f"out/{s}/p.jsonl")} for s in ("train", "validation")]
    assert len(kept(tmp_path / "out", "p")) == 100
    assert all(sides)
    assert not sides[0] & sides[1]


def test_duplicates_are_dropped_over_all_sources(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", texts(10))
    write_jsonl(tmp_path / "b.jsonl", [{"text": row["text"].upper().replace(" ", "\n ")} for row in texts(15)])
    own = [{"name": name, "path": str(tmp_path / f"{name}.jsonl")} for name in "ab"]
    summary = run_stage(tmp_path / "x/out", recipe_of(*own))
    assert summary["sources"]["b"]["dropped"]["duplicate"] == 10
    assert len(kept(tmp_path / "x/out", "a") + kept(tmp_path / "x/out", "b")) == 15
    summary = run_stage(tmp_path / "y/out", recipe_of(*own, deduplicate=False))
    assert summary["dropped"]["duplicate"] == 0


def test_short_documents_go_and_long_texts_are_cut(tmp_path: Path) -> None:
    long = "\n\n".join(f"Paragraph number {n} is about {n}." for n in range(100))
    write_jsonl(tmp_path / "a.jsonl", [{"text": "too short"}, {"text": long, "id": "book"}])
    recipe = recipe_of({"name": "a", "path": str(tmp_path / "a.jsonl")}, max_characters=300)
    summary = run_stage(tmp_path / "out", recipe)
    pieces = kept(tmp_path / "out", "a")
    assert summary["dropped"]["short"] == 1
    assert "\n\n".join(row["text"] for row in pieces) == long
    assert all(len(row["text"]) <= 300 for row in pieces)
    assert [row["id"] for row in pieces] == [f"book/{n}" for n in range(1, len(pieces) + 1)]


def test_no_benchmark_item_is_in_training(tmp_path: Path, data: Path) -> None:
    planted = [
        {"question": BENCHMARK_QUESTION.upper().replace("14", "999"), "steps": ["9"], "answer": "1"},
        {"question": SHORT_QUESTION, "steps": ["78 + 5"], "answer": "83"},
    ]
    clean = [{"question": f"Sum of {n} and {n}, please?", "steps": [f"{2 * n}"], "answer": 2 * n} for n in range(9)]
    write_jsonl(tmp_path / "p.jsonl", [*clean[:4], planted[0], *clean[4:], planted[1]])
    source = {"name": "p", "path": str(tmp_path / "p.jsonl"), "kind": "problem"}
    summary = run_stage(tmp_path / "out", recipe_of(source, decontaminate=["gsm8k-test"]))
    assert summary["sources"]["p"]["dropped"]["benchmark overlap"] == 2
    assert {row["question"] for row in kept(tmp_path / "out", "p")} == {row["question"] for row in clean}
    ledger = read_jsonl(tmp_path / "out/ledger.jsonl")
    assert {(row["set"], row["item"], row["rule"], row["document"], row["decision"]) for row in ledger} == {
        ("gsm8k-test", "t/0", "13-gram", "p.jsonl:5", "dropped"),
        ("gsm8k-test", "t/0", "8-gram", "p.jsonl:5", "dropped"),
        ("gsm8k-test", "t/1", "exact", "p.jsonl:11", "dropped"),
    }
    assert json.loads((tmp_path / "out/card.json").read_text())["benchmarks"]["touched"] == {"gsm8k-test": 2}
    assert BENCHMARK_QUESTION[:20] not in (tmp_path / "out/ledger.jsonl").read_text()  # the ledger holds no text


def test_a_benchmark_as_a_source_is_refused_by_name(tmp_path: Path, data: Path) -> None:
    with pytest.raises(GanitaError, match="'gsm8k-test' is a benchmark and may not be trained on"):
        run_stage(tmp_path / "out", recipe_of({"set": "gsm8k-test"}))


@pytest.mark.parametrize("path", ["eval/gsm8k_test.jsonl.gz", "eval", ".", "link.jsonl.gz", "openai"])
def test_a_benchmark_as_a_source_is_refused_by_path(tmp_path: Path, data: Path, path: str) -> None:
    (data / "link.jsonl.gz").symlink_to(data / "eval/gsm8k_test.jsonl.gz")
    if path == "openai":  # the hub's copy counts where the other one is not there
        (data / "eval/gsm8k_test.jsonl.gz").unlink()
    copy = data / "openai/gsm8k/main/test-00000-of-00001.parquet"
    copy.parent.mkdir(parents=True)
    copy.touch()
    with pytest.raises(GanitaError, match="is a benchmark and may not be trained on"):
        run_stage(tmp_path / "out", recipe_of({"name": "x", "path": str(data / path)}))


def test_bad_lines_are_counted_shown_and_skipped_up_to_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps(row) for row in texts(95)]
    lines[10:10] = ["{", "[]", '{"text": 5.5}', '{"text": null}', "\udcff"]
    path = tmp_path / "a.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    source = {"name": "a", "path": str(path)}
    summary = run_stage(tmp_path / "x/out", recipe_of(source, max_bad_lines=0.05), Reporter())
    assert summary["dropped"]["unreadable"] == 4  # a number is text enough
    rejected = read_jsonl(tmp_path / "x/out/rejected.jsonl")
    assert [(row["source"], row["file"], row["line"]) for row in rejected] == [
        ("a", "a.jsonl", n) for n in (11, 12, 14, 15)
    ]
    shown = capsys.readouterr().err.replace("\n", " ")
    assert "a.jsonl, line 11: not JSON" in shown
    assert shown.count("skipped") == 3
    with pytest.raises(GanitaError, match=r"source 'a': 4 of 100 lines are unreadable.*line 11") as caught:
        run_stage(tmp_path / "y/out", recipe_of(source, max_bad_lines=0.03))
    assert "\n" not in str(caught.value)


def test_a_hopeless_source_is_given_up_early(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a good line in front"}\n' + "junk\n" * 50_000)
    with pytest.raises(GanitaError, match="1,000 of 1,001 lines are unreadable"):
        run_stage(tmp_path / "out", recipe_of({"name": "a", "path": str(path)}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.jsonl", None, "source 'a': .*gone.jsonl: no such file"),
        ("empty.jsonl", b"", "source 'a': .* holds no document"),
        ("blank.jsonl", b"\n \n", "holds no document"),
        (
            "other.jsonl",
            b'{"texts": "x", "n": 1}\n',
            r"no column 'text' \(did you mean 'texts'\?\); there are 'texts', 'n'",
        ),
        ("short.jsonl", b'{"text": "x"}\n', r"nothing is left of 1 documents \(1 short\)"),
        ("latin.jsonl", '{"text": "déjà vu, encore une fois"}\n'.encode("latin-1"), "not UTF-8"),
        ("binary.txt", b"\x7fELF\x00\x00\x00", "binary file"),
    ],
)
def test_bad_sources_end_with_one_clear_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(GanitaError, match=message) as caught:
        run_stage(tmp_path / "out", recipe_of({"name": "a", "path": str(tmp_path / name)}))
    assert "\n" not in str(caught.value)


def test_a_truncated_source_is_never_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "a line that is long enough"}\n' * 999)[:-9])
    with pytest.raises(GanitaError, match=r"unreadable.*a\.jsonl\.gz, line 0: truncated or altered"):
        run_stage(tmp_path / "out", recipe_of({"name": "a", "path": str(path)}))


def test_own_columns_kinds_and_limits(tmp_path: Path) -> None:
    rows = [{"aufgabe": f"Wie viel ist {n}+1?", "weg": f"{n}+1 = <<{n}+1={n + 1}>>", "wert": n + 1} for n in range(20)]
    write_jsonl(tmp_path / "p.jsonl", rows)
    fields = {"question": "aufgabe", "solution": "weg", "answer": "wert"}
    source = {"name": "p", "path": str(tmp_path / "p.jsonl"), "kind": "problem", "fields": fields, "limit": 7}
    summary = run_stage(tmp_path / "out", recipe_of(source))
    assert summary["sources"]["p"]["documents_in"] == 7
    assert summary["sources"]["p"]["problems_with_equations"] == 7
    with pytest.raises(GanitaError, match=r"unknown document field 'questoin' \(did you mean 'question'\?\)"):
        run_stage(tmp_path / "x/out", recipe_of({**source, "fields": {"questoin": "aufgabe"}}))


def test_a_worked_set_can_be_read_as_text_but_not_the_other_way_round(tmp_path: Path, data: Path) -> None:
    run_stage(tmp_path / "out", recipe_of({"set": "gsm8k-train", "kind": "text"}))
    assert {row["kind"] for row in kept(tmp_path / "out", "gsm8k-train")} == {"text"}
    write_jsonl(data / "train/tinygsm_code_samples.jsonl.gz", [{"code": "def f(): return 1 + 1"}])
    with pytest.raises(GanitaError, match="running text, not worked problems"):
        run_stage(tmp_path / "x/out", recipe_of({"set": "tinygsm", "kind": "problem"}))


def test_an_optional_source_may_be_missing_and_a_wrong_one_may_not(tmp_path: Path, data: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", texts(3))
    here = {"name": "a", "path": str(tmp_path / "a.jsonl")}
    summary = run_stage(tmp_path / "x/out", recipe_of(here, {"set": "tinygsm", "optional": True}))
    assert list(summary["sources"]) == ["a"]
    with pytest.raises(GanitaError, match="source 'tinygsm': set 'tinygsm' is not under GANITA_DATA"):
        run_stage(tmp_path / "y/out", recipe_of(here, {"set": "tinygsm"}))
    with pytest.raises(GanitaError, match="no source"):
        run_stage(tmp_path / "z/out", recipe_of({"set": "tinygsm", "optional": True}))
    with pytest.raises(GanitaError, match="names no source"):
        run_stage(tmp_path / "w/out", recipe_of())


def test_a_benchmark_out_of_reach_stops_public_sets_and_warns_about_own_files(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "eval/gsm8k_test.jsonl.gz").unlink()
    write_jsonl(tmp_path / "a.jsonl", texts(3))
    own = {"name": "a", "path": str(tmp_path / "a.jsonl")}
    run_stage(tmp_path / "x/out", recipe_of(own, decontaminate=["gsm8k-test"]))
    assert "cannot be compared with benchmark 'gsm8k-test'" in capsys.readouterr().err.replace("\n", " ")
    card = json.loads((tmp_path / "x/out/card.json").read_text())
    assert card["benchmarks"]["not_compared"] == ["gsm8k-test"]
    with pytest.raises(GanitaError, match=r"or take it out of corpus\.decontaminate"):
        run_stage(tmp_path / "y/out", recipe_of(own, {"set": "gsm8k-train"}, decontaminate=["gsm8k-test"]))
    with pytest.raises(GanitaError, match="is a training set"):
        run_stage(tmp_path / "z/out", recipe_of(own, decontaminate=["gsm8k-train"]))
    wanted = {"decontaminate": [], "decontaminate_if_found": ["gsm8k-test"]}
    run_stage(tmp_path / "w/out", recipe_of(own, {"set": "gsm8k-train"}, **wanted))
    assert json.loads((tmp_path / "w/out/card.json").read_text())["benchmarks"]["not_compared"] == ["gsm8k-test"]


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    def peak(num_documents: int) -> int:
        path = write_jsonl(
            tmp_path / f"{num_documents}.jsonl.gz",
            ({"text": " ".join(f"{n} words of {m * n}" for m in range(200))} for n in range(num_documents)),
        )
        tracemalloc.start()
        run_stage(tmp_path / f"{num_documents}/out", recipe_of({"name": "a", "path": str(path)}))
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    # 1,200 documents fill every buffer; then 5 MB of text more make no difference.
    assert peak(3000) < peak(1200) + 1_000_000


def test_input_fingerprint_notices_what_the_corpus_is_made_from(tmp_path: Path, data: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", texts(5))
    recipe = recipe_of(
        {"name": "a", "path": str(path)}, {"set": "gsm8k-train"}, {"set": "metamathqa"},
        {"name": "f", "families": "train", "count": 3}, decontaminate=["gsm8k-test"],
    )  # fmt: skip
    before = input_fingerprint(recipe)
    assert input_fingerprint(recipe) == before
    assert json.loads(json.dumps(before)) == before
    path.write_text(path.read_text().replace("twice", "Twice"))
    changed = input_fingerprint(recipe)
    assert {name for name in before["sources"] if before["sources"][name] != changed["sources"][name]} == {"a"}
    other = input_fingerprint(replace(recipe, seed=recipe.seed + 1))
    assert {name for name in changed["sources"] if changed["sources"][name] != other["sources"][name]} == {"f"}
    write_jsonl(data / "eval/gsm8k_test.jsonl.gz", [{"question": "q", "solution": "#### 1"}])
    assert input_fingerprint(recipe)["benchmarks"] != changed["benchmarks"]


def test_processes_and_datatrove_give_the_bytes_of_one_process(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write_jsonl(tmp_path / f"own/{name}.jsonl", texts(40, name) + texts(10))
    own = {"name": "own", "path": str(tmp_path / "own")}, {"name": "f", "families": "train", "count": 30}
    monkeypatch.setattr(executor, "SMALL", 0)  # else so little is not worth a process
    found = {}
    for way, options in {"one": {"workers": 1}, "two": {"workers": 2}, "datatrove": {"executor": "datatrove"}}.items():
        if way == "datatrove":
            pytest.importorskip("datatrove")
        run_stage(tmp_path / way / "out", recipe_of(*own, decontaminate=["gsm8k-test"], **options))
        found[way] = digests(tmp_path / way / "out")
    assert found["two"] == found["one"]
    assert found["datatrove"] == found["one"]


def test_a_cut_off_stage_goes_on_with_the_parts_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write_jsonl(tmp_path / f"own/{name}.jsonl", texts(30, name))
    recipe = recipe_of({"name": "own", "path": str(tmp_path / "own")}, workers=1)
    run_stage(tmp_path / "whole/out", recipe)
    read, files = sources.documents_of, list[str]()

    def reading(*arguments: Any) -> Any:
        files.append(arguments[2].name)
        if len(files) == 2:
            raise KeyboardInterrupt
        return read(*arguments)

    monkeypatch.setattr(part, "documents_of", reading)
    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path / "cut/out", recipe)
    build(recipe, Run(tmp_path / "cut"), tmp_path / "cut/out", Reporter(quiet=True))
    assert files == ["a.jsonl", "b.jsonl", "b.jsonl", "c.jsonl"]  # what was finished is not read again
    assert digests(tmp_path / "cut/out") == digests(tmp_path / "whole/out")


def test_a_disguised_benchmark_question_is_found_and_the_rest_of_the_text_stays(tmp_path: Path, data: Path) -> None:
    """Changed numbers, names, case and punctuation: alone, and inside a chapter."""
    disguised = BENCHMARK_QUESTION.replace("Orla", "PETER").replace("14", "3").replace("9 tomato", "22 tomato")
    disguised = disguised.replace(".", " --").replace("frosty", "stormy").upper()
    chapter = "\n\n".join(
        f"Paragraph {n} tells of {n * n} apples, {n} pears and a basket of plums." for n in range(200)
    )
    rows = [{"text": disguised}, {"text": f"{chapter}\n\n{disguised}\n\nAnd so the chapter ends."}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    run_stage(
        tmp_path / "out", recipe_of({"name": "a", "path": str(tmp_path / "a.jsonl")}, decontaminate=["gsm8k-test"])
    )
    (left,) = kept(tmp_path / "out", "a")
    assert left["text"] == f"{chapter}\n\nAnd so the chapter ends."
    ledger = read_jsonl(tmp_path / "out/ledger.jsonl")
    assert {(row["item"], row["decision"]) for row in ledger} == {("t/0", "dropped"), ("t/0", "cut")}
    card = json.loads((tmp_path / "out/card.json").read_text())["sources"]["a"]
    assert (card["dropped"]["benchmark overlap"], card["paragraphs_cut"]) == (1, 1)


def test_near_duplicates_go_over_all_sources_and_problems_stay(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(400)]
    copy = [*words[:200], "changed", *words[201:]]
    write_jsonl(tmp_path / "a.jsonl", [{"text": " ".join(words)}, *texts(5)])
    write_jsonl(tmp_path / "b.jsonl", [{"text": " ".join(copy)}, *texts(5, "other")])
    problems = [{"question": " ".join([*words, str(n)]), "steps": ["1"], "answer": n} for n in range(4)]
    write_jsonl(tmp_path / "p.jsonl", problems)
    own = [{"name": name, "path": str(tmp_path / f"{name}.jsonl")} for name in "ab"]
    own.append({"name": "p", "path": str(tmp_path / "p.jsonl"), "kind": "problem"})
    summary = run_stage(tmp_path / "x/out", recipe_of(*own))
    assert [summary["sources"][name]["dropped"]["near duplicate"] for name in "abp"] == [0, 1, 0]
    assert len(kept(tmp_path / "x/out", "p")) == 4
    assert run_stage(tmp_path / "y/out", recipe_of(*own, near_duplicates=0))["dropped"]["near duplicate"] == 0


def test_only_what_may_be_used_commercially(tmp_path: Path, capsys: pytest.CaptureFixture[str], data: Path) -> None:
    rows = [{**row, "licence": licence} for row, licence in zip(texts(3), ("MIT", "CC-BY-NC-4.0", ""), strict=True)]
    write_jsonl(tmp_path / "a.jsonl", rows)
    write_jsonl(data / "train/tinygsm_code_samples.jsonl.gz", [{"code": "def f(): return 1 + 1"}])
    own = {"name": "a", "path": str(tmp_path / "a.jsonl")}
    summary = run_stage(tmp_path / "x/out", recipe_of(own, {"set": "tinygsm"}, commercial_only=True))
    assert list(summary["sources"]) == ["a"]
    assert "'tinygsm' is left out: its licence" in capsys.readouterr().err.replace("\n", " ")
    assert {row.get("licence", "") for row in kept(tmp_path / "x/out", "a")} == {"MIT", ""}
    assert summary["dropped"]["licence"] == 1


def test_a_learned_score_keeps_what_is_like_the_seeds(tmp_path: Path) -> None:
    def prose(n: int) -> str:
        return f"Theorem {n}. Let x be a real number. Then the proof of lemma {n} shows that x is bounded. " * 3

    def noise(n: int) -> str:
        return f"Buy now! Offer {n} ends today, click here for shoes, bags and a free holiday number {n}. " * 3

    write_jsonl(tmp_path / "good.jsonl", [{"text": prose(n)} for n in range(300)])
    mixed = [prose(1000 + n) for n in range(60)] + [noise(n) for n in range(300)]
    write_jsonl(tmp_path / "web.jsonl", [{"text": text} for text in mixed])
    own = [{"name": name, "path": str(tmp_path / f"{name}.jsonl")} for name in ("good", "web")]
    select = {"quality_seeds": ["good"], "max_repetition": 1.0}
    summary = run_stage(tmp_path / "out", recipe_of(*own, select=select, near_duplicates=0))
    left = [row["text"] for row in kept(tmp_path / "out", "web")]
    assert summary["sources"]["good"]["dropped"]["quality"] == 0
    assert sum("shoes" in text for text in left) <= 6
    assert sum("Theorem" in text for text in left) >= 40
    assert json.loads((tmp_path / "out/card.json").read_text())["quality"]["seeds"] == ["good"]
    with pytest.raises(GanitaError, match="quality_seeds: no source 'best'"):
        run_stage(tmp_path / "x/out", recipe_of(*own, select={"quality_seeds": ["best"]}))


def test_the_steps_of_the_card_add_up(tmp_path: Path, data: Path) -> None:
    long = "\n\n".join(f"Paragraph number {n} is about {n}." for n in range(100))
    rows = [*texts(20), *texts(5), {"text": "tiny"}, {"text": long}, {"text": BENCHMARK_QUESTION}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    own = {"name": "a", "path": str(tmp_path / "a.jsonl")}
    run_stage(tmp_path / "out", recipe_of(own, max_characters=1000, decontaminate=["gsm8k-test"]))
    card = json.loads((tmp_path / "out/card.json").read_text())["sources"]["a"]
    assert [card["steps"][step]["documents"] for step in ("read", "select", "decontaminate", "cut", "deduplicate")] == [
        28, 28, 27, 26, 21,
    ]  # fmt: skip
    written = [row["text"] for row in kept(tmp_path / "out", "a")]
    assert card["steps"]["deduplicate"]["characters"] == sum(map(len, written))
    assert sum(entry["characters"] for entry in card["kept"].values()) == sum(map(len, written))


def test_a_folder_of_many_kinds_of_files_is_read_each_in_its_way(tmp_path: Path) -> None:
    folder = tmp_path / "course"
    files = {
        "main.tex": "\\documentclass{book}\n\\begin{document}\nSo $a^2 \\ge 0$.\n\\input{part}\n\\end{document}",
        "part.tex": "% a remark\nThe second part says \\[ x = 1 \\] and no more than that.",
        "page.html": "<html><head><script>1</script></head><body><p>Addition of two numbers.</p></body>",
        "notes.md": "---\ntitle: x\n---\n# Notes\n\nA line of Markdown with $x$ in it.",
        "code.py": "def add(first, second):\n    return first + second\n",
    }
    for name, text in files.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    run_stage(tmp_path / "out", recipe_of({"name": "course", "path": str(folder)}))
    rows = {row["id"]: row for row in kept(tmp_path / "out", "course")}
    assert sorted(rows) == ["code.py", "main.tex", "notes.md", "page.html"]  # part.tex is in main.tex
    assert "a^2 \\ge 0" in rows["main.tex"]["text"]
    assert "x = 1" in rows["main.tex"]["text"]
    assert "remark" not in rows["main.tex"]["text"]
    assert rows["page.html"]["text"].strip() == "Addition of two numbers."
    assert rows["code.py"]["text"] == files["code.py"].strip("\n")
    assert [rows[name].get("language", "") for name in sorted(rows)] == ["python", "latex", "markdown", "markdown"]


def test_a_second_recipe_in_the_same_folder_is_not_built_by_the_first(tmp_path: Path) -> None:
    """In one process, as `ganita.run` called twice does it: the tasks must see the plan of the day."""
    write_jsonl(tmp_path / "a.jsonl", texts(20))
    source = {"name": "a", "path": str(tmp_path / "a.jsonl")}
    run_stage(tmp_path / "out", recipe_of(source))
    again = build(recipe_of({**source, "limit": 5}), Run(tmp_path), tmp_path / "out", Reporter(quiet=True))
    assert again["documents_in"] == 5

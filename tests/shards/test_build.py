from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ganita.corpus.document import Problem
from ganita.errors import GanitaError
from ganita.progress import Reporter
from ganita.recipe import recipe_from_dict
from ganita.runs import Run
from ganita.shards import build as stage
from ganita.shards.files import ArrayWriter, Stream, read_index
from ganita.storage import describe_files, verify
from ganita.tokenizer.template import render_problem, render_text
from ganita.tokenizer.tokenizer import Tokenizer
from tests.shards.streams import build_shards
from tests.tokenizer.corpora import build_tokenizer, make_problem, make_recipe, make_text, write_corpus


def test_documents_come_back_token_by_token(folder: Path, tokenizer: Tokenizer) -> None:
    index = read_index(folder)
    expected = {
        "prose": [(render_text(make_text(n).text, tokenizer), 0) for n in range(200)],
        "words.equations": [render_problem(make_problem(n), "equations", tokenizer) for n in range(150)],
        "words.words": [render_problem(make_problem(n), "words", tokenizer) for n in range(150)],
    }
    assert list(index["splits"]["train"]) == list(expected)
    for name, documents in expected.items():
        entry = index["splits"]["train"][name]
        stream = Stream(folder, "train", name, entry, index["dtype"])
        assert stream.num_documents == entry["documents"] == len(documents)
        assert stream.num_tokens == entry["tokens"] == sum(len(ids) for ids, _ in documents)
        for number, (ids, num_prompt) in enumerate(documents):
            assert stream.read(number, 0, len(ids)).tolist() == ids
            assert stream.prompts[number] == num_prompt


def test_shards_are_of_the_size_asked_for_and_no_document_is_split(folder: Path) -> None:
    for entry in read_index(folder)["splits"]["train"].values():
        assert len(entry["files"]) > 1
        for file in entry["files"]:
            assert 0 < file["tokens"] <= 2_000
            assert (folder / file["name"]).stat().st_size == 2 * file["tokens"]
        assert all(file["tokens"] > 1_500 for file in entry["files"][:-1])
        assert sum(file["documents"] for file in entry["files"]) == entry["documents"]


def test_index_carries_what_a_loader_needs(folder: Path, tokenizer: Tokenizer) -> None:
    index = read_index(folder)
    assert (index["dtype"], index["vocabulary_size"], index["tokenizer"]) == ("<u2", 400, tokenizer.fingerprint)
    assert index["pad_id"] == tokenizer.pad_id
    entry = index["splits"]["train"]["words.words"]
    assert {key: entry[key] for key in ("source", "form", "kind")} == {
        "source": "words",
        "form": "words",
        "kind": "problem",
    }
    assert not entry.keys() & {"weight", "finetune_weight"}, "weights are the recipe's of the day, not the shards'"
    verify(folder)


def test_building_twice_gives_the_same_bytes(run: Run, folder: Path, tmp_path: Path) -> None:
    stage.build(make_recipe(shard_tokens=2_000), run, tmp_path, Reporter(quiet=True))
    assert describe_files(tmp_path) == describe_files(folder)


def test_chunks_do_not_matter(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_CHUNK_DOCUMENTS", 7)
    stage.build(make_recipe(shard_tokens=2_000), run, tmp_path, Reporter(quiet=True))
    assert describe_files(tmp_path) == describe_files(folder)


def test_problems_without_a_form_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path)
    bare = [Problem(str(n), "words", f"What is {n}?", (), str(n)) for n in range(20)]
    train = {"prose": [make_text(n) for n in range(100)], "words": [make_problem(1), *bare]}
    write_corpus(run, {"train": train, "validation": {"prose": []}})
    recipe = make_recipe(vocabulary_size=320)
    build_tokenizer(run, recipe)
    tree = {"sources": [{"name": "words", "path": "unused"}, {"name": "prose", "path": "unused"}]}
    summary = build_shards(run, recipe_from_dict({"corpus": tree, "shards": {"forms": ["equations"]}}))
    assert summary["without_form"] == {"train/words": 20}
    assert summary["streams"]["train"]["words.equations"]["documents"] == 1
    warnings = capsys.readouterr().err
    assert "20 problems of train/words" in warnings
    assert "validation split is empty" in warnings


def test_streams_of_the_same_name_are_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    texts = [make_text(n) for n in range(100)]
    write_corpus(run, {"train": {"prose": texts, "words": [make_problem(1)], "words.words": texts}})
    recipe = make_recipe(vocabulary_size=320)
    build_tokenizer(run, recipe)
    tree = {"sources": [{"name": "words", "path": "unused"}, {"name": "words.words", "path": "unused"}]}
    with pytest.raises(GanitaError, match=r"two sources make a stream called 'words\.words'"):
        build_shards(run, recipe_from_dict({"corpus": tree}))


def test_empty_corpus_is_an_error(run: Run, tmp_path: Path) -> None:
    recipe = recipe_from_dict({"corpus": {"sources": [{"name": "absent", "path": "unused"}]}})
    with pytest.raises(GanitaError, match="no training documents"):
        stage.build(recipe, run, tmp_path, Reporter(quiet=True))


def test_array_writer_makes_a_file_that_numpy_reads(tmp_path: Path) -> None:
    writer = ArrayWriter(tmp_path / "a.npy", "<i8")
    expected: list[int] = []
    for count in (0, 1, 500, 100_000):
        writer.append(range(count))
        expected.extend(range(count))
    writer.close()
    array = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert array.dtype == np.int64
    assert array.tolist() == expected


def test_index_is_plain_json(folder: Path) -> None:
    assert json.loads((folder / "index.json").read_text(encoding="utf-8"))["splits"]["validation"]

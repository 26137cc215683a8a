from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ganita.corpus.registry.supply import supply
from ganita.recipe import Corpus, Source
from tests.corpus.corpora import write_data_folder, write_jsonl

SOURCES = (
    Source(set="gsm8k-train"),
    Source(name="variants", variants="gsm8k-train", count=10),
    Source(set="metamathqa"),
    Source(set="openstax-math", optional=True),
    Source(set="textbooks"),
    Source(name="stories", families="train", count=10),
)
CORPUS = Corpus(sources=SOURCES, decontaminate=("gsm8k-test", "svamp"))


def test_without_data_every_set_is_said_once_and_where_it_could_come_from() -> None:
    found = supply(CORPUS)
    assert [entry.id for entry in found.to_download] == ["gsm8k-train", "metamathqa", "gsm8k-test"]
    assert found.left_out == ["openstax-math"]
    assert found.missing == ["textbooks", "svamp"], "benchmarks that public sets are compared with must be there, too"
    if_found = dataclasses.replace(CORPUS, decontaminate=("gsm8k-test",), decontaminate_if_found=("svamp",))
    assert (supply(if_found).left_out, supply(if_found).missing) == (["openstax-math", "svamp"], ["textbooks"])
    rows = {what: (value, reason) for what, value, reason in found.rows()}
    assert rows["to download"][0] == "3 sets: 0.4 GB and more"
    assert rows["to download"][1].startswith("gsm8k-train, metamathqa 0.4 GB, gsm8k-test; from https://")
    assert "GANITA_DATA (not set)" in rows["left out"][1]
    assert rows["missing"][0] == "2 sets"


def test_what_is_at_hand_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_data_folder(tmp_path)
    write_jsonl(data / "eval/svamp_half.jsonl.gz", [{"question": "1+1?", "answer": "2"}])
    write_jsonl(data / "meta-math/MetaMathQA/MetaMathQA-395K.json", [{"query": "q", "response": "The answer is: 2"}])
    monkeypatch.setenv("GANITA_DATA", str(data))
    found = supply(CORPUS)
    assert (found.to_download, found.left_out, found.missing) == ([], ["openstax-math"], ["textbooks"])


def test_a_gated_set_says_so() -> None:
    (row,) = supply(Corpus(sources=(Source(set="mathpile-textbooks"),), decontaminate=())).rows()
    assert row[:2] == ("to download", "1 set") and "gated" in row[2]


def test_sets_that_the_licence_leaves_out_are_not_asked_for() -> None:
    found = supply(Corpus(sources=SOURCES, decontaminate=(), commercial_only=True))
    assert "metamathqa" not in [entry.id for entry in found.to_download]


def test_generated_problems_alone_ask_for_nothing() -> None:
    assert not list(supply(Corpus(sources=SOURCES[-1:])).rows())

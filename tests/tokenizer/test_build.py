from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganita.corpus.document import Text
from ganita.errors import GanitaError, IntegrityError
from ganita.progress import Reporter
from ganita.recipe import recipe_from_dict
from ganita.runs import Run
from ganita.storage import write_json
from ganita.tokenizer import build as stage
from ganita.tokenizer.reading import read_documents
from ganita.tokenizer.sample import Sample, contents_of, count_words, document_text, share_evenly
from ganita.tokenizer.tokenizer import ANSWER, LANGUAGE_TAGS, SPECIAL_TOKENS
from tests.tokenizer.corpora import make_problem, make_recipe, make_text, write_corpus

QUIET = Reporter(quiet=True)


def test_vocabulary_is_exactly_what_was_asked_for(folder: Path, settings_of: dict) -> None:
    tree = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    size = settings_of["vocabulary_size"]
    assert sorted(tree["model"]["vocab"].values()) == list(range(size))
    special = {token["content"] for token in tree["added_tokens"] if token["special"]}
    assert special == {*SPECIAL_TOKENS, *LANGUAGE_TAGS}
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["vocabulary_size"] == size
    assert list(report["bytes_per_token"]) == ["prose", "words", "latex", "code"]
    assert all(1 < value < 10 for value in report["bytes_per_token"].values())


def test_a_merged_tokenizer_says_whose_tokens_it_has(folder: Path, settings_of: dict) -> None:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if settings_of.get("method") != "merged":
        assert "learned_tokens_of" not in report
        return
    origin = report["learned_tokens_of"]
    given = 15 + 3 + 256 + 1100 * (settings_of.get("digits") == "groups")
    assert sum(origin.values()) == settings_of["vocabulary_size"] - given
    assert min(origin["both"], origin["text"], origin["code"]) > 0


def test_no_merge_crosses_a_mark(folder: Path) -> None:
    """Marks are cut out before training, so no merge is wasted on them."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert not [token for token in vocabulary if "<<" in token and token != "<<"]
    assert "####" not in vocabulary


def test_same_corpus_same_bytes_in_another_process(run: Run, folder: Path, tmp_path: Path, settings_of: dict) -> None:
    program = (
        "import json, sys; from pathlib import Path; sys.path.insert(0, sys.argv[3])\n"
        "from tests.tokenizer.corpora import make_recipe\n"
        "from ganita.runs import Run; from ganita.progress import Reporter; from ganita.tokenizer.build import build\n"
        "recipe = make_recipe(full=True, **json.loads(sys.argv[4]))\n"
        "build(recipe, Run(Path(sys.argv[1])), Path(sys.argv[2]), Reporter(quiet=True))\n"
    )
    here = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, str(run.root), str(tmp_path), here, json.dumps(settings_of)]
    subprocess.run(command, check=True, timeout=60, env=environment)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_too_large_a_vocabulary_names_the_largest(run: Run, tmp_path: Path, settings_of: dict) -> None:
    def build(size: int) -> dict:
        return stage.build(make_recipe(full=True, **{**settings_of, "vocabulary_size": size}), run, tmp_path, QUIET)

    with pytest.raises(GanitaError, match=r"at most \d+ tokens") as caught:
        build(50_000)
    largest = int(str(caught.value).split("at most ")[1].split()[0])
    assert build(largest)["vocabulary_size"] == largest
    with pytest.raises(GanitaError, match=r"at most \d+ tokens"):
        build(largest + 1)


@pytest.mark.parametrize(("digits", "least"), [("single", 274), ("groups", 1374)])
def test_too_small_a_vocabulary_is_refused(tmp_path: Path, digits: str, least: int) -> None:
    text = stage.train([["ab ab"]], least, 2, digits)
    assert len(json.loads(text)["model"]["vocab"]) == least
    with pytest.raises(GanitaError, match=f"take {least} already"):
        stage.train([["ab ab"]], least - 1, 2, digits)


@pytest.mark.parametrize(("missing", "left"), [("code", "text"), ("text", "code")])
def test_merged_needs_text_and_code(tmp_path: Path, missing: str, left: str) -> None:
    run = Run(tmp_path)
    card = {"sources": {"prose": {"content": left}, "words": {"content": left}}}
    write_corpus(run, {"train": {"prose": [make_text(n) for n in range(9)]}}, card)
    with pytest.raises(GanitaError, match=f"no source of the recipe is {missing}"):
        stage.build(make_recipe(method="merged"), run, tmp_path, QUIET)


def test_the_recipe_says_what_a_source_is_over_the_card(tmp_path: Path) -> None:
    recipe = recipe_from_dict({"corpus": {"sources": [
        {"name": "a", "path": "x", "content": "code"}, {"name": "b", "path": "x"}, {"name": "c", "path": "x"},
    ]}})  # fmt: skip
    assert contents_of(recipe, tmp_path) == {"a": "code", "b": "text", "c": "text"}
    write_json(tmp_path / "card.json", {"sources": {"a": {"content": "text"}, "b": {"content": "code"}}})
    assert contents_of(recipe, tmp_path) == {"a": "code", "b": "code", "c": "text"}


def test_a_part_of_the_sample_has_the_same_texts(run: Run) -> None:
    corpus = run.stage("corpus")
    names = ("prose", "latex", "words", "code")
    whole = Sample([(name, corpus / "train" / f"{name}.jsonl") for name in names], 40_000, QUIET)
    parts = whole.of(["prose", "latex", "words"]), whole.of(["code"])
    assert [batch for part in parts for batch in part] == list(whole)
    assert parts[0].taken | parts[1].taken == whole.taken


def test_words_are_counted_as_they_are_cut(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_corpus(run, {"train": {"prose": [Text("1", "prose", "an ox<<12>> an ox")]}})
    words = count_words(Sample([("prose", run.stage("corpus") / "train" / "prose.jsonl")], 1000, QUIET))
    assert words == {"an": 1, "Ġox": 2, "1": 1, "2": 1, "Ġan": 1}


def test_empty_corpus_is_an_error(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_corpus(run, {"train": {"prose": []}})
    with pytest.raises(GanitaError, match="no training documents"):
        stage.build(make_recipe(), run, tmp_path, QUIET)


def test_damaged_corpus_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"kind": "text", "id": "1", "source": "x", "text": "a"}\n{"kind"\n', encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"x\.jsonl:2: not a document"):
        list(read_documents(path))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6), st.integers(0, 3000))
def test_shares_are_even(sizes: list[int], total: int) -> None:
    shares = share_evenly(sizes, total)
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))
    assert min(total, sum(sizes)) - len(sizes) < sum(shares) <= total
    cut_short = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    # Who is cut short gets as much as anyone, to a rounding.
    assert not cut_short or min(cut_short) >= max(shares) - 1


def test_sample_is_spread_over_sources_and_their_length(tmp_path: Path) -> None:
    run = Run(tmp_path)
    big = [Text(str(n), "prose", f"{n:05d} " + "x" * 200) for n in range(2000)]
    write_corpus(run, {"train": {"prose": big, "words": [make_problem(n) for n in range(50)]}})
    files = [(name, run.stage("corpus") / "train" / f"{name}.jsonl") for name in ("prose", "words")]
    sample = Sample(files, 60_000, QUIET)
    first, second = list(sample), list(sample)
    assert first == second
    assert sum(sample.taken.values()) <= 60_000
    assert sample.taken["prose"] > 20_000
    numbers = [int(batch[0][:5]) for batch in first if batch[0][:5].isdigit()]
    assert min(numbers) < 50 and max(numbers) > 1950
    gaps = [after - before for before, after in itertools.pairwise(numbers)]
    assert max(gaps) <= 2 * min(gaps) + 2


def test_one_huge_document_is_sampled_in_part(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_corpus(run, {"train": {"prose": [Text("1", "prose", "word " * 200_000)]}})
    sample = Sample([("prose", run.stage("corpus") / "train" / "prose.jsonl")], 100_000, QUIET)
    list(sample)
    assert 50_000 < sample.taken["prose"] <= 110_000


def test_document_text_holds_all_parts() -> None:
    problem = make_problem(3)
    text = document_text(problem)
    assert all(part in text for part in (problem.question, *problem.steps))
    assert text.endswith(ANSWER + problem.answer)
    assert document_text(make_text(3)) == make_text(3).text


def test_damage_met_while_training_is_still_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_corpus(run, {"train": {"prose": [make_text(n) for n in range(100)]}})
    path = run.stage("corpus") / "train" / "prose.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match=r"prose\.jsonl:100: not a document"):
        stage.build(make_recipe(), run, tmp_path, QUIET)

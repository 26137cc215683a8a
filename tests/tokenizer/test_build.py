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
from ganita.runs import Run
from ganita.tokenizer import build as stage
from ganita.tokenizer.reading import read_documents
from ganita.tokenizer.tokenizer import ANSWER, SPECIAL_TOKENS
from tests.tokenizer.corpora import make_problem, make_recipe, make_text, write_corpus

QUIET = Reporter(quiet=True)


def test_vocabulary_is_exactly_what_was_asked_for(folder: Path) -> None:
    tree = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert len(tree["model"]["vocab"]) == 400
    assert {token["content"] for token in tree["added_tokens"] if token["special"]} == set(SPECIAL_TOKENS)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["vocabulary_size"] == 400
    assert list(report["bytes_per_token"]) == ["prose"]
    assert 1 < report["bytes_per_token"]["prose"] < 10


def test_no_merge_crosses_a_mark(folder: Path) -> None:
    """Marks are cut out before training, so no merge is wasted on them."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert not [token for token in vocabulary if "<<" in token and token != "<<"]
    assert "####" not in vocabulary


def test_same_corpus_same_bytes_in_another_process(run: Run, folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[3])\n"
        "from tests.tokenizer.corpora import make_recipe\n"
        "from ganita.runs import Run; from ganita.progress import Reporter; from ganita.tokenizer.build import build\n"
        "build(make_recipe(), Run(Path(sys.argv[1])), Path(sys.argv[2]), Reporter(quiet=True))\n"
    )
    here = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, str(run.root), str(tmp_path), here]
    subprocess.run(command, check=True, timeout=60, env=environment)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_too_large_a_vocabulary_names_the_largest(run: Run, tmp_path: Path) -> None:
    with pytest.raises(GanitaError, match=r"at most \d+ tokens") as caught:
        stage.build(make_recipe(vocabulary_size=50_000), run, tmp_path, QUIET)
    largest = int(str(caught.value).split("at most ")[1].split()[0])
    assert stage.build(make_recipe(vocabulary_size=largest), run, tmp_path, QUIET)["vocabulary_size"] == largest
    with pytest.raises(GanitaError, match=f"at most {largest} tokens"):
        stage.build(make_recipe(vocabulary_size=largest + 1), run, tmp_path, QUIET)


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
    shares = stage.share_evenly(sizes, total)
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
    sample = stage.Sample(files, 60_000, QUIET)
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
    sample = stage.Sample([("prose", run.stage("corpus") / "train" / "prose.jsonl")], 100_000, QUIET)
    list(sample)
    assert 50_000 < sample.taken["prose"] <= 110_000


def test_document_text_holds_all_parts() -> None:
    problem = make_problem(3)
    text = stage.document_text(problem)
    assert all(part in text for part in (problem.question, *problem.steps))
    assert text.endswith(ANSWER + problem.answer)
    assert stage.document_text(make_text(3)) == make_text(3).text


def test_damage_met_while_training_is_still_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_corpus(run, {"train": {"prose": [make_text(n) for n in range(100)]}})
    path = run.stage("corpus") / "train" / "prose.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match=r"prose\.jsonl:100: not a document"):
        stage.build(make_recipe(), run, tmp_path, QUIET)

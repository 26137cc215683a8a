from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from ganita.runs import Run
from ganita.tokenizer.tokenizer import Tokenizer
from tests.shards.streams import build_shards
from tests.tokenizer.corpora import build_tokenizer, make_problem, make_recipe, make_text, write_corpus

# A busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with corpus, tokenizer and shards: text and worked problems, several shard files."""
    run = Run(tmp_path_factory.mktemp("run"))
    write_corpus(
        run,
        {
            "train": {"prose": [make_text(n) for n in range(200)], "words": [make_problem(n) for n in range(150)]},
            "validation": {
                "prose": [make_text(n) for n in range(200, 220)],
                "words": [make_problem(n) for n in range(200, 220)],
            },
        },
    )
    recipe = make_recipe(shard_tokens=2_000)
    build_tokenizer(run, recipe)
    build_shards(run, recipe)
    return run


@pytest.fixture(scope="session")
def folder(run: Run) -> Path:
    return run.stage("shards")


@pytest.fixture(scope="session")
def tokenizer(run: Run) -> Tokenizer:
    return Tokenizer.load(run.stage("tokenizer"))

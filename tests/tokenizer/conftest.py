from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from ganita.runs import Run
from ganita.tokenizer.tokenizer import Tokenizer
from tests.tokenizer.corpora import build_tokenizer, make_problem, make_recipe, make_text, write_corpus

# A busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("run"))
    write_corpus(
        run,
        {
            "train": {"prose": [make_text(n) for n in range(300)], "words": [make_problem(n) for n in range(300)]},
            "validation": {"prose": [make_text(n) for n in range(300, 320)]},
        },
    )
    build_tokenizer(run, make_recipe())
    return run


@pytest.fixture(scope="session")
def folder(run: Run) -> Path:
    return run.stage("tokenizer")


@pytest.fixture(scope="session")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder)

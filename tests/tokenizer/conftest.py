from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from ganita.runs import Run
from ganita.tokenizer.tokenizer import Tokenizer
from tests.tokenizer.corpora import build_tokenizer, make_corpus, make_recipe

# A busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Groups of digits alone are 1,100 tokens.
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"vocabulary_size": 400},
    "merged": {"vocabulary_size": 400, "method": "merged"},
    "groups": {"vocabulary_size": 1500, "method": "merged", "digits": "groups"},
}


@pytest.fixture(scope="session", params=VARIANTS)
def settings_of(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The tokenizer's part of the recipe: what is promised of one kind of tokenizer holds for all."""
    return VARIANTS[request.param]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, settings_of: dict[str, Any]) -> Run:
    run = Run(tmp_path_factory.mktemp("run"))
    make_corpus(run)
    build_tokenizer(run, make_recipe(full=True, **settings_of))
    return run


@pytest.fixture(scope="session")
def folder(run: Run) -> Path:
    return run.stage("tokenizer")


@pytest.fixture(scope="session")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder)

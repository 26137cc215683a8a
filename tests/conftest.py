"""What every test may use: a quiet reporter, one thread, and no way to reach a network or a home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models are slower on two threads than on one
os.environ["HF_HUB_OFFLINE"] = "1"

from ganita.progress import Reporter


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(quiet=True)


@pytest.fixture(autouse=True)
def _no_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests make their own data: a GANITA_DATA of the person who runs them must not matter."""
    monkeypatch.delenv("GANITA_DATA", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))

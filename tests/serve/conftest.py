from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.serve.fake_solver import FakeSolver


@pytest.fixture
def solver() -> FakeSolver:
    return FakeSolver()


@pytest.fixture
def gated() -> Iterator[FakeSolver]:
    found = FakeSolver(gate=threading.Event())
    yield found
    assert found.gate is not None
    found.gate.set()

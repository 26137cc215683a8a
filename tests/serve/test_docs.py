"""The examples of the documentation run: programs against a server, commands through the command line's parser."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ganita.cli.parser import make_parser
from ganita.serve.limits import Limits, read_limits
from tests.serve.fake_solver import FakeSolver
from tests.serve.running import running

pytest.importorskip("openai", reason="the client `openai` is not installed")
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

ROOT = Path(__file__).parents[2]
SERVING = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = [
    program
    for text in (SERVING, README)
    for program in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    if "openai" in program
]
COMMANDS = [command for text in (SERVING, README) for command in re.findall(r"ganita serve [^`\n]*", text)]


def test_there_are_examples() -> None:
    assert len(PROGRAMS) >= 2
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_client_program_runs(program: str, solver: FakeSolver, capsys: pytest.CaptureFixture[str]) -> None:
    with running(solver.served(name="quick")) as (client, _):
        assert "http://127.0.0.1:8000/" in program
        exec(program.replace("http://127.0.0.1:8000", str(client.base_url).rstrip("/")), {})
    assert capsys.readouterr().out.startswith("<<4*12=48>>\n#### 48")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_understood(command: str) -> None:
    options = make_parser().parse_args([word if word != "RUN" else "runs/quick" for word in shlex.split(command)[1:]])
    read_limits(options.limit)


def test_the_table_of_limits_is_right() -> None:
    defaults = Limits()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+)", SERVING, flags=re.MULTILINE))
    assert {name: float(value.replace(",", "")) for name, value in rows.items()} == {
        name: getattr(defaults, name) for name in rows
    }
    assert len(rows) == 7

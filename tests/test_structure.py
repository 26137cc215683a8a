"""The house as built: arrows point one way, the core imports little, nothing downloaded is executed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "ganita"
ROOMS = ("corpus", "tokenizer", "shards", "model", "train", "solve", "evaluate", "export", "serve", "report")
TOP = {
    "__init__",
    "cli",
    "pipeline",
    "plan",
    "tune",
    "verify",
    "rejection",
    "questions",
    "continuing",
    "benchmarking",
    "baselines",
    "parity",
    "standalone",
    "__main__",
}
FILES = sorted(SOURCE.rglob("*.py"))
EXTRAS = (
    "pyarrow",
    "zstandard",
    "py3langid",
    "datatrove",
    "fastapi",
    "uvicorn",
    "prometheus_client",
    "transformers",
    "tensorboard",
    "wandb",
    "trackio",
    "optuna",
    "pynvml",
    "pydantic",
    "math_verify",
    "lm_eval",
    "datasets",
    "gguf",
    "xllamacpp",
    "onnx",
    "onnxscript",
    "onnxruntime",
)


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_room_imports_one_to_its_right(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    rooms = {name.split(".")[1] for name in imports_of(path) if name.startswith("ganita.")}
    if room in ROOMS:
        to_the_right = set(ROOMS[ROOMS.index(room) + 1 :])
        assert not rooms & (to_the_right | TOP)
    elif room not in TOP:
        assert not rooms & (set(ROOMS) | TOP), "a foundation module imports a room"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_downloaded_is_executed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in {"eval", "exec", "compile", "pickle.load", "pickle.loads", "torch.load"}, (
                f"{name} in {path}"
            )
    assert not {"pickle", "dill", "marshal", "shelve"} & imports_of(path)


def test_every_module_imports_with_the_core_alone() -> None:
    modules = [".".join(("ganita", *path.relative_to(SOURCE).with_suffix("").parts)) for path in FILES]
    modules = [name.removesuffix(".__init__") for name in modules if not name.endswith("__main__")]
    program = f"""
import sys, importlib
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (an extra)", name=name)
sys.meta_path.insert(0, Absent())
for name in {modules!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_command_line_starts_without_torch() -> None:
    program = (
        "import sys, ganita.pipeline, ganita.plan, ganita.cli.parser as parser; parser.make_parser().format_help(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""The verbs that use a trained model: `solve`, `export`, `import`, `bundle`, `serve`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ganita.cli.options import Group, verb, with_run
from ganita.progress import Reporter
from ganita.recipe import FORMS
from ganita.runs import Run


def add_solve(verbs: Group) -> None:
    """`ganita solve [RUN] [QUESTION]`."""
    item = verb("solve", _solve, "ask a question; without one, a prompt to type into", verbs)
    item.add_argument("target", nargs="?", default="", metavar="RUN", help="a run or exported folder; default: bundled")
    item.add_argument("question", nargs="?", default="", help="a word problem")
    item.add_argument("--form", choices=FORMS, help="form of the solution; default: as evaluated")
    item.add_argument("--samples", type=int, default=1, help="solutions to draw; the most frequent answer wins")
    item.add_argument("--temperature", type=float, default=0.0, help="0: greedy")
    item.add_argument("--seed", type=int, default=0, help="seed of the sampling")
    item.add_argument("--max-new-tokens", type=int, default=256, help="longest solution, in tokens")
    item.add_argument("--engine", default="auto", help="auto, torch or llama.cpp; auto: llama.cpp on a CPU that has it")
    item.add_argument("--dtype", default="f16", choices=("f32", "f16", "bf16", "q8_0"), help="weights of llama.cpp")
    item.add_argument("--no-calculator", action="store_true", help="let the model do its own arithmetic")


def _solve(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.solve.bundled import NAME
    from ganita.solve.opening import open_solver
    from ganita.solve.solver import ask

    target, question = options.target, options.question
    if not question and any(character.isspace() for character in target) and not Path(target).exists():
        target, question = NAME, target  # `ganita solve "A box holds ..."`: no run was named
    solver = open_solver(
        target or NAME, calculator=not options.no_calculator, engine=options.engine, dtype=options.dtype
    )
    settings: dict[str, Any] = {
        "form": options.form or "",
        "samples": options.samples,
        "temperature": options.temperature,
        "seed": options.seed,
        "max_new_tokens": options.max_new_tokens,
    }
    ask(solver, question, reporter, **settings)


def add_export(verbs: Group) -> None:
    """`ganita export RUN`."""
    item = with_run(verb("export", _export, "write the model in a standard format", verbs))
    item.add_argument("--to", default="hf", help="hf: a Hugging Face folder; gguf: llama.cpp; onnx: onnxruntime")
    item.add_argument("--out", default="", help="folder to write; must not exist; default: RUN/exports/FORMAT")
    item.add_argument("--dtype", default="", help="type of the weights: f32, bf16, f16, q8_0 (GGUF only)")


def _export(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.export.command import export

    out = export(Run(Path(options.target)), options.to, Path(options.out) if options.out else None, options.dtype)
    reporter.say(f"{options.to}: {out}")


def add_import(verbs: Group) -> None:
    """`ganita import FOLDER --name NAME`."""
    item = verb("import", _import, "a run made of a Hugging Face folder, to evaluate and to train on", verbs)
    item.add_argument("folder", metavar="FOLDER", help="config.json, model.safetensors, tokenizer.json")
    item.add_argument("--name", required=True, help="name of the run folder")
    item.add_argument("--runs", default="", help="folder that holds the run folders")


def _import(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.export.folders import import_run

    run = import_run(Path(options.folder), options.name, Path(options.runs or "runs"))
    reporter.say(f"a run: {run.root}; next: ganita evaluate {run.root}")


def add_bundle(verbs: Group) -> None:
    """`ganita bundle RUN`."""
    item = with_run(verb("bundle", _bundle, "make a run's model the one that ships with the package", verbs))
    item.add_argument("--dtype", default="bf16", help="bf16, or int8 with a scale for each row")


def _bundle(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.export.bundle import bundle

    reporter.say(f"ganita solve now uses it: {bundle(Run(Path(options.target)), dtype=options.dtype)}")


def add_serve(verbs: Group) -> None:
    """`ganita serve RUN`."""
    about = "an HTTP API and a page for the model (loopback unless told otherwise)"
    item = with_run(verb("serve", _serve, about, verbs))
    item.add_argument("--host", default="127.0.0.1", help="address to bind")
    item.add_argument("--port", type=int, default=8000, help="port to bind")
    item.add_argument("--engine", default="auto", metavar="NAME", help="auto, torch or llama.cpp")
    item.add_argument(
        "--limit", action="append", default=[], metavar="NAME=NUMBER", help="change a limit (serve/limits.py)"
    )


def _serve(options: argparse.Namespace, reporter: Reporter) -> None:
    from ganita.serve.limits import read_limits
    from ganita.serve.server import serve

    limits, api_key = read_limits(options.limit), os.environ.get("GANITA_API_KEY", "")
    serve(options.target, options.host, options.port, limits, api_key, reporter, options.engine)

"""Runs the stages of a recipe in order; skips what is done, reruns what changed, resumes what was cut off.

A stage is done when its folder carries a manifest whose fingerprint equals the one computed now from the
stage's part of the recipe, the fingerprints of the stages it reads, and the files outside the run that
it reads. A finished stage whose fingerprint differs is set aside under `superseded/` (a model may have
cost a night) and taken back if the recipe returns to it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganita import __version__
from ganita.errors import GanitaError, IntegrityError
from ganita.progress import Reporter
from ganita.recipe import Recipe, Train, recipe_to_dict
from ganita.runs import STAGES, Run
from ganita.storage import MANIFEST, fingerprint, publish, read_json, remove, seal, verify, write_json

PARTIAL = "partial.json"
TAKEN = ("tokenizer", "pretrain")  # from the run that another one starts from (`recipe.start`), not made anew
# Settings that change how a stage is carried out, not what it makes: they leave a finished stage valid.
_OPERATIONAL = frozenset(
    {"checkpoint_steps", "keep_checkpoints", "log_steps", "micro_rows", "device", "validate_steps", "validate_rows"}
    | {"executor", "executor_options", "workers", "mirrors", "parallel", "checkpoint_format"}
)


@dataclass(frozen=True)
class Stage:
    """What the pipeline knows of a stage; the room that does the work is imported when it is needed."""

    name: str
    inputs: tuple[str, ...]
    module: str
    function: str
    part: Callable[[Recipe], dict[str, Any]]
    version: int = 1  # raise it when the stage's output for the same inputs changes
    resumable: bool = False
    reads_outside: bool = False  # the module then has `input_fingerprint(recipe)`

    def build(self, recipe: Recipe, run: Run, folder: Path, reporter: Reporter) -> dict[str, Any]:
        """Do the work of the stage in `folder` and return its summary."""
        taken = bool(recipe.start) and self.name in TAKEN
        module, function = ("ganita.continuing", f"take_{self.name}") if taken else (self.module, self.function)
        work = getattr(importlib.import_module(module), function)
        return work(recipe, run, folder, reporter)  # type: ignore[no-any-return]

    def outside(self, recipe: Recipe) -> Any:
        """Fingerprint the files outside the run that the stage reads."""
        if recipe.start and self.name in TAKEN:
            return importlib.import_module("ganita.continuing").input_fingerprint(recipe)
        return importlib.import_module(self.module).input_fingerprint(recipe) if self.reads_outside else None


def _corpus_part(recipe: Recipe) -> dict[str, Any]:
    part = {key: value for key, value in recipe_to_dict(recipe.corpus).items() if key not in _OPERATIONAL}
    for source in part["sources"]:  # these decide what is drawn from the shards, not what the documents are
        del source["weight"], source["finetune_weight"], source["max_epochs"]
    return part


def _tokenizer_part(recipe: Recipe) -> dict[str, Any]:
    contents = {source.label: source.content for source in recipe.corpus.sources if source.content}
    return {**recipe_to_dict(recipe.tokenizer), "contents": contents}


def _train_part(recipe: Recipe, train: Train, weight: str) -> dict[str, Any]:
    settings = {key: value for key, value in recipe_to_dict(train).items() if key not in _OPERATIONAL}
    weights = {source.label: getattr(source, weight) for source in recipe.corpus.sources}
    caps = {source.label: source.max_epochs for source in recipe.corpus.sources if source.max_epochs}
    return {**settings, "weights": weights, "max_epochs": caps}


def _evaluate_part(recipe: Recipe) -> dict[str, Any]:
    # Answers do not depend on the batch or the engine, nor on whether one that cannot be scored stops the evaluation.
    settings = recipe_to_dict(recipe.evaluate)
    return {key: value for key, value in settings.items() if key not in ("batch_rows", "strict_items", "engine")}


def resolve(recipe: Recipe) -> Recipe:
    """Add the benchmarks that the recipe evaluates to those that its corpus is compared with."""
    from ganita.evaluate.tasks import find_tasks

    used = [task.set for task in find_tasks(recipe.evaluate.tasks) if task.set]
    compared = dict.fromkeys([*recipe.corpus.decontaminate, *used])
    return dataclasses.replace(recipe, corpus=dataclasses.replace(recipe.corpus, decontaminate=tuple(compared)))


TABLE: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("corpus", (), "ganita.corpus.build", "build", _corpus_part, resumable=True, reads_outside=True),
        Stage("tokenizer", ("corpus",), "ganita.tokenizer.build", "build", _tokenizer_part, version=2),
        Stage("shards", ("corpus", "tokenizer"), "ganita.shards.build", "build", lambda r: recipe_to_dict(r.shards), 2),
        Stage(
            "pretrain",
            ("tokenizer", "shards"),
            "ganita.train.stages",
            "pretrain",
            lambda r: {"model": recipe_to_dict(r.model), **_train_part(r, r.pretrain, "weight")},
            version=2,
            resumable=True,
        ),
        Stage(
            "finetune",
            ("tokenizer", "shards", "pretrain"),
            "ganita.train.stages",
            "finetune",
            lambda r: _train_part(r, r.finetune, "finetune_weight"),
            version=2,
            resumable=True,
        ),
        Stage(
            "evaluate",
            ("corpus", "tokenizer", "pretrain", "finetune"),  # the corpus has the ledger of benchmark items
            "ganita.evaluate.run",
            "build",
            _evaluate_part,
            resumable=True,
            reads_outside=True,
        ),
    )
}
assert tuple(TABLE) == STAGES


def identity(stage: Stage, recipe: Recipe, inputs: dict[str, str]) -> dict[str, Any]:
    """Return everything that decides a stage's output; its fingerprint is the hash of this."""
    return {
        "stage": stage.name,
        "version": stage.version,
        "seed": recipe.seed,
        "recipe": stage.part(recipe),
        "inputs": inputs,
        "outside": stage.outside(recipe),
    }


def why_changed(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Say in words what differs between two identities of a stage."""
    reasons = list(_differences(old.get("recipe", {}), new["recipe"], new["stage"]))
    if old.get("seed") != new["seed"]:
        reasons.append(f"seed was {old.get('seed')}, now {new['seed']}")
    old_inputs = old.get("inputs", {})
    reasons += [f"its input {name!r} changed" for name, value in new["inputs"].items() if old_inputs.get(name) != value]
    if old.get("outside") != new["outside"]:
        reasons.append("the files it reads changed")
    if old.get("version") != new["version"]:
        reasons.append("ganita makes it differently now")
    return "; ".join(reasons[:4]) + ("; ..." if len(reasons) > 4 else "") or "its manifest has no history"


def _differences(old: Any, new: Any, where: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{where}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, f"{where}[{index}]")
    elif old != new:
        yield f"{where} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 48 else f"{text[:45]}..."


@dataclass(frozen=True)
class Step:
    """The pipeline's decision on one stage."""

    stage: Stage
    identity: dict[str, Any]
    fingerprint: str
    action: str  # skip | build | resume | rebuild | restore
    reason: str


def decide(recipe: Recipe, run: Run) -> list[Step]:
    """Compare the run folder with the recipe, stage by stage, without touching anything.

    Fingerprints chain: a stage's identity holds those of its inputs, so they are all known before any work.
    """
    recipe = resolve(recipe)
    steps: list[Step] = []
    prints: dict[str, str] = {}
    for stage in TABLE.values():
        if run.has(stage.name) and "imported" in (manifest := run.manifest(stage.name)):  # given, and not to be made
            prints[stage.name] = manifest["fingerprint"]
            steps.append(Step(stage, {}, prints[stage.name], "skip", "imported"))
            continue
        wanted = identity(stage, recipe, {name: prints[name] for name in stage.inputs})
        prints[stage.name] = fingerprint(wanted)
        steps.append(Step(stage, wanted, prints[stage.name], *_decide_one(stage, run, wanted, prints[stage.name])))
    return steps


def _decide_one(stage: Stage, run: Run, wanted: dict[str, Any], print_: str) -> tuple[str, str]:
    if run.has(stage.name):
        manifest = run.manifest(stage.name)
        if manifest.get("fingerprint") == print_:
            return "skip", "done"
        reason = why_changed(manifest.get("identity", {}), wanted)
        if _aside(run, stage.name, print_).is_dir():
            return "restore", f"{reason}; made before, taken back from superseded/"
        return "rebuild", reason
    if _aside(run, stage.name, print_).is_dir():
        return "restore", "made before, taken back from superseded/"
    note = run.partial(stage.name) / PARTIAL
    if note.is_file() and stage.resumable and read_json(note).get("fingerprint") == print_:
        return "resume", "cut off before it was whole"
    return "build", "not there yet"


def _aside(run: Run, name: str, print_: str) -> Path:
    return run.root / "superseded" / f"{name}-{print_[:12]}"


def execute(recipe: Recipe, run: Run, reporter: Reporter, *, only: str = "") -> None:
    """Carry out the recipe (or one stage of it, whose inputs must be done) in the run folder."""
    recipe = resolve(recipe)
    with lock(run.root):
        steps = decide(recipe, run)
        if only:
            _require_inputs(steps, only)
            steps = [step for step in steps if step.stage.name == only]
        _write_run_files(recipe, run)
        for number, step in enumerate(steps, start=1):
            _carry_out(step, recipe, run, reporter, label=f"[{number}/{len(steps)}] {step.stage.name}")


def _require_inputs(steps: list[Step], only: str) -> None:
    by_name = {step.stage.name: step for step in steps}
    for name in by_name[only].stage.inputs:
        if by_name[name].action != "skip":
            raise GanitaError(
                f"{only} reads stage {name!r}, which is not up to date ({by_name[name].reason}); run it first"
            )


def _carry_out(step: Step, recipe: Recipe, run: Run, reporter: Reporter, label: str) -> None:
    name, final, partial = step.stage.name, run.root / step.stage.name, run.partial(step.stage.name)
    if step.action == "skip":
        verify(final, contents=False)
        reporter.say(f"{label}: done, skipped", style="dim")
        return
    reporter.say(f"{label}: {step.action} ({step.reason})", style="bold")
    if final.exists():
        _set_aside(run, name, final)
    if step.action == "restore":
        _aside(run, name, step.fingerprint).rename(final)
        return
    for upstream in step.stage.inputs:  # promise 5: never build on a file that is not what it was
        verify(run.stage(upstream))
    before = _prepare_partial(step, run, partial)
    with _tidy(step.stage, partial), _metered(step.stage, recipe, partial, before) as used:
        summary = step.stage.build(recipe, run, partial, reporter)
    (partial / PARTIAL).unlink()
    seal(
        partial,
        {
            "stage": name,
            "fingerprint": step.fingerprint,
            "identity": step.identity,
            "ganita": __version__,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **{key: summary.get(key, value) for key, value in used.items()},
            "summary": summary,
        },
    )
    publish(partial, final)


@contextlib.contextmanager
def _metered(stage: Stage, recipe: Recipe, partial: Path, before: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Count what a stage uses: `seconds`, `joules`, `energy_source`, `peak_memory_bytes`; known when it ends.

    `before` is of the sessions before this one. A session that fails, or is stopped, leaves its sum in the note of what
    it leaves behind; a killed one cannot. A training stage counts for itself, kills included, and its figures win.
    """
    from ganita import hardware  # its functions import torch

    used: dict[str, Any] = {}
    device = recipe.finetune.device if stage.name == "evaluate" else "cpu"  # the others work with the CPU alone
    meter, started = hardware.PowerMeter(hardware.pick_device(device), recipe.cost.watts), time.monotonic()
    stopped: dict[str, str] = {}
    try:
        yield used
    except BaseException as error:
        stopped = {"stopped": str(error) or type(error).__name__}
        raise
    finally:
        used["seconds"] = before.get("seconds", 0.0) + time.monotonic() - started
        used["joules"] = before.get("joules", 0.0) + meter.joules()
        used |= {"energy_source": meter.source, "peak_memory_bytes": hardware.peak_memory_bytes()}
        note = partial / PARTIAL
        if stage.resumable and note.is_file():  # whole: it is about to go
            with contextlib.suppress(OSError, GanitaError):  # a full disk has its own error on its way already
                sums = {key: used[key] for key in ("seconds", "joules")}
                write_json(note, {**read_json(note), "used": sums, **stopped})


@contextlib.contextmanager
def _tidy(stage: Stage, partial: Path) -> Iterator[None]:
    """Leave nothing half-written behind a stage that failed, except what it can resume from; name a full disk."""
    try:
        yield
    except BaseException as error:
        if not stage.resumable:
            remove(partial)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise GanitaError(
                f"{partial}: the disk is full; free some space and give the command again: what was finished is kept"
            ) from error
        raise


def _set_aside(run: Run, name: str, final: Path) -> None:
    old = run.manifest(name) if run.has(name) else {}
    target = _aside(run, name, old.get("fingerprint", f"unknown{int(time.time())}"))
    target.parent.mkdir(exist_ok=True)
    remove(target)  # the same fingerprint: the same content
    final.rename(target)


def _prepare_partial(step: Step, run: Run, partial: Path) -> dict[str, float]:
    """Empty what a killed attempt left, except where the same stage can resume from it; return what that one used."""
    note = partial / PARTIAL
    old = read_json(note).get("fingerprint", "") if note.is_file() else ""
    if partial.exists() and not (step.stage.resumable and old == step.fingerprint):
        if step.stage.resumable and old:  # hours of training under another recipe: kept, as finished stages are
            target = _aside(run, f"{step.stage.name}.partial", old)
            target.parent.mkdir(exist_ok=True)
            remove(target)
            partial.rename(target)
        else:
            remove(partial)
    kept = _aside(run, f"{step.stage.name}.partial", step.fingerprint)
    if kept.is_dir() and not partial.exists():
        kept.rename(partial)
    partial.mkdir(parents=True, exist_ok=True)
    used: dict[str, float] = read_json(note).get("used", {}) if note.is_file() else {}
    write_json(note, {"fingerprint": step.fingerprint, "identity": step.identity, "used": used})
    return used


def _write_run_files(recipe: Recipe, run: Run) -> None:
    from ganita.hardware import describe  # imports torch, which `ganita plan` and `--help` can do without

    write_json(run.root / "recipe.json", recipe_to_dict(recipe))
    write_json(run.root / "env.json", {"ganita": __version__, **describe()})


@contextlib.contextmanager
def lock(root: Path) -> Iterator[None]:
    """Let one process at a time write a run folder; the lock dies with its process."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise GanitaError(f"{root}: cannot write there ({error.strerror}); name another folder with --runs") from None
    try:
        try:
            import fcntl
        except ImportError:  # not on Windows: there two runs in one folder are the user's own care
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GanitaError(f"{root}: another ganita process is working in this run folder") from None
        yield
    finally:
        os.close(handle)


def check_run(run: Run) -> None:
    """Verify every finished stage of a run against its manifest, contents included."""
    for name in STAGES:
        if (run.root / name).is_dir():
            if not (run.root / name / MANIFEST).is_file():
                raise IntegrityError(f"{run.root / name}: no {MANIFEST}; delete the folder to rebuild the stage")
            verify(run.root / name)

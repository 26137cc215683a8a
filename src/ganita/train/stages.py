"""Pretraining and fine-tuning as the pipeline calls them, and the finished model as everybody else loads it.

    <stage>/metrics.jsonl, summary.json, model/{weights.safetensors, config.json}; checkpoints/ while at work
    <stage>/positions.json where there are held-out documents to measure it on

Ends in this order: the model is written and renamed into place, then positions.json, then summary.json, then the
checkpoints go. A stage killed between any two of these finds out where it stood from what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ganita import costs, hardware, storage
from ganita.errors import GanitaError, IntegrityError
from ganita.model import weights as model_weights
from ganita.model.config import ModelConfig, flops_per_token, num_parameters, resolve
from ganita.model.decoder import Decoder
from ganita.progress import Reporter
from ganita.recipe import Model, Recipe, Train, recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.shards.draw import stage_caps, stage_draw, stage_weights
from ganita.shards.loader import Loader
from ganita.shards.silence import CalculatorTokens
from ganita.shards.spans import Span, SpanLoader, draws_report, stage_draws, stage_spans
from ganita.tokenizer.tokenizer import Tokenizer
from ganita.train import launch, placement, positions
from ganita.train.checkpoint import check_fingerprints
from ganita.train.course import plan_course
from ganita.train.loop import Job, Trainer
from ganita.train.memory import available_bytes, choose_micro_rows

_MODEL, _SUMMARY = "model", "summary.json"
_WEIGHTS = model_weights.WEIGHTS
# Fields of the recipe that decide how fast a run is or what is shown of it, not what it computes.
_FREE_TO_CHANGE = (
    "micro_rows",
    "parallel",
    "checkpoint_format",
    "compile",
    "device",
    "checkpoint_steps",
    "keep_checkpoints",
    "validate_steps",
    "validate_rows",
    "log_steps",
    "mirrors",
    "tokens",
    "steps",
)


def pretrain(
    recipe: Recipe, run: Run, folder: Path, reporter: Reporter, *, allow_mismatch: bool = False
) -> dict[str, Any]:
    """Train a new model on the shards' pretraining mixture; resumes from the checkpoints in `folder`.

    `allow_mismatch` goes on with a checkpoint of other shards or another tokenizer, with a warning. Raises what
    `Trainer.run` raises.
    """
    return _train_stage("pretrain", recipe, run, folder, reporter, allow_mismatch)


def finetune(
    recipe: Recipe, run: Run, folder: Path, reporter: Reporter, *, allow_mismatch: bool = False
) -> dict[str, Any]:
    """Train the pretrained model (a new one, if nothing was pretrained) on the worked problems; as `pretrain`."""
    return _train_stage("finetune", recipe, run, folder, reporter, allow_mismatch)


def context_length(train: Train, model: Model | ModelConfig) -> int:
    """Return the tokens per row of a training stage."""
    return train.context_length or model.context_length


def rows_per_batch(train: Train, model: Model | ModelConfig) -> int:
    """Return the rows of one optimiser step: as many as `batch_tokens` holds whole."""
    return max(1, train.batch_tokens // context_length(train, model))


def load_model(
    run: Run, stage: str | None = None, *, precision: str = "float32", device: str = "cpu"
) -> tuple[Decoder, Tokenizer]:
    """Load the weights of a finished stage (default: the run's final ones), in evaluation mode, and the tokenizer.

    Raises `IntegrityError` for altered weights and `GanitaError` for a tokenizer that is not the model's.
    """
    folder = run.final_model(stage or "")
    tokenizer = Tokenizer.load(run.stage("tokenizer"))
    model = model_weights.load_model(folder).to(hardware.pick_device(device))
    model.compute_dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return model.eval(), tokenizer


def _train_stage(
    stage: str, recipe: Recipe, run: Run, folder: Path, reporter: Reporter, allow_mismatch: bool
) -> dict[str, Any]:
    train: Train = getattr(recipe, stage)
    steps = train.num_steps
    if steps == 0:
        return {"steps": 0}
    fingerprints = _fingerprints(stage, recipe, run)
    summary_path = folder / _SUMMARY
    if summary_path.is_file():  # it ended, but the pipeline was killed before it sealed the folder
        summary: dict[str, Any] = storage.read_json(summary_path)
        if not allow_mismatch:
            check_fingerprints(summary.get("fingerprints", {}), fingerprints, folder)
    else:
        if team := launch.team():
            task = {"stage": stage, "recipe": recipe_to_dict(recipe), "run": str(run.root), "folder": str(folder)}
            team.summon({**task, "fingerprints": fingerprints, "allow_mismatch": allow_mismatch})
        job, mixture = _prepare(stage, recipe, run, folder, reporter, fingerprints, team)
        trainer = Trainer(replace(job, allow_mismatch=allow_mismatch))
        summary = trainer.run()
        summary |= {"fingerprints": fingerprints, "mixture": mixture}
        used = costs.bill(recipe.cost, summary["seconds"], summary["joules"], summary["tokens"])
        if used.money is not None:
            summary |= {"cost": used.money, "currency": recipe.cost.currency}
        if billion := used.per_billion_tokens():
            summary |= {"grams_co2": used.grams_co2, "per_billion_tokens": billion.to_dict()}
        _write_model(trainer.engine.whole(), folder)
        if job.validation is not None:
            _measure_positions(job, job.validation, recipe.seed, folder)
        if team:
            team.training = False
        storage.write_json(summary_path, summary)
    storage.remove(folder / "checkpoints")
    return summary


def join(team: launch.Team, task: dict[str, Any]) -> None:
    """Train along with the leader, in a process that follows it; what there is to write, the leader writes."""
    recipe, run = recipe_from_dict(task["recipe"], where="the leader"), Run(Path(task["run"]))
    job, _ = _prepare(task["stage"], recipe, run, Path(task["folder"]), launch.Mute(), task["fingerprints"], team)
    trainer = Trainer(replace(job, allow_mismatch=task["allow_mismatch"]))
    trainer.run()
    trainer.engine.whole()


def _prepare(
    stage: str,
    recipe: Recipe,
    run: Run,
    folder: Path,
    reporter: Reporter,
    fingerprints: dict[str, str],
    team: launch.Team | None = None,
) -> tuple[Job, dict[str, Any]]:
    """Build the model, the loaders and everything else that a training run is made of; and say what it will draw."""
    train: Train = getattr(recipe, stage)
    steps = train.num_steps
    shards = run.stage("shards")
    start = _start_model(stage, recipe, run, _shards_index(shards)["vocabulary_size"])
    config, context = start.config, context_length(train, start.config)
    spans = stage_spans(train, stage, context)
    course = plan_course(train, stage, config, spans)
    flops = [flops_per_token(config, span.context_length) for span in spans]
    work = sum(float(each.causal) * span.tokens for each, span in zip(flops, spans, strict=True))
    if team:
        launch.connect(team, train.device)
    place = placement.choose(train, work, reporter)
    micro_rows = _rows_at_once(config, train, spans, place, team)
    shape = ", then ".join(
        f"{span.steps:,} steps of {span.rows} rows of {span.context_length} tokens "
        f"({micro_rows[span.context_length]} rows at a time)"
        for span in spans
    )
    reporter.say(
        f"  {stage}: {num_parameters(config):,} parameters, {shape}, {place.precision}, "
        f"{'compiled' if place.compiled else 'eager'}: {place.reason}"
    )
    if note := _new_positions(config, course.configs):
        reporter.say(f"  {stage}: {note}")
    loader, mixture = _loaders(stage, recipe, run, spans, fingerprints["tokenizer"])
    for note in mixture["notes"]:
        reporter.say(f"  {stage}: {note}")
    job = Job(
        model=start,
        loader=loader,
        validation=_validation(stage, recipe, run, context, reporter),
        fingerprints=fingerprints,
        train=train,
        num_steps=steps,
        folder=folder,
        placement=place,
        # Rows of the validation have the stage's own context, which may be that of no span.
        micro_rows=micro_rows.get(context, min(micro_rows.values())),
        course=replace(course, micro_rows=micro_rows),
        flops_per_token=_mean([float(each.paper) for each in flops], spans),
        causal_flops_per_token=_mean([float(each.causal) for each in flops], spans),
        reporter=reporter,
        label=stage,
        watts=recipe.cost.watts,
        rank=team.rank if team else 0,
        world=team.size if team else 1,
    )
    return job, mixture


def _rows_at_once(
    config: ModelConfig, train: Train, spans: Sequence[Span], place: placement.Placement, team: launch.Team | None
) -> dict[int, int]:
    """Return the rows per forward pass for each context length of a stage, the same in every process."""
    memory = launch.share_of_memory(team, available_bytes(place.device), place.device.type)
    chosen = {
        span.context_length: choose_micro_rows(
            config,
            replace(train, context_length=span.context_length),
            rows=-(-span.rows // team.size) if team else span.rows,
            memory=memory,
            compute_bytes=2 if place.dtype == torch.bfloat16 else 4,
            device_type=place.device.type,
        )
        for span in spans
    }
    return {length: launch.smallest(team, rows) for length, rows in chosen.items()}


def _mean(values: Sequence[float], spans: Sequence[Span]) -> float:
    """Return the mean of what a token costs over spans of different context lengths."""
    tokens = [span.tokens for span in spans]
    return sum(value * count for value, count in zip(values, tokens, strict=True)) / sum(tokens)


def _measure_positions(job: Job, held_out: Any, seed: int, folder: Path) -> None:
    """Write how the finished model's loss depends on position and context."""
    # The model as it was written, not the one that was trained: that may be compiled for rows of one length.
    model = model_weights.load_model(folder / _MODEL).to(job.placement.device)
    model.compute_dtype = job.placement.dtype
    trained = max(job.course.micro_rows)
    names, shards = held_out.draw.packers, held_out.draw.folder
    found = positions.write(model, shards, names, folder, seed=seed, context_length=trained)
    if found is None:
        job.reporter.say(f"  {job.label}: held-out documents are too few or too short for a loss by position")


def _start_model(stage: str, recipe: Recipe, run: Run, vocabulary_size: int) -> Decoder:
    """Return the model that a stage starts from: the pretrained one for fine-tuning, else a new one."""
    if stage == "finetune" and (run.stage("pretrain") / _MODEL).is_dir():
        storage.verify(run.stage("pretrain"))
        model = model_weights.load_model(run.stage("pretrain") / _MODEL)
        if model.config.vocabulary_size != vocabulary_size:
            raise GanitaError(
                f"{run.root}: the pretrained model has {model.config.vocabulary_size} tokens, the shards "
                f"{vocabulary_size}; run pretraining again"
            )
        return model
    torch.manual_seed(recipe.seed)
    return Decoder(resolve(recipe.model, vocabulary_size))


def _row_options(train: Train, run: Run) -> dict[str, Any]:
    """Return the options of `Loader` that say which tokens carry no loss, and whether documents see each other."""
    calculator = None if train.calculator_loss else CalculatorTokens(Tokenizer.load(run.stage("tokenizer")))
    return {"loss_on": train.loss_on, "calculator": calculator, "document_masking": train.document_masking}


def _loaders(
    stage: str, recipe: Recipe, run: Run, spans: list[Span], tokenizer_fingerprint: str
) -> tuple[SpanLoader, dict[str, Any]]:
    """Open the training rows, and say what will be drawn of each stream."""
    # Today's weights, not those of the day when the shards were written: a weight does not touch the tokens.
    draws = stage_draws(recipe, stage, run.stage("shards"), spans)
    options = _row_options(getattr(recipe, stage), run)
    loaders = [Loader(draw, tokenizer_fingerprint=tokenizer_fingerprint, **options) for draw in draws]
    return SpanLoader(loaders, spans), draws_report(draws, spans)


def _new_positions(config: ModelConfig, configs: Sequence[ModelConfig]) -> str:
    """Say how the stage changes the model's positions; empty where it does not."""
    said, before = [], config
    for after in configs:
        changes = [
            f"{key} {getattr(before, key)} -> {getattr(after, key)}"
            for key in ("context_length", "rope_base", "rope_scale", "rope_method")
            if getattr(before, key) != getattr(after, key)
        ]
        said += [", ".join(changes)] if changes else []
        before = after
    return "; then ".join(said)


def _validation(stage: str, recipe: Recipe, run: Run, context: int, reporter: Reporter) -> Loader | None:
    """Open the held-out rows. A run without any is possible, but said."""
    train: Train = getattr(recipe, stage)
    if train.validate_rows == 0 or recipe.corpus.validation_share == 0:
        return None
    try:
        rows, shards = train.validate_rows, run.stage("shards")
        draw = stage_draw(recipe, stage, shards, split="validation", context_length=context, rows_per_batch=rows)
        # A benchmark's question stands alone: so do the held-out documents, however the training rows are masked.
        return Loader(draw, **_row_options(replace(train, document_masking=True), run))
    except IntegrityError:
        raise
    except GanitaError as error:
        reporter.warn(f"{stage}: no validation loss: {error}")
        return None


def _fingerprints(stage: str, recipe: Recipe, run: Run) -> dict[str, str]:
    """Return what a checkpoint of this stage depends on, each as a fingerprint."""
    train = {key: value for key, value in recipe_to_dict(getattr(recipe, stage)).items() if key not in _FREE_TO_CHANGE}
    train |= {"steps": getattr(recipe, stage).num_steps, "weights": stage_weights(recipe, stage)}
    train["max_epochs"] = stage_caps(recipe)
    shards = run.stage("shards")
    tokenizer = storage.sha256_file(run.stage("tokenizer") / "tokenizer.json")
    index = _shards_index(shards)
    found = {
        "tokenizer": tokenizer,
        "shards": storage.sha256_file(shards / "index.json"),
        "model": storage.fingerprint(resolve(recipe.model, index["vocabulary_size"]).to_dict()),
        "training recipe": storage.fingerprint({"train": train, "seed": recipe.seed}),
    }
    if stage == "finetune":
        weights = run.manifest("pretrain").get("files", {}).get(f"{_MODEL}/{_WEIGHTS}", {})
        found["pretrained model"] = weights.get("sha256", "none")
    return found


def _shards_index(shards: Path) -> dict[str, Any]:
    return storage.read_json(shards / "index.json")  # type: ignore[no-any-return]


def _write_model(model: Any, folder: Path) -> None:
    """Write model/ under a temporary name and rename it into place."""
    scrap = folder / f".{_MODEL}.tmp"
    storage.remove(scrap)
    storage.remove(folder / _MODEL)
    try:
        scrap.mkdir(parents=True)
        model_weights.save_model(model, scrap)
        storage.publish(scrap, folder / _MODEL)
    except OSError as error:
        storage.remove(scrap)
        raise GanitaError(
            f"{folder / _MODEL}: cannot write the trained model ({error}); make room and resume"
        ) from error

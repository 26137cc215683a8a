"""What a recipe would do, before anything runs: each derived number with its reason, and a refusal if it cannot fit.

Time comes from a calibration of a few seconds: the real training step of the real shape on this machine.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganita import costs
from ganita.errors import GanitaError, IntegrityError
from ganita.pipeline import Step, decide
from ganita.progress import Reporter
from ganita.recipe import TRAIN_STAGES, Recipe, Train, window_before
from ganita.runs import Run
from ganita.storage import read_json

_ADAM_BYTES = 16  # per parameter: float32 weight, gradient and AdamW's two moments
_CHECKPOINT_BYTES = 12  # per parameter: weight and the two moments
_DISK_MARGIN = 1.1
# Other work of a run (reading, tokenizing, evaluating) beside training, when nothing better is known.
_CORPUS_BYTES_PER_SECOND = 1.5e6
_LONGEST_VALUE = 40  # in the middle column, characters: a longer one goes over its border
# A micro-batch of more work than this is not tried on a CPU: it would take minutes, and days are not planned on one.
_MOST_CPU_WORK, _CPU_TOKENS = 2e12, 4096
# What a GPU then would take: dense bfloat16 of NVIDIA's data sheet for H100 SXM and H200, and the MFU of the paper.
_GPU_PEAK, _GPU_MFU = 989e12, 0.40


@dataclass
class Plan:
    """The derived numbers of a recipe on this machine."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, what: str, value: str, reason: str) -> None:
        """Note one derived number."""
        self.rows.append((what, value, reason))

    def show(self, reporter: Reporter) -> None:
        """Print the plan as a table of what, value and reason."""
        width = max(len(row[0]) for row in self.rows)
        middle = max((len(row[1]) for row in self.rows if len(row[1]) <= _LONGEST_VALUE), default=0)
        for what, value, reason in self.rows:
            reporter.say(f"  {what:<{width}}  {value:<{middle}}  {reason}".rstrip())

    def require_fit(self) -> None:
        """Raise `GanitaError` when the plan cannot fit this machine."""
        if self.refusals:
            raise GanitaError("this plan does not fit: " + "; ".join(self.refusals))


def make_plan(recipe: Recipe, run: Run, *, calibrate: bool = True) -> Plan:
    """Derive sizes, work, memory, disk, time and cost of a recipe; reads the run folder, writes nothing."""
    from ganita import hardware
    from ganita.corpus.registry.supply import supply
    from ganita.model.config import num_parameters, resolve
    from ganita.model.mup import width_multiplier

    plan = Plan(steps=decide(recipe, run))
    vocabulary = _vocabulary(recipe, run)
    config = resolve(recipe.model, vocabulary)
    parameters = num_parameters(config)
    plan.add("stages", _stages(plan.steps), "by fingerprint: " + _reasons(plan.steps))
    plan.add(
        "parameters",
        _si(parameters),
        f"{config.layers} layers, width {config.width}, hidden {config.hidden}, "
        f"{config.heads}/{config.kv_heads} heads, vocabulary {vocabulary:,}, {'tied' if config.tied else 'untied'}",
    )
    if config.mup_base_width:
        times = width_multiplier(config)
        plan.add("muP", f"{times:g} x", f"width {config.width} over {config.mup_base_width}; rates as at the base")
    pending = {step.stage.name for step in plan.steps if step.action not in ("skip", "restore")}
    sets = supply(recipe.corpus)
    if "corpus" in pending:
        plan.rows.extend(sets.rows())
    # Shards that are going to be made again say nothing of what will be drawn.
    ready = any(step.stage.name == "shards" and step.action == "skip" for step in plan.steps)
    activations = 0.0
    for name in TRAIN_STAGES:
        train: Train = getattr(recipe, name)
        if train.num_steps and name in pending:
            activations = max(activations, _plan_training(plan, name, train, recipe, config, parameters, calibrate))
            _plan_mixture(plan, name, train, recipe, run.stage("shards") if ready else None)
    _plan_other_time(plan, recipe, pending)
    _plan_memory(plan, recipe, parameters, activations, hardware.memory_limit_bytes())
    _plan_disk(plan, recipe, run, parameters, downloads=bool(sets.to_download))
    if calibrate:
        _plan_cost(plan, recipe)
    return plan


def _plan_training(
    plan: Plan, name: str, train: Train, recipe: Recipe, config: Any, parameters: int, calibrate: bool
) -> float:
    """Add one training stage; return the activation bytes its calibration measured."""
    from ganita.model.config import flops_per_token
    from ganita.shards.spans import stage_spans

    context = train.context_length or window_before(recipe, name)
    steps = train.num_steps
    spans = stage_spans(train, name, context)
    tokens = sum(span.tokens for span in spans)
    works = [flops_per_token(config, span.context_length) for span in spans]
    paper, exact = (sum(w[n] * s.tokens for w, s in zip(works, spans, strict=True)) / tokens for n in (0, 1))
    given = "as given" if train.steps else f"{train.tokens:,} tokens / {train.batch_tokens:,} per step"
    plan.add(f"{name} steps", f"{steps:,}", given)
    for span in spans:
        when = f"; from step {span.first_step + 1:,}" if len(spans) > 1 else ""
        reason = f"{train.batch_tokens:,} tokens / context of {span.context_length}{when}"
        plan.add(f"{name} batch", f"{span.rows} rows", reason)
    plan.add(f"{name} tokens", _si(tokens), f"{tokens / parameters:.1f} per parameter")
    plan.add(
        f"{name} work",
        f"{_si(tokens * exact)}FLOP",
        f"{_si(exact)}FLOP a token, causal attention counted exactly ({_si(paper)} by 6N + 12LdT)",
    )
    if not calibrate:
        return 0.0
    # The longest rows are measured: they are the slowest, and what must fit.
    longest = max(span.context_length for span in spans)
    if _too_much_for_cpu(train, max(longest, _CPU_TOKENS) * max(work.paper for work in works)):
        reason = f"calculated: one GPU of {_GPU_PEAK / 1e12:.0f} TFLOP/s at {_GPU_MFU:.0%} MFU assumed"
        value = duration(tokens * paper / (_GPU_PEAK * _GPU_MFU))
        plan.add(f"{name} time", f"about {value}", f"{reason}; this model is not measured on a CPU")
        return 0.0
    from ganita.train.calibrate import calibrate as measure

    window = max(config.context_length, longest)
    figures = measure(replace(config, context_length=window), replace(train, context_length=longest), seconds=3.0)
    seconds = tokens / figures["tokens_per_second"]
    plan.seconds += seconds
    plan.add(f"{name} time", duration(seconds), f"{figures['tokens_per_second']:,.0f} tokens/s measured here just now")
    _plan_bill(plan, name, recipe, seconds, tokens, figures["mfu"])
    # A checkpoint is written from a copy, so that training does not wait for it.
    return float(figures.get("peak_bytes", 0)) + _CHECKPOINT_BYTES * parameters


def _too_much_for_cpu(train: Train, flops: float) -> bool:
    """Say whether a micro-batch of so much work would take this machine, if it has no GPU, minutes."""
    from ganita import hardware

    return flops > _MOST_CPU_WORK and hardware.pick_device(train.device).type == "cpu"


def _plan_bill(plan: Plan, name: str, recipe: Recipe, seconds: float, tokens: float, mfu: float) -> None:
    """Add what a training stage would cost, in the units of the report: in all, and per billion tokens."""
    watts, known = _watts(recipe)
    used = costs.bill(recipe.cost, seconds, watts * seconds, tokens)
    billion = used.per_billion_tokens()
    assert billion is not None
    plan.add(f"{name} cost", _written(used, recipe), f"{known}; MFU {mfu:.0%}")
    plan.add(f"{name} per billion", _written(billion, recipe), f"tokens: {duration(billion.seconds or 0.0)}")


def _written(used: costs.Bill, recipe: Recipe) -> str:
    parts = [costs.write_energy(used.joules or 0.0), f"{costs.write_carbon(used.grams_co2 or 0.0)} CO2"]
    if used.money is not None:
        parts.append(costs.write_money(used.money, recipe.cost.currency))
    return ", ".join(parts)


def _watts(recipe: Recipe) -> tuple[float, str]:
    """Return the power to reckon with before anything is measured, and how it is known."""
    from ganita import hardware

    if recipe.cost.watts:
        return recipe.cost.watts, f"{recipe.cost.watts:g} W as given"
    if hardware.pick_device(recipe.pretrain.device).type == "cuda":
        return hardware.ESTIMATED_WATTS_PER_GPU, f"{hardware.ESTIMATED_WATTS_PER_GPU:g} W estimated for a GPU"
    cores = hardware.num_cores()
    watts = cores * hardware.ESTIMATED_WATTS_PER_CORE
    return watts, f"{watts:.0f} W estimated for {cores} CPU cores"


def _plan_mixture(plan: Plan, name: str, train: Train, recipe: Recipe, shards: Path | None) -> None:
    """Add what a training stage draws from each source: by weight, and from the shards, once they are there, in full.

    Raises `GanitaError` for phases that cannot be.
    """
    from ganita.shards.draw import stage_weights
    from ganita.shards.mixture import mean_weights, phase_steps
    from ganita.shards.spans import draws_report, stage_draws, stage_spans

    weights = mean_weights(stage_weights(recipe, name), train.phases, name)
    steps = phase_steps(train.phases, train.num_steps, name)
    if len(steps) > 1:
        plan.add(f"{name} phases", ", ".join(f"{count:,}" for count in steps), "steps, by the shares of the phases")
    if shards is None:
        total = sum(weights.values()) or 1.0
        shares = [f"{source} {weight / total:.1%}" for source, weight in weights.items() if weight]
        reason = "of the tokens, by weight; epochs and what max_epochs lowers are known once the shards are there"
        # A recipe of a dozen sources would push all reasons out of sight.
        values = [", ".join(shares) or "nothing"] if len(shares) <= 2 else shares
        for value in values:
            plan.add(f"{name} mixture", value, reason if value == values[0] else "of the tokens")
        return
    spans = stage_spans(train, name, train.context_length or window_before(recipe, name))
    try:
        report = draws_report(stage_draws(recipe, name, shards, spans), spans)
    except IntegrityError:
        raise
    except GanitaError as error:
        plan.refusals.append(str(error))
        return
    for stream, entry in report["streams"].items():
        reason = f"{entry['wanted']:.1%} by weight; {_si(entry['tokens']).strip()} tokens, {entry['epochs']:.2f} epochs"
        parts = [part["streams"].get(stream, {"share": 0.0}) for part in report["phases"]]
        in_phases = " then ".join(f"{part['share']:.1%}" for part in parts)
        what = f"{name} {stream}"
        plan.add(what, f"{entry['share']:.1%} of tokens", f"{reason}{f'; {in_phases}' if in_phases else ''}")
    for note in report["notes"]:
        plan.add(f"{name} note", "", note)


def _plan_other_time(plan: Plan, recipe: Recipe, pending: set[str]) -> None:
    if "corpus" in pending:
        outside = next(step.identity["outside"] for step in plan.steps if step.stage.name == "corpus")
        size = _total_bytes(outside)
        if size:
            seconds = size * 4 / _CORPUS_BYTES_PER_SECOND  # packed text grows about fourfold
            plan.seconds += seconds
            plan.add(
                "documents", f"{size / 1e6:,.1f} MB on disk", f"about {duration(seconds)} to read, tokenize and write"
            )
    if "evaluate" in pending:
        plan.add(
            "evaluate",
            ", ".join(recipe.evaluate.tasks),
            f"greedy, {recipe.evaluate.form} form, "
            f"calculator {'on' if recipe.evaluate.calculator else 'off'}, "
            f"at most {recipe.evaluate.max_new_tokens} tokens an answer",
        )


def _plan_memory(plan: Plan, recipe: Recipe, parameters: int, measured: float, limit: int) -> None:
    needed = measured or parameters * _ADAM_BYTES + 5e8
    reason = (
        "peak of the calibration step, and a copy for checkpoints"
        if measured
        else f"{_ADAM_BYTES} bytes a parameter and 0.5 GB for the process"
    )
    allowed = min(limit, recipe.max_memory_gb * 1e9) if recipe.max_memory_gb else limit
    plan.add("memory", f"{needed / 1e9:.2f} GB", f"{reason}; {allowed / 1e9:.1f} GB allowed")
    if needed > allowed:
        plan.refusals.append(
            f"it needs {needed / 1e9:.2f} GB of memory and {allowed / 1e9:.2f} GB are allowed; "
            "make model.width, model.layers or train.micro_rows smaller"
        )


def _plan_disk(plan: Plan, recipe: Recipe, run: Run, parameters: int, *, downloads: bool) -> None:
    outside = next(step.identity["outside"] for step in plan.steps if step.stage.name == "corpus")
    text = _total_bytes(outside) * 4
    generated = sum(source.count for source in recipe.corpus.sources) * 600  # bytes of one written problem
    keep = max(recipe.pretrain.keep_checkpoints, recipe.finetune.keep_checkpoints) + 1
    stages = (recipe.pretrain, recipe.finetune)
    averages = max(4 if train.ema else 8 if train.average_last else 0 for train in stages)  # bytes per parameter
    needed = (text + generated) * 1.7 + keep * (_CHECKPOINT_BYTES + averages) * parameters + 8 * parameters
    folder = next(path for path in (run.root, *run.root.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    more = "; sets to download are not in it" * downloads
    reason = f"documents and shards, {keep} checkpoints, weights{more}; {free / 1e9:.1f} GB free"
    plan.add("disk", f"{needed / 1e9:.2f} GB", reason)
    if needed * _DISK_MARGIN > free:
        plan.refusals.append(
            f"it needs {needed / 1e9:.2f} GB of disk and {free / 1e9:.2f} GB are free; "
            "name another folder with --runs, or keep fewer checkpoints"
        )


def _plan_cost(plan: Plan, recipe: Recipe) -> None:
    if not plan.seconds:
        return
    watts, known = _watts(recipe)
    used = costs.bill(recipe.cost, plan.seconds, watts * plan.seconds)
    plan.add("time", duration(plan.seconds), "training and reading; evaluation comes on top, a few minutes")
    if used.money is not None:
        price = f"{recipe.cost.price_per_hour:g} {recipe.cost.currency} per hour"
        plan.add("cost", costs.write_money(used.money, recipe.cost.currency), price)
    carbon = f"{costs.write_carbon(used.grams_co2 or 0.0)} CO2 at {recipe.cost.grams_co2_per_kwh:.0f} g/kWh"
    plan.add("energy", costs.write_energy(used.joules or 0.0), f"{known}; {carbon}")


def _vocabulary(recipe: Recipe, run: Run) -> int:
    if run.has("shards"):
        return int(read_json(run.stage("shards") / "index.json")["vocabulary_size"])
    return recipe.tokenizer.vocabulary_size


def _total_bytes(outside: Any) -> int:
    """Sum every `bytes` entry of an input fingerprint."""
    if isinstance(outside, dict):
        return sum(
            value if key == "bytes" else _total_bytes(value)
            for key, value in outside.items()
            if key == "bytes" or isinstance(value, (dict, list))
        )
    return sum(_total_bytes(item) for item in outside) if isinstance(outside, list) else 0


def _stages(steps: list[Step]) -> str:
    todo = [step.stage.name for step in steps if step.action != "skip"]
    return f"{len(todo)} of {len(steps)} to do" if todo else "all done"


def _reasons(steps: list[Step]) -> str:
    return ", ".join(f"{step.stage.name} {step.action}" for step in steps)


def _si(value: float) -> str:
    """Write a number with a metric suffix: 3.2 M."""
    for limit, suffix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {suffix}"
    return f"{value:.3g} "


def duration(seconds: float) -> str:
    """Write a duration as people say it: 45 s, 12 min, 2 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"

"""Sections of the page about what was made: key figures, stages, model, documents, tokenizer."""

from __future__ import annotations

import json
from typing import Any

from ganita.report.audit import audit_tables, read_audit
from ganita.report.gather import TRAINING, Findings, joules_used, number, tokens_seen
from ganita.report.markup import (
    NONE,
    Markup,
    definitions,
    duration,
    energy,
    join,
    missing,
    percent,
    scalar,
    short,
    table,
    tag,
    whole,
)
from ganita.report.results import interval, title_of
from ganita.report.training import carbon, price

# Figures that have their own place on the page.
_SHOWN_ELSEWHERE = frozenset({"steps", "tokens", "seconds", "joules", "parameters", "mfu", "tokens_per_second"})


def tiles(findings: Findings) -> list[tuple[str, str, str]]:
    """Return the key figures as (name, figure, remark)."""
    seen = [count for stage in TRAINING if (count := tokens_seen(findings, stage)) is not None]
    seconds = [stage.seconds for stage in findings.stages.values() if stage.seconds is not None]
    joules = [used for name in findings.stages if (used := joules_used(findings, name)) is not None]
    found = [
        ("Parameters", short(findings.num_parameters), whole(findings.num_parameters)),
        ("Training tokens", short(sum(seen)) if seen else NONE, _split(findings)),
    ]
    if (task := findings.headline) and (score := task.score("strict")):
        items = whole(number(task.result.get("n"), task.num_items))
        found.append((title_of(task), percent(score["accuracy"]) + " %", f"95 % {interval(score)}, {items} items"))
    else:
        found.append(("Accuracy", NONE, "not evaluated yet"))
    found.append(("Time", duration(sum(seconds)) if seconds else NONE, _machine_line(findings)))
    scope = "" if len(joules) == len(seconds) else ", where known"
    grams = carbon(findings, sum(joules)) + scope if joules else "not measured"
    found.append(("Energy", energy(sum(joules)) if joules else NONE, grams))
    found.append(("Cost", *price(findings, sum(seconds))))
    return found


def _split(findings: Findings) -> str:
    parts = [f"{short(count)} {stage}" for stage in TRAINING if (count := tokens_seen(findings, stage)) is not None]
    return " + ".join(parts) or "no training yet"


def _machine_line(findings: Findings) -> str:
    environment = findings.environment
    found = environment.get("gpus") or environment.get("cpu")
    return scalar(found) if found else "all stages"


def stages_strip(findings: Findings) -> Markup:
    """The way the data took, with what is missing."""
    entries = []
    for stage in findings.stages.values():
        # A finished training stage without steps was left out by the recipe.
        left_out = stage.name in TRAINING and stage.state == "done" and stage.summary.get("steps") == 0
        state = "left out" if left_out else duration(stage.seconds) if stage.state == "done" else stage.state
        entries.append(tag("li", tag("b", stage.name), tag("span", state), class_=stage.state.replace(" ", "-")))
    return tag("ol", *entries, class_="stages")


def model_section(findings: Findings) -> Markup:
    """The model, the training settings and the machine; the whole recipe folded away."""
    model, recipe = findings.model or findings.resolved["model"], findings.resolved
    shape = [(key.replace("_", " "), scalar(value)) for key, value in model.items()]
    shape.insert(0, ("parameters", whole(findings.num_parameters) if findings.num_parameters else ""))
    training = []
    keys = (
        "steps",
        "batch_tokens",
        "context_length",
        "optimizer",
        "learning_rate",
        "schedule",
        "precision",
        "loss_on",
        "forms",
    )
    for key in keys:
        training.append([key.replace("_", " "), *(_setting(findings, stage, key) for stage in TRAINING)])
    environment = [_fact(key, value) for key, value in findings.environment.items()]
    derived = [
        _fact(f"{stage}_{key}", value)
        for stage in TRAINING
        for key, value in findings.stages[stage].summary.items()
        if isinstance(value, (int, float, str)) and key not in _SHOWN_ELSEWHERE
    ]
    text = json.dumps(recipe, indent=2, ensure_ascii=False)
    return join([
        tag("div", tag("div", tag("h3", "Model"), definitions(shape)),
            tag("div", tag("h3", "Machine and versions"),
                definitions(environment) if environment else missing("There is no env.json.")), class_="columns"),
        tag("h3", "Training settings"),
        table(["", *TRAINING], training, numeric=(1, 2), class_="settings"),
        tag("h3", "Derived numbers") if derived else None,
        definitions(derived) if derived else None,
        tag("details", tag("summary", "The whole recipe, resolved"), tag("pre", text)),
    ])  # fmt: skip


def _setting(findings: Findings, stage: str, key: str) -> str:
    value = findings.resolved[stage][key]
    if key == "steps":
        return whole(number(findings.stages[stage].summary.get("steps"), value or None))
    if key == "context_length" and not value:
        value = findings.recipe.model.context_length
    return "all in the shards" if key == "forms" and not value else scalar(value)


def _fact(key: str, value: Any) -> tuple[str, str]:
    """Write one entry of env.json; sizes in GiB."""
    if key.endswith("_bytes") and isinstance(value, (int, float)):
        return key.removesuffix("_bytes").replace("_", " "), f"{value / 2**30:.3g} GiB"
    return key.replace("_", " "), scalar(value)


def tokenizer_section(findings: Findings) -> Markup:
    """The vocabulary, and how many bytes a token stands for: the audit if there is one, else by source."""
    report = findings.tokenizer
    if not report:
        return missing("There is no tokenizer report: the tokenizer stage has not finished.")
    facts = [
        (key.replace("_", " "), scalar(value))
        for key, value in report.items()
        if isinstance(value, (int, float, str)) and key not in ("seconds", "fingerprint")
    ]
    audit = read_audit(findings.run, report.get("fingerprint"))
    return join([definitions(facts), audit_tables(audit) if audit else _by_source(report.get("bytes_per_token"))])


def _by_source(values: Any) -> Markup | None:
    rows = []
    for name, value in values.items() if isinstance(values, dict) else ():
        if (found := number(value)) is not None:
            width = f"width:{min(100.0, 100 * found / 6):.1f}%"
            rows.append([name, f"{found:.2f}", tag("span", tag("span", "", style=width), class_="bar")])
    return table(["Source", "Bytes per token", "0 to 6"], rows, numeric=(1,)) if rows else None

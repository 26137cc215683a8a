"""What `results.json` says of a task: accuracies with intervals, how the solutions ended, and how it was asked.

Of multiple choice `strict` is acc and `flexible` acc_norm; `measures` in the results says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganita.evaluate.choices import SHORTENED, against_chance, chance
from ganita.evaluate.contamination import Overlap
from ganita.evaluate.mistakes import read_mistakes
from ganita.evaluate.prompts import Asking, wordings
from ganita.evaluate.records import Record
from ganita.evaluate.statistics import wilson_interval
from ganita.evaluate.tasks import CHOICE, TEMPLATE, Item
from ganita.recipe import Recipe
from ganita.storage import fingerprint

_SUMMARY = ("title", "n", "strict", "flexible", "contamination", "form", "calculator", "seconds")
_OF_CHOICES = ("measures", "chance", "unmeasured")
TOO_LONG = "too long"  # `finished` of an item whose question does not fit the context; scored as wrong


def summary_of(result: dict[str, Any]) -> dict[str, Any]:
    """Return what the manifest says of a task's results."""
    return {key: result[key] for key in (*_SUMMARY, *_OF_CHOICES) if key in result}


def summarize(records: Sequence[Record]) -> dict[str, Any]:
    """Return n, strict and flexible accuracy with Wilson 95 % intervals, how the solutions ended, what went wrong."""
    result = {
        **accuracies(records),
        "no_answer": sum(record.answer_strict is None for record in records),
        "cut": sum(record.finished == "length" for record in records),
        "too_long": sum(record.finished == TOO_LONG for record in records),
        **read_mistakes(records),
    }
    if any(record.log_likelihoods for record in records):
        band = chance(records)
        places = {key: against_chance(result[key]["accuracy"], band) for key in ("strict", "flexible")}
        result["measures"] = {"strict": "acc", "flexible": "acc_norm"}
        result["chance"] = {**band, **places}
        result["shortened"] = sum(record.finished == SHORTENED for record in records)
    return result


def accuracies(records: Sequence[Record]) -> dict[str, Any]:
    """Return n, and strict and flexible accuracy with Wilson 95 % intervals."""
    num_items = len(records)

    def accuracy(num_right: int) -> dict[str, float]:
        low, high = wilson_interval(num_right, num_items)
        return {"right": num_right, "accuracy": num_right / max(num_items, 1), "low": low, "high": high}

    return {
        "n": num_items,
        "strict": accuracy(sum(record.strict for record in records)),
        "flexible": accuracy(sum(record.flexible for record in records)),
    }


def split(records: Sequence[Record], overlap: Overlap) -> dict[str, Any]:
    """Return the accuracies of the items that were found in a source (`touched`) and of the others (`clean`)."""
    if overlap.items is None:
        return {"compared": False, "reason": overlap.reason}
    return {
        "compared": True,
        "clean": accuracies([record for record in records if not overlap.touches(record.id)]),
        "touched": accuracies([record for record in records if overlap.touches(record.id)]),
    }


def describe(result: dict[str, Any]) -> str:
    """Write a result as one line: `strict 39.4 % [36.8, 42.1], flexible ...`."""

    def share(score: dict[str, float]) -> str:
        return f"{100 * score['accuracy']:.1f} % [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"

    names = result.get("measures", {"strict": "strict", "flexible": "flexible"})
    notes = [f"n = {result['n']:,}"]
    if band := result.get("chance"):
        half = 50 * (band["high"] - band["low"])
        notes += [f"chance {100 * band['accuracy']:.1f} +- {half:.1f}: {names['strict']} {band['strict']}"]
    if (contamination := result["contamination"])["compared"]:
        touched, clean = contamination["touched"]["n"], contamination["clean"]
        notes.append(
            f"{touched:,} touched, {names['strict']} {share(clean['strict'])} without" if touched else "none touched"
        )
    notes += [f"{result['cut']:,} cut at the token limit"] if result["cut"] else []
    notes += [f"{result['too_long']:,} too long for the context, counted wrong"] if result["too_long"] else []
    notes += [f"{result['shortened']:,} prompts shortened from the left"] if result.get("shortened") else []
    notes += [f"{result['undecided']:,} not decided in time"] if result.get("undecided") else []
    missing = result.get("unmeasured", {})
    scores = (
        f"{names[key]} not measured ({missing[key]})" if key in missing else f"{names[key]} {share(result[key])}"
        for key in ("strict", "flexible")
    )
    return f"{', '.join(scores)} ({'; '.join(notes)})"


def describe_samples(result: dict[str, Any]) -> str:
    """Write the end of the curves as one line: `of 16 samples: pass@16 21.0 %, maj@16 9.5 % (n = 200)`."""
    k = str(result["samples"])
    shares = [f"{name}@{k} {100 * result[name][k]['accuracy']:.1f} %" for name in ("pass", "maj")]
    return f"of {k} samples at temperature {result['temperature']:g}: {', '.join(shares)} (n = {result['n']:,})"


def protocol_of(asking: Asking, items: Sequence[Item], recipe: Recipe, tokenizer: Any) -> dict[str, Any]:
    """Return all that has to be the same before two results of a task may be compared, and where it came from."""
    task, scored = asking.task, asking.task.scorer == CHOICE
    return {
        "protocol": asking.protocol(),
        "demonstrations": {"set": task.demonstrations, "ids": [item.id for item in asking.demonstrations]},
        "form": asking.form if asking.how == TEMPLATE else "plain text",
        "max_new_tokens": 0 if scored else recipe.evaluate.max_new_tokens,
        "decoding": "log-likelihood of the choices" if scored else "greedy",
        "seed": recipe.seed,
        "prompt_hash": fingerprint(wordings(asking, items, tokenizer)),
        "set_fingerprint": fingerprint([[item.id, item.question, item.gold] for item in items]),
        "task_version": task.version,
        "set": task.set or (task.name if task.home else "families"),
        "source": task.source,
    }

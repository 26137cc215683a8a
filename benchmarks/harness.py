"""What every benchmark shares: contestants take turns, and the median and spread over the rounds is reported.

Turns matter: a machine that is busy for a minute then slows all contestants alike, not the one whose minute it was.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_MACHINE = ("cpu", "cores", "memory_bytes", "gpus", "bfloat16", "threads")  # what a figure depends on, and no paths


def take_turns(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call every contestant once per round, in rotating order, and collect the figures they return."""
    names = list(contestants)
    figures: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            figures[name].append(contestants[name]())
    return figures


def versions(*packages: str) -> dict[str, str]:
    """Return the installed versions of the packages that took part."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def report(name: str, unit: str, figures: Mapping[str, list[float]], baseline: str, **facts: Any) -> None:
    """Print a table of medians, spreads and ratios to `baseline`, and write it as JSON beside the scripts."""
    from ganita.hardware import describe

    base = statistics.median(figures[baseline])
    print(f"\n{name} ({unit}; median, minimum to maximum over {len(figures[baseline])} rounds in turns)")
    rows = {}
    for label, values in figures.items():
        median = statistics.median(values)
        rows[label] = {"median": median, "min": min(values), "max": max(values), "ratio": median / base}
        print(f"  {label:<44} {median:>10,.0f}  {min(values):>10,.0f} to {max(values):<10,.0f} {median / base:>5.2f}x")
    RESULTS.mkdir(exist_ok=True)
    result = {"date": time.strftime("%Y-%m-%d"), "unit": unit, "baseline": baseline, "rows": rows}
    machine = {key: value for key, value in describe().items() if key in _MACHINE}
    result |= {"facts": facts, "versions": versions("torch", "transformers", "tokenizers"), "machine": machine}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2, default=str) + "\n", encoding="utf-8")

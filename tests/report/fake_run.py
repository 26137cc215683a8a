"""A run folder as the stages leave it, made up: enough of every file for the page to show all it can."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from ganita.recipe import recipe_from_dict, recipe_to_dict
from ganita.runs import Run
from ganita.storage import seal, write_json, write_text

HOSTILE = (
    "<script>window.injected = 1</script></script><img src=https://example.org/x.png onerror=alert(1)> "
    "{{script}} ]]> <!--"
)
NUM_GSM8K, NUM_GSM8K_RIGHT = 1319, 520
FAMILIES = (
    "shared cost",
    "travel time",
    "age puzzles",
    "percent off",
    "unit change",
    "work rates",
    "mixtures",
    "stairs",
)


def make_run(
    root: Path, *, stages: tuple[str, ...] = ("corpus", "tokenizer", "shards", "pretrain", "finetune", "evaluate")
) -> Run:
    """Write a run with the given stages finished; a `.partial` name leaves that stage unsealed."""
    run = Run(root)
    recipe = recipe_from_dict({
        "name": "ganita-30m",
        "description": "Thirty million parameters from nothing, on worked problems and open textbooks.",
        "seed": 7,
        "model": {"layers": 8, "width": 512, "heads": 8, "context_length": 1024},
        "train": {"steps": 1200, "batch_tokens": 65536},
        "corpus": {"sources": [{"name": "gsm8k", "set": "gsm8k-train"}, {"name": "books", "path": "/data/<books>"}]},
        "cost": {"price_per_hour": 1.2},
    })  # fmt: skip
    write_json(root / "recipe.json", recipe_to_dict(recipe))
    environment = {
        "cpu": "Example CPU 9000",
        "cores": 2,
        "memory_bytes": 8 << 30,
        "gpus": [],
        "python": "3.11.2",
        "torch": "2.13.0",
    }
    write_json(root / "env.json", environment)
    makers = {"corpus": _corpus, "tokenizer": _tokenizer, "pretrain": _train, "finetune": _train, "evaluate": _evaluate}
    for entry in stages:
        name = entry.removesuffix(".partial")
        folder = root / entry
        folder.mkdir(parents=True)
        summary = makers[name](folder) if name in makers else {"tokens": 83_000_000}
        if name in ("pretrain", "finetune"):
            summary["steps"] = 1200
        if entry == name:
            seconds = {"corpus": 71.5, "tokenizer": 33.0, "shards": 48.0, "pretrain": 7200.0, "finetune": 1500.0}
            seal(
                folder, {"fingerprint": "0" * 64, "inputs": {}, "summary": summary, "seconds": seconds.get(name, 410.0)}
            )
    return run


def _corpus(folder: Path) -> dict[str, Any]:
    sources = {
        "gsm8k": _card("problem", 7473, 4_012_345, {"duplicate": 60, "benchmark overlap": 12}, "MIT", "gsm8k-train"),
        "textbooks": _card("text", 912, 61_000_000, {"short": 22}, "CC BY-SA 4.0", "/data/<books>"),
        "bare": {},
    }
    hit = {"set": "gsm8k-test", "items": 3, "rule": "8-gram", "source": "gsm8k", "hits": 4, "decision": "dropped"}
    benchmarks = {"compared": ["gsm8k-test"], "not_compared": ["math-test"], "items": 1319, "hits": [hit]}
    write_json(folder / "card.json", {"sources": sources, "benchmarks": benchmarks})
    return {"documents": 8291}


def _card(kind: str, count: int, size: int, dropped: dict[str, int], licence: str, origin: str) -> dict[str, Any]:
    left = count - sum(dropped.values())
    held_out = left // 20
    return {
        "kind": kind,
        "content": "text",
        "licence": licence,
        "commercial_use": True,
        "from": origin,
        "steps": {
            "read": {"documents": count, "characters": size},
            "select": {"documents": count, "characters": size},
            "decontaminate": {"documents": left, "characters": size},
            "cut": {"documents": left, "characters": size},
            "deduplicate": {"documents": left, "characters": size},
        },
        "notes": {},
        "paragraphs_cut": 2,
        "documents_in": count,
        "characters_in": size,
        "kept": {
            "train": {"documents": left - held_out, "characters": size * 19 // 20},
            "validation": {"documents": held_out, "characters": size // 20},
        },
        "dropped": {"unreadable": 0, **dropped},
    }


def _tokenizer(folder: Path) -> dict[str, Any]:
    report = {"vocabulary_size": 8192, "seconds": 31.7, "bytes_per_token": {"gsm8k": 3.41, "textbooks": 4.27}}
    write_json(folder / "report.json", report)
    return report


def _train(folder: Path) -> dict[str, Any]:
    first = folder.name.startswith("pretrain")
    draw, lines = random.Random(3 if first else 4), []
    start, floor = (9.0, 1.35) if first else (1.3, 0.42)
    for step in range(10, 1201, 10):
        loss = floor + (start - floor) * math.exp(-step / 160) + draw.gauss(0, 0.05)
        rate = 3e-3 * min(1, step / 40, (1200 - step) / 360 + 1e-3)
        line = {"kind": "train", "step": step, "tokens": step * 65536, "loss": loss, "gradient_norm": 0.8}
        speed = {"tokens_per_second": 10_900 + draw.gauss(0, 220), "mfu": 0.41}
        totals = {"seconds": 6.0 * step, "joules": 84.0 * 6.0 * step}
        lines.append({**line, "learning_rate": rate, **speed, **totals})
        if step % 120 == 0:
            lines.append({"kind": "validation", "step": step, "loss": loss + 0.06, "perplexity": math.exp(loss + 0.06)})
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    config = {"vocabulary_size": 8192, "layers": 8, "width": 512, "heads": 8, "context_length": 1024}
    write_json(folder / "model" / "config.json", config)
    return {
        "parameters": 29_893_120,
        "tokens": 78_643_200,
        "joules": 84.0 * 7200 if first else 84.0 * 1500,
        "energy_source": "estimated: 84 W",
    }


def _evaluate(folder: Path) -> dict[str, Any]:
    results = {}
    for name, count, right in (("gsm8k", NUM_GSM8K, NUM_GSM8K_RIGHT), ("families", 500, 441)):
        items = [_record(name, index, index * right // count != (index + 1) * right // count) for index in range(count)]
        items[1]["question"] = HOSTILE
        write_text(folder / name / "items.jsonl", "".join(json.dumps(item) + "\n" for item in items))
        share = right / count
        score = {"accuracy": share, "low": share - 0.026, "high": share + 0.027}
        results[name] = {
            "title": name.upper() + " test",
            "n": count,
            "strict": score,
            "flexible": {**score, "accuracy": share + 0.01},
            "form": "equations",
            "calculator": True,
            "max_new_tokens": 256,
            "cut": 3,
            "no_answer": 9,
            "seconds": 380.0,
        }
    write_json(folder / "results.json", results)
    return {name: result["strict"] for name, result in results.items()}


def _record(task: str, index: int, right: bool) -> dict[str, Any]:
    price, number, paid = 3 + index % 17, 4 + index % 11, 10 + index % 23
    gold = price * number + paid
    said = gold if right else None if index % 29 == 0 else gold + 1
    question = (
        f"A bookbinder buys {number} reels of linen thread for {price} dollars each "
        f"and pays {paid} dollars for a bone folder. "
        "How many dollars does the bookbinder spend in all?"
    )
    steps = [f"<<{price}*{number}={price * number}>>", f"<<{price * number}+{paid}={gold}>>"]
    output = "\n".join(steps) + ("" if said is None else f"\n#### {said}")
    if index % 2:
        output = output.replace("<<", f"{number} reels cost <<", 1)
    return {
        "id": f"{task}/test/{index}", "question": question, "gold": str(gold), "output": output,
        "answer_strict": None if said is None else str(said), "answer_flexible": str(said or gold), "strict": right,
        "flexible": right or said is None, "finished": "end", "num_new_tokens": 31 + index % 9,
        **({"family": FAMILIES[index % len(FAMILIES)]} if task == "families" else {}),
    }  # fmt: skip

"""Kill a run with SIGKILL at random moments, start it again each time, and compare its end with an undisturbed run.

    python benchmarks/kill_and_resume.py REFERENCE_RUN KILLS -- run RECIPE --name NAME [--set ...]

REFERENCE_RUN is the folder of the same recipe run to its end without a kill. What follows `--` is given to `ganita`.
Prints where each kill fell, and whether losses, weights and answers are equal to the bit; exit code 1 if not.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from ganita.runs import STAGES, Run
from ganita.storage import read_jsonl, sha256_file

LEAST, MOST = 15.0, 100.0  # seconds that a run lives before it is killed


def main() -> int:
    """Run, kill, run again, compare."""
    reference, kills = Run(Path(sys.argv[1])), int(sys.argv[2])
    arguments = sys.argv[sys.argv.index("--") + 1 :]
    run = Run(reference.root.parent / arguments[arguments.index("--name") + 1])
    command = [sys.executable, "-m", "ganita", *arguments]
    draw = random.Random(reference.root.name)
    for number in range(1, kills + 1):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(draw.uniform(LEAST, MOST))
        alive = child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        print(f"kill {number}: {where(run) if alive else 'it had ended'}", flush=True)
    subprocess.run(command, check=True)
    verdicts = compare(reference, run)
    for name, equal in verdicts.items():
        print(f"{name}: {'equal' if equal else 'DIFFERENT'}")
    return 0 if all(verdicts.values()) else 1


def where(run: Run) -> str:
    """Say which stage was at work, and after which step."""
    for stage in STAGES:
        if not run.has(stage):
            metrics = run.partial(stage) / "metrics.jsonl"
            steps = [line["step"] for line in read_jsonl(metrics)] if metrics.is_file() else []
            return f"in {stage}" + (f", step {steps[-1]}" if steps else "")
    return "after the last stage"


def compare(reference: Run, run: Run) -> dict[str, bool]:
    """Compare losses, weights and answers of two finished runs."""
    verdicts = {}
    for stage in ("pretrain", "finetune"):
        logged = [
            [(line["kind"], line["step"], line["loss"]) for line in read_jsonl(one.stage(stage) / "metrics.jsonl")]
            for one in (reference, run)
        ]
        weights = [sha256_file(one.stage(stage) / "model" / "weights.safetensors") for one in (reference, run)]
        verdicts[f"{stage} losses ({len(logged[0])} lines)"] = logged[0] == logged[1]
        verdicts[f"{stage} weights"] = weights[0] == weights[1]
    for task in sorted(path.parent.name for path in reference.stage("evaluate").glob("*/items.jsonl")):
        files = [one.stage("evaluate") / task / "items.jsonl" for one in (reference, run)]
        verdicts[f"{task} answers"] = files[0].read_bytes() == files[1].read_bytes()
    return verdicts


if __name__ == "__main__":
    sys.exit(main())

"""An ablation: arms that differ in a few settings of one recipe, trained with several seeds, compared item by item.

    python benchmarks/ablation.py benchmarks/ablations/NAME.arms.toml [--seeds 3] [--jobs 2] [--runs runs/ablations]

An arms file names a recipe (beside it) and, for each arm, the settings that it changes. Every arm is a whole
`ganita run` with every seed, in a process of one thread, --jobs of them at once; a call that was cut off goes on where
it stopped. What the file says arms `share` (of corpus, tokenizer and shards) is made once a seed and linked; an arm
with settings of its own for one of these stages makes it and those after it itself.

Reported for each arm and benchmark: accuracies of the seeds, their mean, and the paired difference from the first arm
with a 95 % interval by bootstrap over the items (scores are means over the seeds); the same for the loss on the gold
solutions of benchmarks that are slices of train (gold.py), in nats a solution. Writes results/ablation-NAME.json.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gold import gold_losses
from trainings import write

from ganita.corpus.registry import sets
from ganita.errors import GanitaError
from ganita.evaluate.records import ITEMS, RESULTS, read_records
from ganita.evaluate.statistics import paired_bootstrap
from ganita.evaluate.tasks import load_tasks
from ganita.runs import Run
from ganita.storage import read_json

SHARED = ("corpus", "tokenizer", "shards")  # stages that arms can share, each made from the one before


class Ablation:
    """The arms of one file, and where their runs are."""

    def __init__(self, path: Path, seeds: int, runs: Path) -> None:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        about = tree["experiment"]
        self.name = path.name.partition(".")[0]
        self.recipe = path.parent / about["recipe"]
        self.arms: dict[str, dict[str, Any]] = tree["arms"]
        self.seeds = range(1, (seeds or about["seeds"]) + 1)
        self.shared: list[str] = about.get("share", [])
        if self.shared != list(SHARED[: len(self.shared)]):
            raise GanitaError(f"{path}: share = {self.shared}: must be the first stages of {', '.join(SHARED)}")
        self.runs = runs

    def run_name(self, arm: str, seed: int) -> str:
        """Return the folder of one training."""
        plain = "".join(c if c.isalnum() else "-" for c in arm)
        return f"{self.name}-{plain}-{seed}"

    def folder(self, arm: str, seed: int) -> Path:
        """Return the path of one training's run."""
        return self.runs / self.run_name(arm, seed)

    def command(self, verb: Sequence[str], arm: str, seed: int) -> list[str]:
        """Return the command line that carries out a verb for one arm and seed."""
        settings = {"seed": seed, "runs": f"'{self.runs}'", **self.arms[arm]}
        sets = [part for key, value in settings.items() for part in ("--set", f"{key}={_toml(value)}")]
        name = ["--name", self.run_name(arm, seed)]
        return [sys.executable, "-m", "ganita", *verb, str(self.recipe), *name, *sets, "--threads", "1"]

    def train(self, arm: str, seed: int) -> None:
        """Train and evaluate one arm with one seed, unless an earlier call did."""
        folder = self.folder(arm, seed)
        if Run(folder).has("evaluate"):
            return
        first = self.folder(next(iter(self.arms)), seed)
        if folder != first:
            for stage in self.shared_with(arm):
                if not (folder / stage).exists():
                    folder.mkdir(parents=True, exist_ok=True)
                    _link(first / stage, folder / stage)
        _call(self.command(["run"], arm, seed), folder)
        print(f"  {arm}, seed {seed}: {self.accuracies(arm, seed)}", flush=True)

    def prepare(self, seed: int) -> None:
        """Make the stages that the arms of a seed share."""
        first = next(iter(self.arms))
        for stage in self.shared:
            if not Run(self.folder(first, seed)).has(stage):
                _call(self.command([stage, "build"], first, seed), self.folder(first, seed))

    def shared_with(self, arm: str) -> list[str]:
        """Return the shared stages before the first that the arm has settings for; weights only choose what is read."""
        own = {key.partition(".")[0] for key in self.arms[arm] if not key.endswith("weight")}
        return list(itertools.takewhile(lambda stage: stage not in own, self.shared))

    def accuracies(self, arm: str, seed: int) -> dict[str, float]:
        """Return the strict accuracy of each benchmark, in percent."""
        results = read_json(self.folder(arm, seed) / "evaluate" / RESULTS)
        return {task: round(100 * result["strict"]["accuracy"], 2) for task, result in results.items()}

    def finished(self) -> Iterator[tuple[str, list[int]]]:
        """Yield the arms with the seeds that are done."""
        for arm in self.arms:
            if done := [seed for seed in self.seeds if Run(self.folder(arm, seed)).has("evaluate")]:
                yield arm, done


def summarise(ablation: Ablation) -> dict[str, Any]:
    """Return by benchmark and arm: accuracy of each seed, mean, and the difference from the first arm, paired."""
    found: dict[str, Any] = {}
    done = dict(ablation.finished())
    first = next(iter(done))
    for task in ablation.accuracies(first, done[first][0]):
        scores = {arm: {seed: _scores(ablation.folder(arm, seed), task) for seed in done[arm]} for arm in done}
        found[task] = compare(scores)
        # The losses on a test set's solutions would be one more look at it than is needed to say what was scored.
        if (set_id := load_tasks()[task].set) and sets.find(set_id).is_slice:
            losses = {arm: {seed: _losses(ablation.folder(arm, seed), task) for seed in done[arm]} for arm in done}
            found[f"{task}: loss on gold solutions"] = compare(losses)
    return found


def compare(scores: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, Any]:
    """Return by arm the mean score of each seed, of all, and the difference from the first arm over common seeds.

    `scores` is by arm, seed and item. Only items that all have count: what is too long for a model has no loss.
    """
    first = next(iter(scores.values()))
    shared = set.intersection(*(set(items) for by_seed in scores.values() for items in by_seed.values()))
    ids, rows = sorted(shared), {}
    for arm, by_seed in scores.items():
        means = {seed: statistics.fmean(items[item] for item in ids) for seed, items in by_seed.items()}
        rows[arm] = {"seeds": means, "mean": statistics.fmean(means.values())}
        if common := sorted(set(by_seed) & set(first)):
            of_items = [[statistics.fmean(s[seed][item] for seed in common) for item in ids] for s in (first, by_seed)]
            rows[arm] |= {
                "difference": statistics.fmean(of_items[1]) - statistics.fmean(of_items[0]),
                "interval": list(paired_bootstrap(*of_items)),
                "paired_seeds": common,
            }
    return {"n": len(ids), "arms": rows}


def show(summary: Mapping[str, Any]) -> None:
    """Print the tables."""
    for task, table in summary.items():
        is_loss = "loss" in task
        scale, digits = (1, 4) if is_loss else (100, 2)
        print(f"\n{task}, n = {table['n']:,}: {'nats a solution' if is_loss else 'strict accuracy, percent'}")
        for arm, row in table["arms"].items():
            seeds = ", ".join(f"{scale * value:.{digits}f}" for value in row["seeds"].values())
            low, high = (scale * value for value in row.get("interval", (0.0, 0.0)))
            change = f"{scale * row.get('difference', 0):+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
            print(f"  {arm:<44} {scale * row['mean']:8.{digits}f}   ({seeds})   {change}")


def _scores(folder: Path, task: str) -> dict[str, float]:
    return {record.id: float(record.strict) for record in read_records(folder / "evaluate" / task / ITEMS)}


def _losses(folder: Path, task: str) -> dict[str, float]:
    """Return the loss of each item's solution in nats: tokenizers may differ between arms, solutions do not."""
    return {item: nats for item, (nats, _) in gold_losses(folder, task).items()}


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) and not value.startswith("'") else str(value)


def _link(source: Path, target: Path) -> None:
    """Copy a finished stage by hard links: its files are never written to again."""
    for folder, _, files in os.walk(source):
        goal = target / Path(folder).relative_to(source)
        goal.mkdir(parents=True)
        for file in files:
            os.link(Path(folder) / file, goal / file)


def _call(command: Sequence[str], folder: Path) -> None:
    log = folder.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise GanitaError(f"{' '.join(command[3:])} ended with {done.returncode}: read {log}")


def main() -> None:
    """Train what is missing, seed by seed, and sum up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("arms", type=Path, help="a file of arms, as in benchmarks/ablations/")
    parser.add_argument("--seeds", type=int, default=0, help="trainings of each arm; default: as the file says")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, one thread each")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations"), help="folder of the runs")
    parser.add_argument("--only", nargs="+", default=[], metavar="ARM", help="train these arms; default: all")
    parser.add_argument("--summary", action="store_true", help="sum up what there is, train nothing")
    options = parser.parse_args()
    ablation = Ablation(options.arms, options.seeds, options.runs)
    for seed in ablation.seeds if not options.summary else ():
        ablation.prepare(seed)
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(lambda arm, seed=seed: ablation.train(arm, seed), options.only or ablation.arms))
    summary = summarise(ablation)
    show(summary)
    out = Path(__file__).parent / "results" / f"ablation-{ablation.name}.json"
    write(out, {"arms": ablation.arms, "seeds": list(ablation.seeds), "tasks": summary})


if __name__ == "__main__":
    main()

"""The figures of docs/results.md, drawn from the results of the benchmarks and the metrics of a run.

    python benchmarks/figures.py [runs/NAME]

Writes docs/images/ablations.svg (differences of loss with their intervals, of every ablation), docs/images/families.svg
(loss over the number of families) and, where a run is named, docs/images/training.svg (its losses by token).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness import RESULTS
from panels import COLOURS, Panel, draw

from ganita.report.charts import Frame, linear_ticks, smooth, thin
from ganita.report.markup import Markup, tag
from ganita.train.meters import MetricsLog

IMAGES = Path(__file__).parent.parent / "docs" / "images"
LOSS = "loss on gold solutions"  # ablation.py ends the names of such tables with it
WIDTH, ROW, LEFT = 760, 20, 330


class Row(NamedTuple):
    """A line of the plot of differences: an arm, or the heading of an ablation."""

    label: str
    difference: float = 0.0
    low: float = 0.0
    high: float = 0.0
    num_seeds: int = 0  # 0: a heading


def differences(folder: Path) -> list[Row]:
    """Return the differences of loss from the first arm, of each ablation in `folder`."""
    rows: list[Row] = []
    for path in sorted(folder.glob("ablation-*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        for task, table in result["tasks"].items():
            arms = list(table["arms"].items())
            # Losses without any human problem in training are several times as large: they have a figure of their own.
            if not task.endswith(LOSS) or path.stem == "ablation-families":
                continue
            rows.append(Row(f"{path.stem.removeprefix('ablation-')}: against {arms[0][0]!r}"))
            rows += [
                Row(arm, row["difference"], *row["interval"], len(row["paired_seeds"]))
                for arm, row in arms[1:]
                if "difference" in row
            ]
    return rows


def forest(rows: Sequence[Row]) -> Markup:
    """Draw differences as points with their 95 % intervals, one below the other, around a line at zero."""
    height = ROW * len(rows) + 58
    ends = [end for row in rows for end in (row.low, row.high, 0.0)]
    margin = 0.05 * (max(ends) - min(ends))
    frame = Frame(WIDTH, height, (min(ends) - margin, max(ends) + margin), (0, 1), left=LEFT, bottom=40)
    bottom = height - frame.bottom
    parts = [Markup('<rect width="100%" height="100%" fill="#fff"/>')]
    for tick in linear_ticks(*frame.x_range, 6):
        x = round(frame.x(tick), 1)
        parts.append(tag("line", x1=x, x2=x, y1=8, y2=bottom, stroke="#333" if tick == 0 else "#ddd"))
        parts.append(tag("text", f"{tick:+.3g}" if tick else "0", x=x, y=bottom + 14, text_anchor="middle"))
    label = "nats a human solution; left of 0 is better; 95 % by bootstrap over the items"
    parts.append(tag("text", label, x=WIDTH - 10, y=height - 8, text_anchor="end"))
    for index, row in enumerate(rows):
        y = 22 + ROW * index
        if not row.num_seeds:
            parts.append(tag("text", row.label, x=10, y=y, font_weight="bold"))
            continue
        seeds = f"{row.num_seeds} seed{'s' * (row.num_seeds > 1)}"
        parts.append(tag("text", f"{row.label} ({seeds})", x=22, y=y))
        low, middle, high = (round(frame.x(value), 1) for value in (row.low, row.difference, row.high))
        colour = COLOURS[2] if row.high < 0 else COLOURS[1] if row.low > 0 else COLOURS[-1]
        parts.append(tag("line", x1=low, x2=high, y1=y - 4, y2=y - 4, stroke=colour, stroke_width=2))
        parts.append(tag("circle", cx=middle, cy=y - 4, r=4, fill=colour))
    style = Markup("text{font:11px sans-serif;fill:#222}")
    return tag("svg", tag("style", style), *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}")


def families(path: Path) -> list[Panel]:
    """Return the loss over the number of families of stories; the mean of the seeds is the line."""
    tables: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["tasks"]
    table = next(table for task, table in tables.items() if task.endswith(LOSS))
    counts = {arm: int(arm.split()[0].replace(",", "")) for arm in table["arms"] if arm.endswith("stories")}
    by_count = sorted((count, table["arms"][arm]["mean"]) for arm, count in counts.items())
    title = "Human solutions, expected by models that never saw a human problem"
    return [Panel(title, {"stories": by_count}, "families", "nats a solution", log_y=True)]


def training(run: Path) -> list[Panel]:
    """Return the losses of a run's stages by millions of tokens, on common axes."""
    panels = []
    for stage in ("pretrain", "finetune"):
        lines: dict[str, list[tuple[float, float]]] = {"training": [], "held out": []}
        tokens = 0.0
        for record in MetricsLog.lines(run / stage):
            tokens = record.get("tokens", 1e6 * tokens) / 1e6  # a validation has the tokens of the line before it
            kind = "training" if record["kind"] == "train" else "held out"
            lines[kind].append((tokens, record["loss"]))
        lines["training"] = thin(smooth(lines["training"]))
        said = "all tokens" if stage == "pretrain" else "solutions alone"
        title, unit = f"{stage} ({said})", "loss, nats a token"
        panels.append(Panel(title, lines, "million tokens", unit, log_y=True, log_x=False))
    return panels


def main() -> None:
    """Draw what there are results of."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?", help="the run whose training is drawn")
    options = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "ablations.svg").write_text(forest(differences(RESULTS)) + "\n", encoding="utf-8")
    draw(IMAGES / "families.svg", families(RESULTS / "ablation-families.json"))
    if options.run:
        draw(IMAGES / "training.svg", training(options.run))


if __name__ == "__main__":
    main()

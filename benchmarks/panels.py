"""Charts beside each other on common axes, as one SVG that needs no style sheet and no script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganita.report.charts import Frame, linear_ticks, log_ticks
from ganita.report.markup import Markup, join, tag


@dataclass(frozen=True)
class Panel:
    """One chart of several side by side; the first panel's axes are those of all."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    x_label: str
    y_label: str
    log_y: bool = False
    log_x: bool = True
    minima: bool = False  # mark each line's lowest point


COLOURS = ("#274f8c", "#b4531d", "#3b7d4f", "#8a3b7a", "#7a6a1d", "#1d7a7a", "#555")
WIDTH, HEIGHT = 380, 300


def draw(path: Path, panels: Sequence[Panel]) -> None:
    """Write panels in two columns (a single one across both), on common axes and with one legend, into one SVG."""
    points = [point for panel in panels for line in panel.lines.values() for point in line]
    xs, ys = [x for x, _ in points], sorted(y for _, y in points)
    # Losses of rates that are far too large would leave no room for the others.
    top = ys[-1] if panels[0].log_y else min(ys[-1], ys[0] + 3 * (ys[len(ys) // 2] - ys[0]) + 0.1)
    bounds = (ys[0] / 1.2, top * 1.2) if panels[0].log_y else (ys[0] - 0.03 * (top - ys[0]), top)
    log_x, log_y = panels[0].log_x, panels[0].log_y
    x_range = (min(xs) if log_x else 0.0, max(xs))
    width = WIDTH if len(panels) > 1 else 2 * WIDTH
    frame = Frame(width, HEIGHT, x_range, bounds, log_x, log_y, left=52, right=18, top=30, bottom=42)
    parts = [
        tag("g", draw_panel(panel, frame), transform=f"translate({index % 2 * WIDTH} {index // 2 * HEIGHT})")
        for index, panel in enumerate(panels)
    ]
    height = HEIGHT * math.ceil(len(panels) / 2) + 24
    for index, label in enumerate(panels[0].lines):
        x = 20 + index * (2 * WIDTH - 30) / len(panels[0].lines)
        parts.append(tag("rect", x=round(x), y=height - 16, width=10, height=3, fill=COLOURS[index % len(COLOURS)]))
        parts.append(tag("text", label, x=round(x + 14), y=height - 11))
    style = "text{font:11px sans-serif;fill:#222}line{stroke:#ddd}polyline{fill:none;stroke-width:1.6}"
    image = tag(
        "svg",
        tag("style", Markup(style)),
        Markup('<rect width="100%" height="100%" fill="#fff"/>'),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {2 * WIDTH} {height}",
    )
    path.write_text(image + "\n", encoding="utf-8")


def draw_panel(panel: Panel, frame: Frame) -> Markup:
    """Draw axes, lines and marks of one panel."""
    parts = [tag("text", panel.title, x=frame.left, y=18, font_weight="bold")]
    bottom = frame.height - frame.bottom
    for value in log_ticks(*frame.y_range) if panel.log_y else linear_ticks(*frame.y_range, 5):
        y = round(frame.y(value), 1)
        parts.append(tag("line", x1=frame.left, x2=frame.width - frame.right, y1=y, y2=y))
        parts.append(tag("text", f"{value:.3g}", x=frame.left - 5, y=y + 4, text_anchor="end"))
    measured = sorted({x for line in panel.lines.values() for x, _ in line})
    for value in measured if panel.log_x else linear_ticks(*frame.x_range):
        x = round(frame.x(value), 1)
        parts.append(tag("line", x1=x, x2=x, y1=frame.top, y2=bottom))
        parts.append(
            tag("text", f"{value:.2g}" if value < 1 else f"{value:g}", x=x, y=bottom + 14, text_anchor="middle")
        )
    parts.append(tag("text", panel.x_label, x=frame.width / 2, y=bottom + 30, text_anchor="middle"))
    middle = frame.height / 2
    turned = f"rotate(-90 12 {middle:g})"
    parts.append(tag("text", panel.y_label, x=12, y=middle, text_anchor="middle", transform=turned))
    for index, line in enumerate(panel.lines.values()):
        colour = COLOURS[index % len(COLOURS)]
        places = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in line)
        parts.append(tag("polyline", points=places, stroke=colour))
        if panel.minima and line:
            x, y = min(line, key=lambda point: point[1])
            parts.append(tag("circle", cx=round(frame.x(x), 1), cy=round(frame.y(y), 1), r=4, fill=colour))
    return join(parts)

"""Reliability: how often answers of a confidence are right."""

from __future__ import annotations

from typing import Any

from predictor.report.figures.style import LIGHT, axis, base_layout
from predictor.statistics import Calibration


def reliability_figure(one: Calibration) -> dict[str, Any]:
    """Draw the share of right answers against confidence, a point per bin with its items as area, beside the diagonal.

    Args:
        one: a checkpoint on a benchmark.

    Returns:
        a plotly figure as plain `data` and `layout`, in percent.
    """
    largest = max(part.items for part in one.bins)
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [round(100 * part.confidence, 1) for part in one.bins],
        "y": [round(100 * part.right, 1) for part in one.bins],
        "text": [f"{part.items} items" for part in one.bins],
        "hovertemplate": "sure %{x:.0f} %, right %{y:.0f} %<br>%{text}<extra></extra>",
        "line": {"color": LIGHT["curve"], "width": 1.5},
        "marker": {"color": LIGHT["curve"], "size": [round(5 + 13 * (p.items / largest) ** 0.5, 1) for p in one.bins]},
    }
    layout = base_layout()
    layout["xaxis"] = axis("probability of the choice taken", range=[0, 102], ticksuffix=" %", nticks=6)
    layout["yaxis"] = axis("share that is right", range=[0, 102], ticksuffix=" %", nticks=6)
    line = {"color": LIGHT["quiet"], "width": 1, "dash": "dash"}
    layout["shapes"] = [{"type": "line", "x0": 0, "x1": 100, "y0": 0, "y1": 100, "line": line, "layer": "below"}]
    return {"data": [points], "layout": layout}

"""The backtest: what was forecast of held-out runs against what they scored."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd

from predictor.report.figures.style import LIGHT, axis, base_layout

# From this many points on they are drawn small and see-through.
_CROWDED = 300


def backtest_figure(points: pd.DataFrame) -> dict[str, Any]:
    """Draw forecast against truth, one point per held-out run and benchmark; on the line they agree.

    Args:
        points: columns `label` (run and benchmark), `forecast`, `truth` (shares), `firm` (graded A to E).

    Returns:
        a plotly figure as plain `data` and `layout`, in percent, in the colours for light backgrounds.
    """
    ends = np.concatenate([points["forecast"].to_numpy(float), points["truth"].to_numpy(float)]) * 100
    low, high = max(float(ends.min()) - 2, 0.0), min(float(ends.max()) + 2, 100.0)
    crowded = len(points) > _CROWDED
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "forecast and truth agree",
            "x": [round(low, 2), round(high, 2)],
            "y": [round(low, 2), round(high, 2)],
            "line": {"color": LIGHT["quiet"], "width": 1.2, "dash": "dash"},
            "hoverinfo": "skip",
        }
    ]
    for firm, name, role in ((False, "graded F", "unsure"), (True, "graded A to E", "curve")):
        part = points[points["firm"] == firm]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [round(100 * float(value), 2) for value in part["forecast"]],
                "y": [round(100 * float(value), 2) for value in part["truth"]],
                "text": [html.escape(str(label)) for label in part["label"]],
                "hovertemplate": "<b>%{text}</b><br>forecast %{x:.1f} %, truth %{y:.1f} %<extra></extra>",
                "marker": {"color": LIGHT[role], "size": 4 if crowded else 6, "opacity": 0.5 if crowded else 0.75},
            }
        )
    layout = base_layout()
    span = [round(low, 2), round(high, 2)]
    layout["xaxis"] = axis("forecast", range=span, ticksuffix=" %", nticks=6)
    layout["yaxis"] = axis("truth", range=span, ticksuffix=" %", nticks=6)
    return {"data": traces, "layout": layout}

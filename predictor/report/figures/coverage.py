"""How often intervals held what was measured, against the distance of extrapolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from predictor.report.coverage import Held
from predictor.report.figures.style import LIGHT, axis, base_layout, log_axis, significant

_ROLES = {"80": "curve", "95": "target"}


def coverage_figure(bands: Sequence[Held]) -> dict[str, Any]:
    """Draw the share of held-out scores inside the intervals of each level, a dashed line at what it is meant to be.

    Args:
        bands: one per band of distance.

    Returns:
        a plotly figure as plain `data` and `layout`, in percent, in the colours for light backgrounds.
    """
    x = np.array([one.ratio for one in bands])
    traces, shapes = [], []
    for level, role in _ROLES.items():
        line = {"color": LIGHT[role], "width": 1.2, "dash": "dash"}
        ends = {"x0": 0, "x1": 1, "y0": float(level), "y1": float(level)}
        shapes.append({"type": "line", "xref": "paper", **ends, "line": line, "layer": "below"})
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{level}% interval",
                "x": significant(x),
                "y": [round(100 * one.inside[level], 1) for one in bands],
                "text": [f"{one.band}, {one.forecasts} forecasts" for one in bands],
                "hovertemplate": f"{level}% interval held %{{y:.0f}} %<br>%{{text}}<extra></extra>",
                "line": {"color": LIGHT[role], "width": 2},
                "marker": {"color": LIGHT[role], "size": 7},
            }
        )
    lowest = min([60.0, *(100 * min(one.inside.values()) - 5 for one in bands)])
    layout = base_layout()
    layout["xaxis"] = log_axis(np.append(x, [0.9 * x.min(), 1.1 * x.max()]), "compute over the fitted runs")
    layout["yaxis"] = axis(range=[round(lowest, 1), 101.0], ticksuffix=" %", nticks=6)
    layout["shapes"] = shapes
    return {"data": traces, "layout": layout}

"""One benchmark along training: a line per run."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pandas as pd

from predictor.quantity import format_quantity
from predictor.report.figures.style import LIGHT, axis, base_layout, log_axis, ramp, significant

# From this many checkpoints of a run on, its points are left out and the line stays.
_CROWDED = 40
_DASHES = ("solid", "dash", "dot", "dashdot")


def runs_figure(rows: pd.DataFrame, chance: float | None, unit: str = "") -> dict[str, Any]:
    """Draw scores against training tokens: colour by size, dashes for runs of one size, a name in the legend for each.

    Args:
        rows: columns run, params, tokens, value.
        chance: the score of guessing, or None.
        unit: what the axis is called, as `loss`; empty for shares, which are drawn in percent.

    Returns:
        a plotly figure as plain `data` and `layout`, in the colours for light backgrounds.
    """
    rows = rows[rows["tokens"] > 0].sort_values(["params", "run", "tokens"])
    sizes = sorted(rows["params"].unique())
    factor, digits = (1.0, 4) if unit else (100.0, 2)
    colours = ramp(len(sizes)) if sizes else []
    seen: dict[int, int] = {}
    traces = []
    for run, part in rows.groupby("run", sort=False):
        size = int(part["params"].iloc[0])
        number = seen[size] = seen.get(size, -1) + 1
        colour = colours[sizes.index(size)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines" if len(part) > _CROWDED else "lines+markers",
                "name": html.escape(str(run)),
                "x": significant(part["tokens"].to_numpy(float)),
                "y": [round(factor * float(value), digits) for value in part["value"]],
                # What toggles know a size by.
                "meta": format_quantity(size),
                "line": {"color": colour, "width": 1.8, "dash": _DASHES[number % len(_DASHES)]},
                "marker": {"color": colour, "size": 4},
                "hovertemplate": (
                    f"<b>{html.escape(str(run))}</b>, {format_quantity(size)} parameters<br>"
                    "%{y} at %{x:.3s} tokens<extra></extra>"
                ),
            }
        )
    layout = base_layout()
    tokens = rows["tokens"].to_numpy(float) if len(rows) else np.array([1.0, 10.0])
    layout["xaxis"] = log_axis(tokens, "training tokens")
    # Zoom and hidden lines stay as the data grows.
    layout["uirevision"] = "kept"
    layout["showlegend"] = len(traces) > 1
    layout["legend"] = {"font": {"size": 11, "color": LIGHT["quiet"]}, "orientation": "h", "y": -0.18}
    layout["yaxis"] = axis(unit or "score", nticks=6, **({} if unit else {"ticksuffix": "%"}))
    if chance is not None:
        line = {"color": LIGHT["quiet"], "width": 1.2, "dash": "dash"}
        level = round(factor * chance, 2)
        layout["shapes"] = [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": line}]
    return {"data": traces, "layout": layout}

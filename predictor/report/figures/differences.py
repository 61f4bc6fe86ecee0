"""Differences of two sides with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from predictor.report.figures.style import LIGHT, axis, base_layout
from predictor.statistics import Difference

_ROW = 26
_COLOURS = {"better": "curve", "worse": "alarm"}


def differences_figure(rows: Sequence[Difference], names: Sequence[str]) -> dict[str, Any]:
    """Draw differences of one measure with their intervals; those that are better or worse in colour.

    Args:
        rows: the differences, from top to bottom.
        names: what each is called.

    Returns:
        a plotly figure as plain `data` and `layout`: shares in points, other measures in their unit.
    """
    shares = rows[0].is_share
    factor, places = (100, 2) if shares else (1, 4)
    traces = []
    for row, name in zip(rows, names, strict=True):
        colour = LIGHT[_COLOURS.get(row.verdict, "unsure")]
        middle = round(factor * row.difference, places)
        above, below = (round(factor * reach, places) for reach in _reach(row))
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [middle],
                "y": [name],
                "error_x": {"type": "data", "array": [above], "arrayminus": [below], "color": colour, "thickness": 2},
                "marker": {"color": colour, "size": 8},
                "hovertemplate": f"{name}<br>%{{x:+.4g}}<extra></extra>",
            }
        )
    layout = base_layout()
    layout["xaxis"] = axis("difference in points" if shares else f"difference in {rows[0].metric}", nticks=7)
    layout["yaxis"] = axis(autorange="reversed", type="category")
    zero = {"type": "line", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "layer": "below"}
    layout["shapes"] = [{**zero, "line": {"color": LIGHT["quiet"], "width": 1}}]
    layout["height"] = 70 + _ROW * len(rows)
    return {"data": traces, "layout": layout}


def _reach(row: Difference) -> tuple[float, float]:
    """Return how far the interval reaches above and below the difference; nothing where no error is known."""
    low, high = row.interval
    known = low == low
    return (max(high - row.difference, 0.0), max(row.difference - low, 0.0)) if known else (0.0, 0.0)

"""The mean score over size, length of training and cost: which of the two a larger budget should buy."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from predictor.quantity import format_quantity
from predictor.report.figures.style import LIGHT, axis, base_layout, log_axis, ramp, significant
from predictor.report.sensitivity import FACTORS, GPU, Cell, gpu_days


def sensitivity_figure(grid: Sequence[Sequence[Cell]], name: str) -> dict[str, Any] | None:
    """Draw the forecast mean against training compute: a line per size, along which training grows longer.

    Args:
        grid: from `forecast_grid`.
        name: of what is drawn, as `mean of 12 benchmarks`.

    Returns:
        a plotly figure as plain `data` and `layout`, in the colours for light backgrounds; None where there is no mean.
    """
    plan = FACTORS.index(1.0)
    planned = grid[plan][plan]
    if planned.mean is None:
        return None
    colours = ramp(len(grid))
    traces = [_line(cells, colours[place], place == plan) for place, cells in enumerate(grid)]
    traces.append(_planned(planned))
    shown = [value for cells in grid for cell in cells if cell.mean for value in cell.mean[:1]]
    heights = np.array([*shown, *planned.mean])
    layout = base_layout()
    layout["xaxis"] = log_axis(np.array([cell.flops for cells in grid for cell in cells]), "training compute, FLOPs")
    margin = max(0.08 * float(np.ptp(heights)), 0.5)
    span = [round(float(heights.min()) - margin, 2), round(float(heights.max()) + margin, 2)]
    layout["yaxis"] = axis(html.escape(name), range=span, ticksuffix="%", nticks=6)
    layout["showlegend"] = True
    layout["legend"] = {"orientation": "h", "y": -0.25, "font": {"size": 11, "color": LIGHT["quiet"]}}
    return {"data": traces, "layout": layout}


def _line(cells: Sequence[Cell], colour: str, planned: bool) -> dict[str, Any]:
    kept = [cell for cell in cells if cell.mean is not None]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{format_quantity(cells[0].params)}{' (planned size)' if planned else ''}",
        "x": significant(np.array([cell.flops for cell in kept])),
        "y": [cell.mean[0] for cell in kept if cell.mean],
        "text": [_describe(cell) for cell in kept],
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": colour, "width": 2.6 if planned else 1.6},
        "marker": {"color": colour, "size": 6},
    }


def _planned(cell: Cell) -> dict[str, Any]:
    assert cell.mean is not None
    median, low, high = cell.mean
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "the plan, 80% interval",
        "x": significant(np.array([cell.flops])),
        "y": [median],
        "text": [_describe(cell)],
        "hovertemplate": "<b>the plan</b><br>%{text}<extra></extra>",
        "marker": {"color": LIGHT["target"], "size": 11, "symbol": "diamond"},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [round(max(high - median, 0.0), 2)],
            "arrayminus": [round(max(median - low, 0.0), 2)],
            "color": LIGHT["target"],
            "thickness": 3,
            "width": 0,
        },
    }


def _describe(cell: Cell) -> str:
    assert cell.mean is not None
    return (
        f"{format_quantity(cell.params)} parameters, {format_quantity(cell.tokens)} tokens<br>"
        f"{cell.mean[0]:.1f}%, 80% interval {cell.mean[1]:.1f}–{cell.mean[2]:.1f}<br>"
        f"{cell.flops:.2e} FLOPs, about {format_quantity(gpu_days(cell.flops))} {GPU} days"
    )

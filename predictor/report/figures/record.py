"""The track record of registered forecasts: calibration, and errors beside the stated width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from predictor.report.figures.style import LIGHT, axis, base_layout


def calibration_figure(curve: Sequence[Mapping[str, float]], forecasts: int) -> dict[str, Any]:
    """Draw how often central intervals of each level held the score, beside the line of right intervals.

    Args:
        curve: `level` and `inside` of each point, as shares.
        forecasts: number of forecasts behind it.

    Returns:
        a plotly figure as plain `data` and `layout`, in percent, in the colours for light backgrounds.
    """
    x = [round(100 * point["level"], 1) for point in curve]
    y = [round(100 * point["inside"], 1) for point in curve]
    right = _line([0, 100], [0, 100], "right intervals")
    seen = {**_points(x, y), "mode": "lines+markers", "line": {"color": LIGHT["curve"], "width": 2}}
    seen["hovertemplate"] = f"%{{x:.0f}}% intervals held %{{y:.0f}}% of {forecasts}<extra></extra>"
    layout = base_layout()
    layout["xaxis"] = axis("level of the central interval", range=[0, 100], ticksuffix="%", dtick=20)
    layout["yaxis"] = axis("scores inside", range=[0, 102], ticksuffix="%", dtick=20)
    return {"data": [right, seen], "layout": layout}


def width_figure(groups: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Draw mean errors of groups of forecasts over the stated half-width, beside the line of what that promises.

    Args:
        groups: `half_width`, `error`, `expected` and `forecasts` of each, as shares.

    Returns:
        a plotly figure as plain `data` and `layout`, in points, in the colours for light backgrounds.
    """
    x = [round(100 * group["half_width"], 2) for group in groups]
    y = [round(100 * group["error"], 2) for group in groups]
    slope = groups[-1]["expected"] / groups[-1]["half_width"] if groups[-1]["half_width"] else 0.0
    end = round(1.1 * max(x), 2)
    seen = {**_points(x, y), "mode": "markers", "text": [f"{group['forecasts']:.0f} forecasts" for group in groups]}
    seen["hovertemplate"] = "stated ± %{x:.1f}, error %{y:.1f} points<br>%{text}<extra></extra>"
    layout = base_layout()
    layout["xaxis"] = axis("stated half-width of the 80% interval (points)", range=[0, end])
    layout["yaxis"] = axis("mean error (points)", rangemode="tozero")
    return {"data": [_line([0, end], [0, round(slope * end, 2)], "as promised"), seen], "layout": layout}


def _points(x: list[float], y: list[float]) -> dict[str, Any]:
    return {"type": "scatter", "x": x, "y": y, "marker": {"color": LIGHT["curve"], "size": 8}}


def _line(x: list[float], y: list[float], name: str) -> dict[str, Any]:
    line = {"color": LIGHT["quiet"], "width": 1.2, "dash": "dash"}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": line, "hoverinfo": "skip"}

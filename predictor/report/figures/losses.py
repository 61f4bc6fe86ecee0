"""A held-out loss against compute: the runs, the fitted law with its band, the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting import Target
from predictor.quantity import format_quantity
from predictor.report.figures.style import LIGHT, axis, base_layout, log_axis, significant

Array = NDArray[np.float64]
Ends = tuple[float, float]


def loss_figure(
    flops: Array,
    observed: Array,
    curve: tuple[Array, Array, Array, Array],
    target: Target,
    value: float,
    intervals: dict[str, Ends],
) -> dict[str, Any]:
    """Draw a loss: observations, the law along a path of models with its 80% band, the target with its intervals.

    Args:
        flops: training compute of the observations, shape (observations,).
        observed: their losses, the same shape.
        curve: compute, loss, lower and upper end of the band along the path, each of shape (points,).
        target: the model that is forecast.
        value: its loss by the law.
        intervals: level -> the ends of the interval there.

    Returns:
        a plotly figure as plain `data` and `layout`, in the colours for light backgrounds.
    """
    path, middle, low, high = curve
    x = significant(path)
    edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "x": x}
    band = {"fill": "tonexty", "fillcolor": LIGHT["band"], "showlegend": True}
    traces: list[dict[str, Any]] = [
        {**edge, "y": significant(low), "name": "80% band, lower end"},
        {**edge, **band, "y": significant(high), "name": "80% band"},
        {
            "type": "scatter",
            "mode": "lines",
            "name": "fitted law",
            "x": x,
            "y": significant(middle),
            "line": {"color": LIGHT["curve"], "width": 2},
            "hovertemplate": "fitted law<br>%{y:.4g} at %{x:.2e} FLOPs<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": "runs",
            "x": significant(flops),
            "y": significant(observed),
            "hovertemplate": "<b>%{y:.4g}</b> at %{x:.2e} FLOPs<extra></extra>",
            "marker": {"color": LIGHT["run"], "size": 6, "opacity": 0.85},
        },
        *_target(target, value, intervals),
    ]
    heights = np.concatenate([observed, middle, np.array([*intervals["95"]])])
    margin = 0.06 * float(np.ptp(heights)) + 0.005
    layout = base_layout()
    layout["xaxis"] = log_axis(np.concatenate([flops, path, [target.flops]]), "training compute, FLOPs")
    span = [round(float(heights.min()) - margin, 4), round(float(heights.max()) + margin, 4)]
    layout["yaxis"] = axis("loss", range=span, nticks=6)
    return {"data": traces, "layout": layout}


def _target(target: Target, value: float, intervals: dict[str, Ends]) -> list[dict[str, Any]]:
    size = f"{format_quantity(target.params)} parameters, {format_quantity(target.tokens)} tokens"
    traces = []
    for level, thickness, cap in (("95", 1.5, 5), ("80", 5, 0)):
        low, high = intervals[level]
        told = f"<b>target</b>, {size}<br>{value:.4g}<br>{level}% interval {low:.4g}–{high:.4g}"
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"target, {level}% interval",
                "x": significant(np.array([target.flops])),
                "y": significant(np.array([value])),
                "hovertemplate": f"{told}<extra></extra>",
                "marker": {"color": LIGHT["target"], "size": 11, "symbol": "diamond"},
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": significant(np.array([max(high - value, 0.0)])),
                    "arrayminus": significant(np.array([max(value - low, 0.0)])),
                    "color": LIGHT["target"],
                    "thickness": thickness,
                    "width": cap,
                },
            }
        )
    return traces

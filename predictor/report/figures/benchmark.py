"""A benchmark against compute: the runs, the fitted curve with its band, the target."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.forecast import Curve, Target, TaskForecast
from predictor.forecast.grade import NOT_FORECASTABLE
from predictor.forecast.panel import Panel
from predictor.quantity import format_quantity
from predictor.report.figures.style import LIGHT, axis, base_layout, log_axis, percent, significant

# From this many observations on, points are drawn small and see-through.
_CROWDED = 60


def benchmark_figure(panel: Panel, row: int, forecast: TaskForecast, curve: Curve, target: Target) -> dict[str, Any]:
    """Draw one benchmark: runs, fitted curve with its 80 % band, the target with its intervals, the chance level.

    Args:
        panel: the observations.
        row: number of the series in the panel.
        forecast: its forecast.
        curve: the forecast along a path of models.
        target: the model that is forecast.

    Returns:
        a plotly figure as plain `data` and `layout`, scores in percent, in the colours for light backgrounds.
    """
    firm = forecast.grade != NOT_FORECASTABLE
    traces = [*_curve(curve, firm), _runs(panel, row), *_target(forecast, target, firm)]
    seen = np.isfinite(panel.score[row])
    heights = [100 * panel.score[row][seen], np.array(forecast.intervals["95"]) * 100, *([100 * curve.median] * firm)]
    if forecast.chance is not None:
        heights.append(np.array([100 * forecast.chance]))
    abscissae = [panel.flops[seen], np.array([target.flops]), curve.flops]
    return {"data": traces, "layout": layout(np.concatenate(abscissae), np.concatenate(heights), forecast.chance)}


def _curve(curve: Curve, firm: bool) -> list[dict[str, Any]]:
    x = significant(curve.flops)
    line, band = ("curve", "band") if firm else ("unsure", "unsure_band")
    edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    return [
        {**edge, "x": x, "y": percent(curve.lower), "name": "80 % band, lower end"},
        {**edge, "x": x, "y": percent(curve.upper), "name": "80 % band", "fill": "tonexty", "fillcolor": LIGHT[band]},
        {
            "type": "scatter",
            "mode": "lines",
            "name": "fitted curve",
            "x": x,
            "y": percent(curve.median),
            "line": {"color": LIGHT[line], "width": 2, "dash": "solid" if firm else "dot"},
            "hovertemplate": "fitted curve<br>%{y:.1f} % at %{x:.2e} FLOPs<extra></extra>",
        },
    ]


def _runs(panel: Panel, row: int) -> dict[str, Any]:
    seen = np.flatnonzero(np.isfinite(panel.score[row]))
    seen = seen[np.argsort(panel.flops[seen], kind="stable")]
    # Plotly reads some HTML in hover texts, links among it: names are escaped like everywhere else.
    told = [
        f"<b>{html.escape(panel.runs[panel.run[i]])}</b><br>{format_quantity(panel.params[i])} parameters, "
        f"{format_quantity(panel.tokens[i])} tokens<br>"
        f"{100 * panel.score[row, i]:.1f} ± {100 * panel.stderr[row, i]:.1f} %"
        for i in seen
    ]
    crowded = seen.size > _CROWDED
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "runs",
        "x": significant(panel.flops[seen]),
        "y": percent(panel.score[row, seen]),
        "text": told,
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": LIGHT["run"], "size": 5 if crowded else 7, "opacity": 0.7 if crowded else 1},
        "error_y": {
            "type": "data",
            "array": percent(np.nan_to_num(panel.stderr[row, seen])),
            "color": LIGHT["run_error"],
            "thickness": 1,
            "width": 0,
        },
    }


def _target(forecast: TaskForecast, target: Target, firm: bool) -> list[dict[str, Any]]:
    median, colour = 100 * forecast.median, LIGHT["target" if firm else "unsure"]
    size = f"{format_quantity(target.params)} parameters, {format_quantity(target.tokens)} tokens"
    traces = []
    for level, thickness, cap in (("95", 1.5, 5), ("80", 5, 0)):
        low, high = (100 * end for end in forecast.intervals[level])
        told = f"{level} % interval {low:.1f}–{high:.1f} %"
        heading = f"<b>target</b>, {size}<br>"
        heading += f"median {median:.1f} %<br>" if firm else "not forecastable<br>"
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"target, {level} % interval",
                "x": significant(np.array([target.flops])),
                "y": [round(median, 2)],
                "hovertemplate": f"{heading}{told}<extra></extra>",
                "marker": {"color": colour, "size": 11 if firm else 1, "symbol": "diamond"},
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [round(max(high - median, 0.0), 2)],
                    "arrayminus": [round(max(median - low, 0.0), 2)],
                    "color": colour,
                    "thickness": thickness,
                    "width": cap,
                },
            }
        )
    return traces


def layout(flops: NDArray[np.float64], heights: NDArray[np.float64], chance: float | None) -> dict[str, Any]:
    """Lay out a figure of scores in percent over training compute, with a line at chance where it is known."""
    low, high = float(heights.min()), float(heights.max())
    margin = max(0.08 * (high - low), 1.0)
    made = base_layout()
    made["xaxis"] = log_axis(flops, "training compute, FLOPs")
    span = [round(max(low - margin, -1.0), 2), round(min(high + margin, 101.0), 2)]
    made["yaxis"] = axis(range=span, ticksuffix=" %", nticks=6)
    if chance is not None:
        level = round(100 * chance, 2)
        line = {"color": LIGHT["quiet"], "width": 1.2, "dash": "dash"}
        made["shapes"] = [
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": level,
                "y1": level,
                "line": line,
                "layer": "above",
            }
        ]
        made["annotations"] = [
            {
                "text": f"chance {level:.3g} %",
                "xref": "paper",
                # Small runs lie near chance on the left and the target on the right: between them is the most room.
                "x": 0.9,
                "y": level,
                "xanchor": "right",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 11, "color": LIGHT["quiet"]},
            }
        ]
    return made

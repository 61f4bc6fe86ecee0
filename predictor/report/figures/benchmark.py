"""A benchmark against compute: the runs, the fitted curve with its band, the target."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting import Curve, Target, TaskForecast
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.panel import Panel
from predictor.quantity import format_quantity
from predictor.report.figures.style import LIGHT, axis, base_layout, log_axis, percent, significant
from predictor.results.scales import Scale

# From this many observations on, points are drawn small and see-through.
_CROWDED = 60


def benchmark_figure(panel: Panel, row: int, forecast: TaskForecast, curve: Curve, target: Target) -> dict[str, Any]:
    """Draw one benchmark: runs, fitted curve with its 80% band, the target with its intervals, the chance level.

    Args:
        panel: the observations.
        row: number of the series in the panel.
        forecast: its forecast.
        curve: the forecast along a path of models.
        target: the model that is forecast.

    Returns:
        a plotly figure as plain `data` and `layout`, shares in percent and others in their unit, in the colours for
        light backgrounds.
    """
    firm, scale = forecast.grade != NOT_FORECASTABLE, forecast.scale
    traces = [*_curve(curve, firm, scale), _runs(panel, row), *_target(forecast, target, firm)]
    seen = np.isfinite(panel.score[row])
    shown = [panel.own_values(row)[0][seen], np.array(forecast.intervals["95"]), *([curve.median] * firm)]
    if forecast.chance is not None:
        shown.append(np.array([forecast.chance]))
    abscissae = np.concatenate([panel.flops[seen], np.array([target.flops]), curve.flops])
    heights = _factor(scale) * np.concatenate(shown)
    if scale.is_share:
        return {"data": traces, "layout": layout(abscissae, heights, forecast.chance, html.escape(forecast.metric))}
    made = layout(abscissae, heights, None)
    made["yaxis"] = axis(html.escape(forecast.metric), nticks=6)
    return {"data": traces, "layout": made}


def _factor(scale: Scale) -> float:
    return 100.0 if scale.is_share else 1.0


def _shown(values: NDArray[np.float64], scale: Scale) -> list[float]:
    return percent(values) if scale.is_share else significant(values)


def _curve(curve: Curve, firm: bool, scale: Scale) -> list[dict[str, Any]]:
    x = significant(curve.flops)
    lower, upper = _shown(curve.lower, scale), _shown(curve.upper, scale)
    value = "%{y:.1f}%" if scale.is_share else "%{y:.4g}"
    line, band = ("curve", "band") if firm else ("unsure", "unsure_band")
    edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    return [
        {**edge, "x": x, "y": lower, "name": "80% band, lower end"},
        {
            **edge,
            "x": x,
            "y": upper,
            "name": "80% band",
            "fill": "tonexty",
            "fillcolor": LIGHT[band],
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "fitted curve",
            "x": x,
            "y": _shown(curve.median, scale),
            "line": {"color": LIGHT[line], "width": 2, "dash": "solid" if firm else "dot"},
            "hovertemplate": f"fitted curve<br>{value} at %{{x:.2e}} FLOPs<extra></extra>",
        },
    ]


def _runs(panel: Panel, row: int) -> dict[str, Any]:
    seen = np.flatnonzero(np.isfinite(panel.score[row]))
    seen = seen[np.argsort(panel.flops[seen], kind="stable")]
    scale = panel.series[row].scale
    value, error = panel.own_values(row)
    # Plotly reads some HTML in hover texts, links among it: names are escaped like everywhere else.
    told = [
        f"<b>{html.escape(panel.runs[panel.run[i]])}</b><br>{format_quantity(panel.params[i])} parameters, "
        f"{format_quantity(panel.tokens[i])} tokens<br>"
        f"{scale.write(value[i])} ± {scale.write(error[i])} {scale.sign}".rstrip()
        for i in seen
    ]
    crowded = seen.size > _CROWDED
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "runs",
        "x": significant(panel.flops[seen]),
        "y": _shown(value[seen], scale),
        "text": told,
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": LIGHT["run"], "size": 5 if crowded else 7, "opacity": 0.7 if crowded else 1},
        "error_y": {
            "type": "data",
            "array": _shown(np.nan_to_num(error[seen]), scale),
            "color": LIGHT["run_error"],
            "thickness": 1,
            "width": 0,
        },
    }


def _target(forecast: TaskForecast, target: Target, firm: bool) -> list[dict[str, Any]]:
    factor, scale = _factor(forecast.scale), forecast.scale
    median, colour = factor * forecast.median, LIGHT["target" if firm else "unsure"]
    size = f"{format_quantity(target.params)} parameters, {format_quantity(target.tokens)} tokens"
    traces = []
    for level, thickness, cap in (("95", 1.5, 5), ("80", 5, 0)):
        ends = forecast.intervals[level]
        low, high = (factor * end for end in ends)
        told = f"{level}% interval {scale.write(ends[0])}–{scale.write(ends[1])} {scale.sign}".rstrip()
        heading = f"<b>target</b>, {size}<br>"
        written = f"{scale.write(forecast.median)} {scale.sign}".rstrip()
        heading += f"median {written}<br>" if firm else "not forecastable<br>"
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"target, {level}% interval",
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


def layout(
    flops: NDArray[np.float64], heights: NDArray[np.float64], chance: float | None, title: str = "score"
) -> dict[str, Any]:
    """Lay out a figure of scores in percent over training compute, with a line at chance where it is known."""
    low, high = float(heights.min()), float(heights.max())
    margin = max(0.08 * (high - low), 1.0)
    made = base_layout()
    made["xaxis"] = log_axis(flops, "training compute, FLOPs")
    span = [round(max(low - margin, -1.0), 2), round(min(high + margin, 101.0), 2)]
    made["yaxis"] = axis(title, range=span, ticksuffix="%", nticks=6)
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
                "text": f"chance {level:.3g}%",
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

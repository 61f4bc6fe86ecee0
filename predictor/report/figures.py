"""The one module that draws: a plotly figure per benchmark, and the small bars of the table."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from predictor.forecast import Curve, Target, TaskForecast
from predictor.forecast.panel import Panel
from predictor.quantity import format_quantity
from predictor.report.wording import NOT_FORECASTABLE

# Okabe and Ito's colours, told apart with any colour vision. Role -> on light, on dark; all strings differ, so that a
# viewer can turn a light figure dark by replacing them.
COLOURS: dict[str, tuple[str, str]] = {
    "ink": ("#1d2530", "#e6e9ee"),
    "quiet": ("#5b6675", "#a4aebb"),
    "grid": ("#e3e7ec", "#2f3742"),
    "run": ("#3f4b5c", "#c4ccd8"),
    "run_error": ("rgba(63,75,92,0.45)", "rgba(196,204,216,0.45)"),
    "curve": ("#0072b2", "#56b4e9"),
    "band": ("rgba(0,114,178,0.16)", "rgba(86,180,233,0.20)"),
    "unsure": ("#8a94a3", "#7d8896"),
    "unsure_band": ("rgba(138,148,163,0.18)", "rgba(125,136,150,0.20)"),
    "target": ("#c44f00", "#ff9a4d"),
    "label": ("#ffffff", "#171b21"),
}
_LIGHT = {role: pair[0] for role, pair in COLOURS.items()}
# From this many observations on, points are drawn small and see-through.
_CROWDED = 60
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


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
    return {"data": traces, "layout": _layout(np.concatenate(abscissae), np.concatenate(heights), forecast.chance)}


def _curve(curve: Curve, firm: bool) -> list[dict[str, Any]]:
    x = _significant(curve.flops)
    line, band = ("curve", "band") if firm else ("unsure", "unsure_band")
    edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    return [
        {**edge, "x": x, "y": _percent(curve.lower), "name": "80 % band, lower end"},
        {**edge, "x": x, "y": _percent(curve.upper), "name": "80 % band", "fill": "tonexty", "fillcolor": _LIGHT[band]},
        {
            "type": "scatter",
            "mode": "lines",
            "name": "fitted curve",
            "x": x,
            "y": _percent(curve.median),
            "line": {"color": _LIGHT[line], "width": 2, "dash": "solid" if firm else "dot"},
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
        "x": _significant(panel.flops[seen]),
        "y": _percent(panel.score[row, seen]),
        "text": told,
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": _LIGHT["run"], "size": 5 if crowded else 7, "opacity": 0.7 if crowded else 1},
        "error_y": {
            "type": "data",
            "array": _percent(np.nan_to_num(panel.stderr[row, seen])),
            "color": _LIGHT["run_error"],
            "thickness": 1,
            "width": 0,
        },
    }


def _target(forecast: TaskForecast, target: Target, firm: bool) -> list[dict[str, Any]]:
    median, colour = 100 * forecast.median, _LIGHT["target" if firm else "unsure"]
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
                "x": _significant(np.array([target.flops])),
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


def _layout(flops: NDArray[np.float64], heights: NDArray[np.float64], chance: float | None) -> dict[str, Any]:
    left, right = math.log10(flops.min()), math.log10(flops.max())
    low, high = float(heights.min()), float(heights.max())
    margin = max(0.08 * (high - low), 1.0)
    axis = {
        "gridcolor": _LIGHT["grid"],
        "linecolor": _LIGHT["grid"],
        "zeroline": False,
        "tickfont": {"color": _LIGHT["quiet"]},
        "automargin": True,
    }
    layout: dict[str, Any] = {
        "font": {"family": FONT, "size": 12, "color": _LIGHT["ink"]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "showlegend": False,
        "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": _LIGHT["quiet"], "activecolor": _LIGHT["ink"]},
        "hoverlabel": {"bgcolor": _LIGHT["label"], "bordercolor": _LIGHT["quiet"], "font": {"color": _LIGHT["ink"]}},
        "xaxis": {
            **axis,
            "type": "log",
            "range": [round(left - 0.06 * (right - left) - 0.02, 4), round(right + 0.06 * (right - left) + 0.02, 4)],
            "exponentformat": "power",
            # Plotly sets powers of ten a quarter larger than other ticks.
            "tickfont": {"size": 10, "color": _LIGHT["quiet"]},
            # Whole decades where there are several, else plotly's own choice within one.
            **({"dtick": 1} if right - left >= 1.5 else {}),
            "title": {"text": "training compute, FLOPs", "font": {"color": _LIGHT["quiet"]}, "standoff": 6},
        },
        "yaxis": {
            **axis,
            "range": [round(max(low - margin, -1.0), 2), round(min(high + margin, 101.0), 2)],
            "ticksuffix": " %",
            "nticks": 6,
        },
    }
    if chance is not None:
        level = round(100 * chance, 2)
        line = {"color": _LIGHT["quiet"], "width": 1.2, "dash": "dash"}
        layout["shapes"] = [
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
        layout["annotations"] = [
            {
                "text": f"chance {level:.3g} %",
                "xref": "paper",
                # Small runs lie near chance on the left and the target on the right: between them is the most room.
                "x": 0.9,
                "y": level,
                "xanchor": "right",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 11, "color": _LIGHT["quiet"]},
            }
        ]
    return layout


def interval_bar(forecast: TaskForecast) -> Markup:
    """Draw one forecast on a scale from 0 to 100 % as inline SVG: 95 % and 80 % interval, median, chance, largest run.

    Colours come from the page's style sheet by class, and the numbers stand in the table beside: it is hidden from
    screen readers.
    """
    firm = forecast.grade != NOT_FORECASTABLE
    parts = ['<line class="bar-axis" x1="0" x2="200" y1="12" y2="12"/>']
    for level, top, height in (("95", 8.5, 7), ("80", 5.5, 13)):
        low, high = (200 * end for end in forecast.intervals[level])
        place = f'x="{low:.1f}" y="{top}" width="{max(high - low, 1):.1f}" height="{height}"'
        parts.append(f'<rect class="bar-{level}" {place} rx="1.5"/>')
    if forecast.chance is not None:
        x = 200 * forecast.chance
        parts.append(f'<line class="bar-chance" x1="{x:.1f}" x2="{x:.1f}" y1="1" y2="23"/>')
    if forecast.largest is not None:
        # A triangle under the axis leaves the intervals free.
        parts.append(f'<path class="bar-largest" d="M{200 * forecast.largest:.1f} 19.5l-3.5 5.5h7z"/>')
    if firm:
        x = 200 * forecast.median
        parts.append(f'<line class="bar-median" x1="{x:.1f}" x2="{x:.1f}" y1="2.5" y2="21.5"/>')
    kind = "bar" if firm else "bar bar-unsure"
    # Only numbers of ours were put in.
    return Markup(
        f'<svg class="{kind}" viewBox="-4 0 208 26" width="208" height="26" aria-hidden="true" focusable="false">'
        f"{''.join(parts)}</svg>"
    )


def _percent(shares: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 2) for value in 100 * shares]


def _significant(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]

"""A run in training against its forecast: one figure per benchmark, one for all of them pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.trajectory import Alarm, Band, SeriesTrack, Signal
from predictor.quantity import format_quantity
from predictor.report.figures.style import LIGHT, axis, base_layout, log_axis, significant

_NOTHING: Mapping[float, str] = MappingProxyType({})


def path_figure(one: SeriesTrack, alarms: tuple[Alarm, ...], events: Mapping[float, str] = _NOTHING) -> dict[str, Any]:
    """Draw a series along training: what was expected before the run, what came, what is expected now.

    Args:
        one: the series.
        alarms: when the run left its path; marked by a line at the first.
        events: tokens -> what happened to the run there; marked by dotted lines with their names.

    Returns:
        a plotly figure as plain `data` and `layout`, shares in percent, in the colours for light backgrounds.
    """
    ahead = one.path_tokens >= one.tokens[-1]
    traces = [
        *_band(
            one, one.path_before, np.ones(one.path_tokens.size, dtype=bool), "before", "expected before the run", "dot"
        ),
        *_band(one, one.path_now, ahead, "curve", "expected now", "solid"),
        {
            "type": "scatter",
            "mode": "markers",
            "name": "measured",
            "x": significant(one.tokens),
            "y": _heights(one, one.observed),
            "text": [
                f"{format_quantity(tokens)} tokens<br>{deviation:+.1f} standard deviations"
                for tokens, deviation in zip(one.tokens, one.deviation, strict=True)
            ],
            "hovertemplate": "%{y}%{text}<extra></extra>".replace("%{y}", "<b>%{y}</b><br>"),
            "marker": {"color": LIGHT["run"], "size": 4 if one.tokens.size > 60 else 6},
        },
    ]
    shown = [one.observed, one.path_before.median, one.path_before.lower["80"], one.path_before.upper["80"]]
    heights = np.array(_heights(one, np.concatenate(shown)))
    margin = 0.06 * float(np.ptp(heights)) + (0.3 if _in_percent(one) else 0.01)
    layout = base_layout()
    layout["xaxis"] = log_axis(np.concatenate([one.tokens, one.path_tokens]), "training tokens")
    suffix = {"ticksuffix": "%"} if _in_percent(one) else {}
    span = [round(float(heights.min()) - margin, 3), round(float(heights.max()) + margin, 3)]
    layout["yaxis"] = axis(range=span, nticks=6, **suffix)
    layout["shapes"] = [*_marks(alarms), *_event_marks(events)]
    layout["annotations"] = [
        {"x": math.log10(at), "y": 1, "yref": "paper", "text": what, "showarrow": False, "textangle": -90}
        | {"xanchor": "right", "yanchor": "top", "font": {"size": 10}}
        for at, what in events.items()
    ]
    return {"data": traces, "layout": layout}


def signal_figure(signal: Signal, jump: float, drift: float, alarms: tuple[Alarm, ...]) -> dict[str, Any]:
    """Draw a pooled signal and its cumulative sum, each over what raises an alarm.

    Args:
        signal: the pooled departures.
        jump: standard deviations from which one checkpoint is a jump.
        drift: sum from which a run drifts.
        alarms: when the run left its path.
    """
    x = significant(signal.tokens)
    parts = (("one checkpoint", signal.worse / jump, "markers"), ("cumulative sum", signal.drift / drift, "lines"))
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": mode,
            "name": name,
            "x": x,
            "y": [round(100 * float(value), 1) for value in values],
            "marker": {"color": LIGHT["run"], "size": 5},
            "line": {"color": LIGHT["curve"], "width": 2},
            "hovertemplate": f"{name}<br>%{{y:.0f}}% of the alarm at %{{x:.3s}} tokens<extra></extra>",
        }
        for name, values, mode in parts
    ]
    top = max([120.0, *(max(trace["y"]) + 10 for trace in traces)])
    bottom = min([-20.0, *(min(trace["y"]) - 10 for trace in traces)])
    layout = base_layout()
    layout["xaxis"] = log_axis(signal.tokens, "training tokens")
    layout["yaxis"] = axis("share of an alarm", range=[round(bottom, 1), round(top, 1)], ticksuffix="%", nticks=6)
    line = {"color": LIGHT["alarm"], "width": 1.2, "dash": "dash"}
    level = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 100, "y1": 100, "line": line}
    layout["shapes"] = [level, *_marks(alarms)]
    return {"data": traces, "layout": layout}


def _band(
    one: SeriesTrack, band: Band, keep: NDArray[np.bool_], role: str, name: str, dash: str
) -> list[dict[str, Any]]:
    x = significant(one.path_tokens[keep])
    edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "x": x}
    fill = LIGHT["band" if role == "curve" else f"{role}_band"]
    low, high = (_heights(one, ends["80"][keep]) for ends in (band.lower, band.upper))
    return [
        {**edge, "y": low, "name": f"{name}, lower end"},
        {**edge, "y": high, "name": f"{name}, 80% band", "fill": "tonexty", "fillcolor": fill},
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": x,
            "y": _heights(one, band.median[keep]),
            "line": {"color": LIGHT[role], "width": 2, "dash": dash},
            "hovertemplate": f"{name}<br>%{{y}} at %{{x:.3s}} tokens<extra></extra>",
        },
    ]


def _heights(one: SeriesTrack, values: NDArray[np.float64]) -> list[float]:
    factor, digits = (100.0, 2) if _in_percent(one) else (1.0, 4)
    return [round(factor * float(value), digits) for value in values]


def _in_percent(one: SeriesTrack) -> bool:
    return one.series.share.is_share and not one.series.is_loss


def _event_marks(events: Mapping[float, str]) -> list[dict[str, Any]]:
    line = {"color": LIGHT["run"], "width": 1, "dash": "dot"}
    return [
        {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "x0": at, "x1": at, "line": line}
        for at in events
    ]


def _marks(alarms: tuple[Alarm, ...]) -> list[dict[str, Any]]:
    """Mark when the run first left its path, and when that was known."""
    line = {"color": LIGHT["alarm"], "width": 1.5}
    place = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    return [{**place, "x0": at, "x1": at, "line": line} for at in sorted({one.since for one in alarms[:1]})]

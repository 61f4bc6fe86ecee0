"""What every result can do: be a data frame, a figure and a short line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

LEVELS = ("80", "95")
_INK, _ACCENT = "#1f2937", "#2563eb"
_ROW, _FRAME = 24, 110
"""Pixels of one row of a figure, and of its title and axis together."""


class Presentable(ABC):
    """A result with `to_frame`, `plot`, a representation of one line and a table in notebooks."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Return the result as a data frame, one row per thing it speaks of."""

    @abstractmethod
    def plot(self) -> Any:
        """Draw the result as a `plotly.graph_objects.Figure`."""

    @abstractmethod
    def summary(self) -> str:
        """Return the result in one line."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, border=0, float_format="{:.4g}".format, na_rep="–", max_rows=60)
        return f"<p>{escape(self.summary())}</p>{table}"


def level_columns(intervals: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Return the ends of intervals as columns `lo-80`, `hi-80`, `lo-95`, `hi-95`."""
    columns = {}
    for level in LEVELS:
        columns[f"lo-{level}"], columns[f"hi-{level}"] = intervals[level]
    return columns


def interval_figure(
    frame: pd.DataFrame, labels: Sequence[str], centre: str, title: str, axis: str, truth: str | None = None
) -> Any:
    """Draw one row per row of a frame: its centre as a point and its 80% and 95% intervals as bars.

    Args:
        frame: with the column `centre`, `lo-80`, `hi-80` and, where 95% intervals are drawn, `lo-95`, `hi-95`.
        labels: what the rows are called, in the order of the frame; repeated labels are numbered.
        centre: column of the points.
        title: of the figure.
        axis: what the horizontal axis shows, with its unit.
        truth: column of measured values to draw as crosses.
    """
    import plotly.graph_objects as go

    names = _distinct(labels)
    figure = go.Figure()
    for level, width in (("95", 3), ("80", 8)):
        if f"lo-{level}" in frame:
            x: list[float | None] = []
            y: list[str | None] = []
            for name, low, high in zip(names, frame[f"lo-{level}"], frame[f"hi-{level}"], strict=True):
                x += [low, high, None]
                y += [name, name, None]
            line = {"color": _ACCENT, "width": width}
            figure.add_scatter(x=x, y=y, mode="lines", line=line, opacity=0.45, name=f"{level}% interval")
    point = {"color": _INK, "size": 8}
    figure.add_scatter(x=frame[centre].tolist(), y=names, mode="markers", marker=point, name=centre)
    if truth is not None:
        cross = {"color": _INK, "size": 9, "symbol": "x-thin", "line": {"width": 2}}
        figure.add_scatter(x=frame[truth].tolist(), y=names, mode="markers", marker=cross, name=truth)
    return finished(figure, title, axis, rows=len(names))


def finished(figure: Any, title: str, axis: str, rows: int = 12) -> Any:
    """Return a figure with its title, its axis named and room for its rows, the first on top."""
    figure.update_layout(
        title=title, xaxis_title=axis, template="plotly_white", height=max(300, _FRAME + _ROW * rows), hovermode="y"
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure


def _distinct(labels: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        names.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return names

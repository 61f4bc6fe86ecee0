"""The same figures for paper and slides: matplotlib draws the data that plotly draws in a browser.

No browser takes part, so that figures can be made where there is none, as on a compute node. Matplotlib also carries
its own fonts: a figure looks the same on every machine.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predictor.distribution import install_command
from predictor.errors import InputError
from predictor.report.figures.style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
# Plotly measures in pixels of 1/96 inch, matplotlib in points of 1/72.
_POINTS = 72 / 96
_DOTS_PER_INCH = 200
_DASHES = {"solid": "-", "dash": (0, (4, 3)), "dot": (0, (1, 1.6))}
_MARKERS = {"circle": "o", "diamond": "D"}
_RGBA = re.compile(r"rgba\((\d+),\s*(\d+),\s*(\d+),\s*([\d.]+)\)")
# Text as outlines in SVG: no viewer has to have the font. A fixed salt and no dates: equal figures are equal bytes.
_STYLE = {
    "font.family": "DejaVu Sans",
    "svg.fonttype": "path",
    "svg.hashsalt": "predictor",
    "pdf.fonttype": 42,
    "axes.axisbelow": True,
}
_METADATA: dict[str, dict[str, Any]] = {
    "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    "pdf": {"CreationDate": None},
    "png": {},
}


def require_matplotlib() -> None:
    """Say before any work that figures cannot be drawn.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"the package {error.name} is not installed", install_command("paper")) from None


def render_figure(
    figure: dict[str, Any],
    formats: tuple[str, ...] = FORMATS,
    *,
    title: str = "",
    subtitle: str = "",
    legend: bool = True,
    inches: tuple[float, float] = (6.4, 4.2),
    font_size: float = 9.0,
) -> dict[str, bytes]:
    """Draw a figure for light backgrounds.

    Args:
        figure: plotly's `data` and `layout` as the other modules of this folder give them: scatter traces with lines,
            markers, error bars and bands, on one pair of axes whose ranges are stated.
        formats: of `FORMATS`.
        title: a line above it.
        subtitle: a second line, quieter.
        legend: whether the traces are named below it.
        inches: width and height.
        font_size: in points.

    Returns:
        format -> the file; the same figure gives the same bytes.
    """
    import matplotlib.style

    files = {}
    with matplotlib.style.context(["default", {**_STYLE, "font.size": font_size}]):
        drawn = _draw(figure, title, subtitle, legend, inches, font_size)
        for name in formats:
            stream = io.BytesIO()
            drawn.savefig(stream, format=name, dpi=_DOTS_PER_INCH, metadata=_METADATA[name])
            files[name] = stream.getvalue()
    return files


def _draw(
    figure: dict[str, Any], title: str, subtitle: str, legend: bool, inches: tuple[float, float], font_size: float
) -> Figure:
    # Not through pyplot: that keeps every figure, and a state of the whole process.
    from matplotlib.figure import Figure

    drawn = Figure(figsize=inches, layout="constrained", facecolor="white")
    axes = drawn.add_subplot()
    layout = figure["layout"]
    _axis(axes, "x", layout["xaxis"], font_size)
    _axis(axes, "y", layout["yaxis"], font_size)
    for place, trace in enumerate(figure["data"]):
        _trace(axes, trace, figure["data"][place - 1] if place else None, 2 + place / 100)
    for shape in layout.get("shapes", ()):
        _line(axes, shape)
    for note in layout.get("annotations", ()):
        _note(axes, note)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(LIGHT["grid"])
    axes.grid(True, color=LIGHT["grid"], linewidth=0.6)
    axes.tick_params(which="both", length=0, colors=LIGHT["quiet"])
    if title:
        axes.set_title(
            title, loc="left", fontweight="bold", color=LIGHT["ink"], pad=2.1 * font_size if subtitle else None
        ).set_parse_math(False)
    if subtitle:
        axes.annotate(
            subtitle,
            (0, 1),
            (0, 0.6 * font_size),
            xycoords="axes fraction",
            textcoords="offset points",
            color=LIGHT["quiet"],
            parse_math=False,
        )
    if legend:
        _legend(drawn, axes, font_size)
    return drawn


def _trace(axes: Axes, trace: dict[str, Any], before: dict[str, Any] | None, order: float) -> None:
    from matplotlib.colors import to_rgba

    x, y = np.array(trace["x"], float), np.array(trace["y"], float)
    name = trace["name"] if trace.get("showlegend", True) else f"_{trace['name']}"
    opacity = trace.get("opacity", 1.0)
    if trace.get("fill") == "tonexty":
        assert before is not None, "a band follows its lower end"
        axes.fill_between(
            x, before["y"], y, color=_colour(trace["fillcolor"]), linewidth=0, zorder=order, label=trace["name"]
        )
    line, marker = trace.get("line", {}), trace.get("marker", {})
    if "lines" in trace["mode"] and line.get("width", 1):
        axes.plot(
            x,
            y,
            color=_colour(line["color"]),
            linewidth=_POINTS * line["width"],
            linestyle=_DASHES[line.get("dash", "solid")],
            alpha=opacity,
            zorder=order,
            label=name,
        )
    if "markers" in trace["mode"]:
        size = _POINTS * marker["size"]
        axes.errorbar(
            x,
            y,
            linestyle="none",
            marker=_MARKERS[marker.get("symbol", "circle")],
            # A diamond's size is the side of the square it is turned from.
            markersize=size / math.sqrt(2) if marker.get("symbol") == "diamond" else size,
            markerfacecolor=to_rgba(marker["color"], marker.get("opacity", opacity)),
            markeredgewidth=0,
            zorder=order + 0.001,
            label=f"_{name}" if "lines" in trace["mode"] else name,
            **_error_bars(axes, y, trace.get("error_y")),
        )


def _error_bars(axes: Axes, y: NDArray[np.float64], bars: dict[str, Any] | None) -> dict[str, Any]:
    if bars is None:
        return {}
    # Drawn as far as the axes reach: what lies outside would be seen in viewers that do not cut marks off.
    low, high = axes.get_ylim()
    below = np.minimum(np.array(bars.get("arrayminus", bars["array"]), float), np.maximum(y - low, 0))
    above = np.minimum(np.array(bars["array"], float), np.maximum(high - y, 0))
    return {
        "yerr": np.stack([below, above]),
        "ecolor": _colour(bars["color"]),
        "elinewidth": _POINTS * bars["thickness"],
        "capsize": _POINTS * bars["width"],
        "capthick": _POINTS * bars["thickness"],
    }


def _axis(axes: Axes, which: str, settings: dict[str, Any], font_size: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    axis = getattr(axes, f"{which}axis")
    low, high = settings["range"]
    if settings.get("type") == "log":
        getattr(axes, f"set_{which}scale")("log")
        getattr(axes, f"set_{which}lim")(10**low, 10**high)
        axis.set_major_locator(FixedLocator(_log_ticks(low, high)))
        axis.set_major_formatter(FuncFormatter(_power))
        axis.set_minor_locator(NullLocator())
    else:
        getattr(axes, f"set_{which}lim")(low, high)
        axis.set_major_locator(MaxNLocator(settings.get("nticks", 6)))
        axis.set_major_formatter(FuncFormatter(_suffixed(settings.get("ticksuffix", ""))))
    if "title" in settings:
        axis.set_label_text(settings["title"]["text"], color=LIGHT["quiet"], fontsize=font_size)


def _log_ticks(low: float, high: float) -> list[float]:
    """Mark decades, at most eight of them, and within few decades also their parts."""
    first, last = math.ceil(low), math.floor(high)
    if high - low >= 1.5:
        step = math.ceil((last - first + 1) / 8)
        return [10.0**exponent for exponent in range(first, last + 1, step)]
    parts = (1, 2, 5) if high - low > 0.5 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    ticks = [part * 10.0**exponent for exponent in range(first - 1, last + 1) for part in parts]
    return [one for one in ticks if low <= math.log10(one) <= high]


def _power(value: float, _: int | None = None) -> str:
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = value / 10**exponent
    head = "" if abs(mantissa - 1) < 1e-6 else rf"{mantissa:g}{{\times}}"
    return f"${head}10^{{{exponent}}}$"


def _suffixed(suffix: str) -> Callable[[float, int | None], str]:
    def write(value: float, _: int | None = None) -> str:
        return f"{round(value, 6) + 0:g}{suffix}".replace("-", "\N{MINUS SIGN}")

    return write


def _line(axes: Axes, shape: dict[str, Any]) -> None:
    line = shape["line"]
    style = {
        "color": line["color"],
        "linewidth": _POINTS * line["width"],
        "linestyle": _DASHES[line.get("dash", "solid")],
        "zorder": 1.5 if shape.get("layer") == "below" else 4,
    }
    if shape.get("xref") == "paper":
        axes.axhline(shape["y0"], **style)
    else:
        axes.axvline(shape["x0"], **style)


def _note(axes: Axes, note: dict[str, Any]) -> None:
    axes.text(
        note["x"],
        note["y"],
        note["text"],
        transform=axes.get_yaxis_transform(),
        ha=note["xanchor"],
        va=note["yanchor"],
        fontsize=_POINTS * note["font"]["size"],
        color=note["font"]["color"],
        parse_math=False,
    )


def _legend(drawn: Figure, axes: Axes, font_size: float) -> None:
    handles, names = axes.get_legend_handles_labels()
    if not handles:
        return
    legend = drawn.legend(
        handles,
        names,
        loc="outside lower left",
        ncols=5,
        frameon=False,
        fontsize=0.9 * font_size,
        labelcolor=LIGHT["quiet"],
        handlelength=1.6,
        columnspacing=1.4,
        borderaxespad=0.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _colour(name: str) -> Any:
    match = _RGBA.fullmatch(name)
    if match is None:
        return name
    return (*(int(match[i]) / 255 for i in (1, 2, 3)), float(match[4]))

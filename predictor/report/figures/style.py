"""What all figures share: colours, type, axes, rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    "before": ("#6b7686", "#99a3b1"),
    "before_band": ("rgba(107,118,134,0.13)", "rgba(153,163,177,0.15)"),
    "alarm": ("#b3261e", "#ff7b72"),
    "label": ("#ffffff", "#171b21"),
}
# From the smallest size to the largest: on light they darken, on dark they brighten, so that the largest stands out.
COLOURS |= {
    f"size_{place}": pair
    for place, pair in enumerate(
        (
            ("#c98a1b", "#8f72d6"),
            ("#c4692a", "#ad73cf"),
            ("#b04a48", "#cf78b8"),
            ("#8f3565", "#ea8698"),
            ("#672d78", "#f59d78"),
            ("#3f2a7b", "#f7ba5e"),
            ("#1b1f63", "#f8dc63"),
        )
    )
}
LIGHT = {role: pair[0] for role, pair in COLOURS.items()}
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def base_layout() -> dict[str, Any]:
    """Give the layout that every figure starts from, in the colours for light backgrounds."""
    return {
        "font": {"family": FONT, "size": 12, "color": LIGHT["ink"]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "showlegend": False,
        "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": LIGHT["quiet"], "activecolor": LIGHT["ink"]},
        "hoverlabel": {"bgcolor": LIGHT["label"], "bordercolor": LIGHT["quiet"], "font": {"color": LIGHT["ink"]}},
    }


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Give an axis; `more` overrides."""
    made: dict[str, Any] = {
        "gridcolor": LIGHT["grid"],
        "linecolor": LIGHT["grid"],
        "zeroline": False,
        "tickfont": {"color": LIGHT["quiet"]},
        "automargin": True,
    }
    if title:
        made["title"] = {"text": title, "font": {"color": LIGHT["quiet"]}, "standoff": 6}
    return {**made, **more}


def log_axis(values: NDArray[np.float64], title: str, **more: Any) -> dict[str, Any]:
    """Give a logarithmic axis that holds all values with some air."""
    left, right = math.log10(values.min()), math.log10(values.max())
    air = 0.06 * (right - left) + 0.02
    return axis(
        title,
        type="log",
        range=[round(left - air, 4), round(right + air, 4)],
        exponentformat="power",
        # Plotly sets powers of ten a quarter larger than other ticks.
        tickfont={"size": 10, "color": LIGHT["quiet"]},
        # Whole decades where there are several, else plotly's own choice within one.
        **({"dtick": 1} if right - left >= 1.5 else {}),
        **more,
    )


def ramp(count: int) -> list[str]:
    """List colours for sizes from the smallest to the largest; more sizes than colours share them with neighbours."""
    colours = [LIGHT[role] for role in LIGHT if role.startswith("size_")]
    if count == 1:
        return [colours[-1]]
    return [colours[round(place * (len(colours) - 1) / (count - 1))] for place in range(count)]


def percent(shares: NDArray[np.float64]) -> list[float]:
    """Turn shares into percent, rounded to what can be seen."""
    return [round(float(value), 2) for value in 100 * shares]


def significant(values: NDArray[np.float64]) -> list[float]:
    """Round to four significant digits."""
    return [float(f"{value:.4g}") for value in values]

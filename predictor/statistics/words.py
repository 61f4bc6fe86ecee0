"""How differences are put into words, the same on the command line and in pages."""

from __future__ import annotations

import math

from predictor.statistics.benchmark_difference import Difference
from predictor.statistics.difference import UNCLEAR


def score(row: Difference, value: float) -> str:
    """Write a score: shares in percent with one decimal, others with three digits."""
    return _number(row, value, "")


def change(row: Difference, value: float) -> str:
    """Write a difference with its sign: of shares in points."""
    return _number(row, value, "+")


def interval(row: Difference, ends: tuple[float, float] | None) -> str:
    """Write the ends of an interval, as `+1.2 to +3.4`; `-` where there is none."""
    if ends is None or math.isnan(ends[0]):
        return "-"
    return f"{change(row, ends[0])} to {change(row, ends[1])}"


def p_value(value: float | None) -> str:
    """Write a p-value with two digits, small ones as `<.001`."""
    if value is None or math.isnan(value):
        return "-"
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def verdict(row: Difference) -> str:
    """Write the verdict in a word; `-` where none is seen."""
    return {"": "?", UNCLEAR: "-"}.get(row.verdict, row.verdict)


def _number(row: Difference, value: float, sign: str) -> str:
    if math.isnan(value):
        return "-"
    # Adding zero turns a rounded -0.0 into 0.0.
    return f"{round(100 * value, 1) + 0:{sign}.1f}" if row.is_share else f"{round(value, 3) + 0:{sign}.3f}"

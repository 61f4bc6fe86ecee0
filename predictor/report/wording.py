"""How numbers and grades are put into words, the same everywhere in a report."""

from __future__ import annotations

import math

from predictor.forecasting import TaskForecast
from predictor.forecasting.grade import LETTERS, NOT_FORECASTABLE, RUNS_FOR_TRUST
from predictor.quantity import format_factor

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
# A number and its unit stay on one line.
_NO_BREAK = "\N{NO-BREAK SPACE}"


def percent(share: float) -> str:
    """Write a share with its unit, as `67.2%`."""
    return f"{points(share)}%"


def points(share: float) -> str:
    """Write a share or a difference of shares in points, as `67.2`."""
    # Adding zero turns a rounded -0.0 into 0.0.
    return f"{round(100 * share, 1) + 0:.1f}"


def interval(ends: tuple[float, float]) -> str:
    """Write an interval of shares, as `65.0–69.4`."""
    return f"{points(ends[0])}–{points(ends[1])}"


def in_unit(forecast: TaskForecast, value: float) -> str:
    """Write a value of a forecast: shares in percent, other metrics in their unit."""
    return percent(value) if forecast.scale.is_share else forecast.scale.write(value)


def ends_in_unit(forecast: TaskForecast, level: str) -> str:
    """Write an interval of a forecast, as `in_unit`."""
    low, high = forecast.intervals[level]
    return interval((low, high)) if forecast.scale.is_share else f"{in_unit(forecast, low)}–{in_unit(forecast, high)}"


def compute(flops: float) -> str:
    """Write training compute, as `1.24×10²² FLOPs`."""
    exponent = math.floor(math.log10(flops))
    mantissa = f"{flops / 10**exponent:.2f}"
    if mantissa == "10.00":
        mantissa, exponent = "1.00", exponent + 1
    return f"{mantissa}×10{str(exponent).translate(_SUPERSCRIPT)}{_NO_BREAK}FLOPs"


def times(ratio: float) -> str:
    """Write a factor, as `2.5×`; two digits below one, so that a small target is not `0.0×`."""
    return f"{ratio:.2g}×" if ratio < 1 else f"{format_factor(ratio)}×"


def shots(num_fewshot: int | None) -> str:
    """Write the number of examples in the prompt, as `5-shot`; empty where the table does not say."""
    return "" if num_fewshot is None else f"{num_fewshot}-shot"


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""


def plural(count: int, noun: str) -> str:
    """Write a count with its noun, as `1 run` or `6 runs`."""
    return f"{count:,}{_NO_BREAK}{noun}{'' if count == 1 else 's'}"


def grade_letters() -> list[str]:
    """List the grades from the best to F."""
    return [letter for letter, _ in LETTERS] + [NOT_FORECASTABLE]


def grade_in_short(letter: str) -> str:
    """Say in a few characters how wide a grade's 80% interval may be, as `±2 points`."""
    if letter == NOT_FORECASTABLE:
        return "no forecast"
    widths = dict(LETTERS)
    if math.isinf(widths[letter]):
        finite = max(width for width in widths.values() if math.isfinite(width))
        return f"wider than ±{100 * finite:g}"
    return f"within ±{100 * widths[letter]:g}"


def grade_scale() -> str:
    """List the grades with the half widths up to which they are given, as `A up to 2 points, B 3.5, …`."""
    finite = [(letter, width) for letter, width in LETTERS if math.isfinite(width)]
    first, *others = (f"{letter} up to {100 * width:g}" for letter, width in finite)
    wider = next(letter for letter, width in LETTERS if math.isinf(width))
    return (
        f"{first} points, {', '.join(others)}, {wider} more, {NOT_FORECASTABLE} no forecast; with fewer than "
        f"{RUNS_FOR_TRUST} runs none above D"
    )


def grade_meaning(letter: str) -> str:
    """Explain a grade in a sentence."""
    if letter == NOT_FORECASTABLE:
        return (
            "Not forecastable: the runs are at chance, their scores differ by no more than noise, or they do not rise "
            "with compute. No number is given."
        )
    widths = dict(LETTERS)
    if math.isinf(widths[letter]):
        finite = max(width for width in widths.values() if math.isfinite(width))
        return f"The 80% interval is wider than ±{100 * finite:g} points: a direction rather than a number."
    text = f"The 80% interval is no wider than ±{100 * widths[letter]:g} points."
    if letter == "D":
        text += f" Also the best grade that a benchmark with fewer than {RUNS_FOR_TRUST} scored runs can get."
    return text

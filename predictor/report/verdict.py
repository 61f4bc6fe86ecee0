"""The first screen: what the forecast says of the plan, its risks, its distance, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from predictor.forecasting import Forecast, Forecaster, TaskForecast
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.quantity import format_probability
from predictor.report.coverage import Held, describe_coverage, warn_of_coverage
from predictor.report.distance import FAR, compute_ratio, describe_distance, furthest_test, unlike_balance
from predictor.report.wording import interval, percent, plural, points, times

# Probabilities of reaching all requirements from which on, and up to which, the verdict is clear. Chosen, not tuned:
# the page states them, and a team may draw its own line.
GO, NO_GO = 0.8, 0.2
# Methods that disagree by more than this share of the 80% interval's width pull in different directions.
_DISAGREE = 0.75
_HEAVY = 0.05
_RISKS = 3


@dataclass(frozen=True)
class Made:
    """When a report was made, and by whom.

    Attributes:
        date: as `2026-11-28`.
        by: a name.
    """

    date: str
    by: str


@dataclass(frozen=True)
class Verdict:
    """What a reader needs to decide.

    Attributes:
        word: `Go`, `No go`, `Wait`, or `No requirement` where nothing was asked of the target.
        reason: why, in one sentence.
        risks: what may make the forecast wrong or the plan fail, the largest first.
        distance: how far the target lies from the runs.
        calibration: how often intervals held.
    """

    word: str
    reason: str
    risks: tuple[str, ...]
    distance: str
    calibration: str

    @property
    def largest_risks(self) -> tuple[str, ...]:
        """The first three."""
        return self.risks[:_RISKS]

    @property
    def other_risks(self) -> tuple[str, ...]:
        """All after the first three."""
        return self.risks[_RISKS:]


def reach_verdict(forecaster: Forecaster, forecast: Forecast, coverage: Sequence[Held] | None) -> Verdict:
    """Sum up a forecast for whoever decides on the run.

    Args:
        forecaster: what it was made with.
        forecast: the forecast, with its mean and requirements.
        coverage: from `list_coverage`, or None where it was not measured.
    """
    panel, target = forecaster.panel, forecast.target
    ratio = compute_ratio(panel, target)
    seldom = warn_of_coverage(coverage, ratio) if coverage is not None else None
    untested = forecaster.history.empty
    word, reason = _decide(forecast, seldom is not None, untested)
    furthest = furthest_test(forecaster.history["ratio"].to_numpy(float))
    return Verdict(
        word,
        reason,
        tuple(_risks(forecaster, forecast, seldom, furthest)),
        f"{describe_distance(panel, target)}; {_tested(furthest)}",
        describe_coverage(coverage, ratio, untested),
    )


def _tested(furthest: float | None) -> str:
    return (
        "no run could be held out"
        if furthest is None
        else f"held-out runs had up to {times(furthest)} the compute of the others"
    )


def _decide(forecast: Forecast, narrow: bool, untested: bool) -> tuple[str, str]:
    """Return the word and the sentence for it."""
    require = forecast.require
    if require is None:
        return "No requirement", _without_requirement(forecast)
    probability = require.together
    what = require.each[0].name if len(require.each) == 1 else "all requirements"
    if probability is None:
        missing = ", ".join(each.name for each in require.each if each.probability is None)
        return "Wait", f"{missing} is required and cannot be forecast from these runs"
    chance = f"{format_probability(probability)} that {_reached(what, len(require.each))}"
    if probability <= NO_GO:
        return "No go", chance
    if probability < GO:
        return "Wait", f"{chance}: neither clearly enough nor clearly too little"
    if narrow or untested:
        doubt = "intervals held too seldom" if narrow else "no run could be held out"
        return "Wait", f"{chance}, but {doubt}, so that number is not tested"
    return "Go", chance


def _reached(what: str, count: int) -> str:
    return f"{what} reaches its requirement" if count == 1 else f"{what} are reached together"


def _without_requirement(forecast: Forecast) -> str:
    mean = forecast.mean
    if mean is None or mean.largest is None:
        return "state what the target must reach with --require to get the probability of it"
    gain = round(100 * (mean.median - mean.largest), 1)
    return (
        f"{gain:+.1f} points on the mean of the largest run; state what the target must reach with --require to get "
        "the probability of it"
    )


def _risks(forecaster: Forecaster, forecast: Forecast, seldom: str | None, furthest: float | None) -> Iterator[str]:
    """List what may go wrong: what fails the plan, then what makes all numbers doubtful, then single benchmarks."""
    target, panel = forecast.target, forecaster.panel
    likely = [each for each in (forecast.require.each if forecast.require else ()) if (each.probability or 0) < GO]
    for each in sorted(likely, key=lambda each: each.probability or 0):
        yield f"{each.name} may miss {points(each.level)}%: probability of reaching it {_probability(each.probability)}"
    if seldom:
        yield seldom
    ratio = compute_ratio(panel, target)
    if furthest is None:
        yield "Too few runs to hold any out: the intervals rest on a general expectation, not on a backtest"
    elif ratio > max(FAR, furthest):
        yield f"The target has {times(ratio)} the compute of the largest run; the backtest reaches {times(furthest)}"
    if (balance := unlike_balance(panel, target)) is not None:
        yield f"{balance[0].upper()}{balance[1:]}"
    yield from _of_benchmarks(forecast.forecasts)


def _probability(value: float | None) -> str:
    return "unknown" if value is None else format_probability(value)


def _of_benchmarks(forecasts: Sequence[TaskForecast]) -> Iterator[str]:
    firm = [answer for answer in forecasts if answer.grade != NOT_FORECASTABLE]
    lost = len(forecasts) - len(firm)
    if lost:
        yield f"{lost} of {plural(len(forecasts), 'benchmark')} cannot be forecast and are in no mean"
    falling = [
        answer for answer in firm if answer.largest is not None and answer.median < answer.largest - _half(answer)
    ]
    if falling:
        worst = min(falling, key=lambda answer: answer.median - (answer.largest or 0))
        more = f" and {len(falling) - 1} more" if len(falling) > 1 else ""
        yield f"{worst.series.label}{more} would score below the largest run"
    if firm:
        widest = max(firm, key=_half)
        ends = interval(widest.intervals["80"])
        yield f"Least certain: {widest.series.label} at {percent(widest.median)}, 80% interval {ends}"
    apart = [answer for answer in firm if _spread(answer) > _DISAGREE * 2 * _half(answer)]
    if apart:
        worst = max(apart, key=_spread)
        more = f" and on {len(apart) - 1} more" if len(apart) > 1 else ""
        yield f"Methods lie {points(_spread(worst))} points apart on {worst.series.label}{more}"


def _half(answer: TaskForecast) -> float:
    low, high = answer.intervals["80"]
    return (high - low) / 2


def _spread(answer: TaskForecast) -> float:
    """Return how far apart the medians of the methods lie that carry weight."""
    medians = [
        answer.by_method[name]
        for name, weight in answer.methods.items()
        if weight >= _HEAVY and name in answer.by_method
    ]
    return max(medians) - min(medians) if medians else 0.0

"""The mean over benchmarks, and the probability that a score reaches what is required of it.

Forecasts of several benchmarks miss together: all rest on the same runs and the same distance. The interval of a mean
therefore needs the correlation of their errors, which the backtest inside a forecaster shows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import InputError, UnknownNameError
from predictor.fitting import stable_generator
from predictor.forecasting.combination import Combination, distance
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.target import Forecast, TaskForecast
from predictor.results.scales import Scale
from predictor.results.series import Series

Array = NDArray[np.float64]

MEAN = "mean"
"""How the mean over all benchmarks is called where a benchmark can be named."""
# Correlation before any run was held out, and how many held-out runs it counts for: set beforehand, near the 0.2 to 0.4
# that Pythia and the OLMo ladder show. benchmarks/accuracy/suite.py measures what they give; they are not tuned on it.
PRIOR_CORRELATION = 0.3
_PRIOR_RUNS = 4.0
_MOST = 0.95
# Standard deviations of a normal distribution to the ends of its central 80% and 95%.
_WIDTHS = {"80": 1.2816, "95": 1.9600}
_DRAWS = 20_000


@dataclass(frozen=True)
class SharedErrors:
    """How the errors of one model's forecasts move together.

    Attributes:
        correlation: of the errors on two benchmarks, the same for all pairs, in [0, 1).
        runs: number of held-out runs behind it; with none it is that of joint draws, or assumed.
    """

    correlation: float = PRIOR_CORRELATION
    runs: int = 0

    @classmethod
    def of(cls, history: pd.DataFrame, combination: Combination) -> SharedErrors:
        """Measure the correlation on the runs that a backtest held out.

        With z the errors in units of their expected size, T benchmarks of a run give T(T-1) products of two different
        ones; the correlation is their sum over (T-1) times the sum of squares. It is taken about zero: a law that
        misses all benchmarks on the same side is what it is about.

        Args:
            history: rows of `predictor.forecasting.backtest.backtest`.
            combination: made from them.
        """
        if history.empty:
            return cls()
        tests = combination.held_out_forecasts(history)
        ratio = tests["ratio"].to_numpy(float)
        unit = np.sqrt(combination.combined[tests["series"].to_numpy(int)])
        expected = np.hypot(unit * distance(ratio), tests["stderr"].to_numpy(float))
        z = (tests["forecast"] - tests["truth"]).to_numpy(float) / np.maximum(expected, 1e-9)
        rows = (
            tests.assign(z=z, square=z**2)
            .groupby(["hold_out", "run"])
            .agg(total=("z", "sum"), squares=("square", "sum"), count=("z", "size"))
        )
        rows = rows[rows["count"] > 1]
        if rows.empty:
            return cls()
        # A run that several hold-outs leave out counts once.
        weight = 1 / rows.groupby("run")["count"].transform("size")
        products = float((weight * (rows["total"] ** 2 - rows["squares"]) / (rows["count"] - 1)).sum())
        squares = float((weight * rows["squares"]).sum())
        runs = int(rows.index.get_level_values("run").nunique())
        seen = products / squares if squares > 0 else PRIOR_CORRELATION
        blended = (runs * seen + _PRIOR_RUNS * PRIOR_CORRELATION) / (runs + _PRIOR_RUNS)
        return cls(float(np.clip(blended, 0.0, _MOST)), runs)

    @classmethod
    def of_draws(cls, draws: Array) -> SharedErrors:
        """Measure the correlation of joint draws from a forecast's distribution.

        Args:
            draws: shape (benchmarks, draws); benchmarks that were not drawn are NaN.
        """
        drawn = draws[np.isfinite(draws).all(axis=1) & (np.ptp(draws, axis=1) > 0)]
        if len(drawn) < 2:
            return cls()
        pairs = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
        return cls(float(np.clip(pairs.mean(), 0.0, _MOST)))

    @classmethod
    def in_record(cls, record: Mapping[str, Any]) -> SharedErrors:
        """Read it from the record of a forecast."""
        return cls(**record.get("shared_errors", {}))

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return {"correlation": self.correlation, "runs": self.runs}


@dataclass(frozen=True)
class MeanForecast:
    """The distribution of the target's mean score over several benchmarks.

    Attributes:
        name: of the mean: `mean`, or a suite's name.
        series: what it is the mean of, each with equal weight.
        left_out: benchmark -> why it is not part of the mean.
        median: the forecast, the mean of the benchmarks' medians.
        intervals: level in percent, as `80` -> (lower, upper).
        largest: mean score of the largest run on each, or None where one is not known.
        shared: how the benchmarks' errors move together.
    """

    name: str
    series: tuple[Series, ...]
    left_out: dict[str, str]
    median: float
    intervals: dict[str, tuple[float, float]]
    largest: float | None
    shared: SharedErrors

    def to_json(self) -> dict[str, Any]:
        """Return the object `mean` of `forecast --json`."""
        return {
            "name": self.name,
            "benchmarks": [
                {"task": series.task, "metric": series.metric, "num_fewshot": series.num_fewshot}
                for series in self.series
            ],
            "left_out": self.left_out,
            "median": self.median,
            "intervals": {level: list(ends) for level, ends in self.intervals.items()},
            "largest": self.largest,
            "shared_errors": self.shared.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> MeanForecast:
        """Read what `to_json` wrote."""
        return cls(
            name=value["name"],
            series=tuple(Series(**series) for series in value["benchmarks"]),
            left_out=dict(value["left_out"]),
            median=value["median"],
            intervals={level: (float(low), float(high)) for level, (low, high) in value["intervals"].items()},
            largest=value["largest"],
            shared=SharedErrors(**value["shared_errors"]),
        )


def forecast_mean(
    forecast: Forecast, name: str = MEAN, members: Collection[tuple[str, int | None]] | None = None
) -> MeanForecast | None:
    """Forecast the mean over benchmarks, those that cannot be forecast left out.

    Args:
        forecast: of the target.
        name: what to call the mean.
        members: task and number of examples (None for any) of each benchmark; all of the forecast where None.

    Returns:
        its distribution, or None where fewer than two benchmarks can be forecast.
    """
    asked = [
        answer for answer in forecast.forecasts if members is None or any(_matches(answer, one) for one in members)
    ]
    missing = {
        task: "not scored" for task, shots in members or () if not any(_matches(one, (task, shots)) for one in asked)
    }
    return mean_over(asked, SharedErrors.in_record(forecast.record), name, missing)


def mean_over(
    answers: Sequence[TaskForecast],
    shared: SharedErrors,
    name: str = MEAN,
    missing: Mapping[str, str] | None = None,
) -> MeanForecast | None:
    """Forecast the mean over benchmarks, those of grade F and those whose metric is no share left out.

    The errors e of n benchmarks with standard deviations s and correlation r give the mean a variance of
    (r (sum s)^2 + (1 - r) sum s^2) / n^2.

    Args:
        answers: forecasts of the benchmarks.
        shared: how their errors move together.
        name: what to call the mean.
        missing: benchmark -> why it has no forecast.
    """
    kept = [answer for answer in answers if answer.grade != NOT_FORECASTABLE and answer.scale.is_share]
    if len(kept) < 2:
        return None
    left_out = {
        answer.series.label: "grade F" if answer.scale.is_share else f"{answer.metric} is no share"
        for answer in answers
        if answer not in kept
    }
    median = float(np.mean([answer.median for answer in kept]))
    below, above = np.array([_spreads(answer) for answer in kept]).T
    intervals = {
        level: (
            max(median - width * _of_mean(below, shared.correlation), 0.0),
            min(median + width * _of_mean(above, shared.correlation), 1.0),
        )
        for level, width in _WIDTHS.items()
    }
    largest = [answer.largest for answer in kept if answer.largest is not None]
    return MeanForecast(
        name=name,
        series=tuple(answer.series for answer in kept),
        left_out={**(missing or {}), **left_out},
        median=median,
        intervals=intervals,
        largest=float(np.mean(largest)) if len(largest) == len(kept) else None,
        shared=shared,
    )


def _matches(answer: TaskForecast, member: tuple[str, int | None]) -> bool:
    task, shots = member
    return answer.task == task and (shots is None or answer.num_fewshot in (None, shots))


def _of_mean(spreads: Array, correlation: float) -> float:
    """Return the standard deviation of the mean of equally correlated errors."""
    total, squares = float(spreads.sum()), float((spreads**2).sum())
    return float(np.sqrt(correlation * total**2 + (1 - correlation) * squares)) / spreads.size


def _spreads(answer: TaskForecast) -> tuple[float, float]:
    """Return the standard deviations below and above the median; a side that is cut off at 0 or 1 takes the other's."""
    low, high = answer.intervals["80"]
    below, above = answer.median - low, high - answer.median
    if low <= 0.0:
        below = max(below, above)
    if high >= 1.0:
        above = max(below, above)
    return max(below, 1e-6) / _WIDTHS["80"], max(above, 1e-6) / _WIDTHS["80"]


@dataclass(frozen=True)
class Requirement:
    """A score that the target has to reach.

    Attributes:
        name: the benchmark, with its number of examples where it has one, or the mean.
        level: the score required, in the metric's unit.
        probability: that the target's measured score is at least that; None where it cannot be forecast.
    """

    name: str
    level: float
    probability: float | None

    def to_json(self) -> dict[str, Any]:
        """Return an entry of `requirements` in `forecast --json`."""
        return {"name": self.name, "level": self.level, "probability": self.probability}


@dataclass(frozen=True)
class Requirements:
    """Scores that the target has to reach, and the probability that it reaches all of them.

    Attributes:
        each: one entry per benchmark.
        together: probability of all, with the correlation of the forecasts' errors; None where one has none.
    """

    each: tuple[Requirement, ...]
    together: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the object `require` of `forecast --json`."""
        return {"each": [requirement.to_json() for requirement in self.each], "together": self.together}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Requirements:
        """Read what `to_json` wrote."""
        return cls(tuple(Requirement(**entry) for entry in value["each"]), value["together"])


def check_requirements(
    forecast: Forecast, levels: Mapping[str, float], mean: MeanForecast | None = None, seed: int = 0
) -> Requirements:
    """Compute the probability that each required score is reached.

    Errors are normal, with the forecasts' intervals on either side of the median and equal correlations.

    Args:
        forecast: of the target.
        levels: benchmark, `mean` or the mean's name -> required score, a share or in the metric's unit.
        mean: the mean that `levels` may name.
        seed: of the draws behind the joint probability.

    Raises:
        UnknownNameError: a benchmark that was not forecast.
        InputError: a level outside the metric's range, or the mean where there is none.
    """
    names, places = [], []
    for name, level in levels.items():
        found = _named(forecast, name, mean)
        for _, members in found:
            _check_level(name, level, forecast.forecasts[members[0]].scale)
        names += [(label, level) for label, _ in found]
        places += [place for _, place in found]
    kept = [answer.as_share() for answer in forecast.forecasts]
    correlation = SharedErrors.in_record(forecast.record).correlation
    z = _draws(len(kept), correlation, seed)
    below, above = np.array([_spreads(answer) for answer in kept]).T
    scores = np.array([answer.median for answer in kept]) + np.where(z < 0, below, above) * z
    reached, each = [], []
    for (label, level), members in zip(names, places, strict=True):
        if any(kept[member].grade == NOT_FORECASTABLE for member in members):
            each.append(Requirement(label, level, None))
            continue
        # Of a metric where lower is better, the lower values are the larger shares.
        scale = forecast.forecasts[members[0]].scale
        hit = scores[:, members].mean(axis=1) >= float(scale.to_share(level))
        reached.append(hit)
        each.append(Requirement(label, level, float(hit.mean())))
    together = float(np.logical_and.reduce(reached).mean()) if len(reached) == len(each) else None
    return Requirements(tuple(each), together)


def _check_level(name: str, level: float, scale: Scale) -> None:
    if not scale.low <= level <= scale.high:
        remedy = "write 60% or 0.6" if scale.is_share else "write it in the unit of the metric"
        what = "is no share in [0, 1]" if scale.is_share else f"is outside the metric's range from {scale.low:g}"
        raise InputError(f"--require {name}={level:g} {what}", remedy)


def _named(forecast: Forecast, name: str, mean: MeanForecast | None) -> list[tuple[str, list[int]]]:
    """Find what a requirement names: labels with the numbers of the forecasts whose mean each is."""
    answers = forecast.forecasts
    own = [(answer.series.label, [place]) for place, answer in enumerate(answers) if name in _names_of(answer)]
    if own:
        return own
    if name in (MEAN, mean.name if mean else MEAN):
        if mean is None:
            raise InputError(
                "there is no mean to require: fewer than two benchmarks can be forecast", "name one of them"
            )
        return [(mean.name, [place for place, answer in enumerate(answers) if answer.series in mean.series])]
    raise UnknownNameError("task", name, [MEAN, *(answer.task for answer in answers)], "the forecast")


def _names_of(answer: TaskForecast) -> Sequence[str]:
    return answer.task, answer.series.label


def _draws(count: int, correlation: float, seed: int) -> Array:
    """Draw equally correlated standard normal errors, shape (draws, count)."""
    generator = stable_generator(seed, "require")
    shared, own = generator.standard_normal((_DRAWS, 1)), generator.standard_normal((_DRAWS, count))
    return np.asarray(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)

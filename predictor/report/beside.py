"""Several targets side by side: other lengths, sizes or recipes beside the one that a report is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from predictor.forecasting import Forecast, Forecaster, TaskForecast
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.mean import MeanForecast, Requirement, forecast_mean
from predictor.quantity import format_quantity
from predictor.report.distance import describe_distance
from predictor.report.sensitivity import gpu_days
from predictor.results.series import Series


@dataclass(frozen=True)
class Column:
    """One target.

    Attributes:
        label: what it is called, as `7B on 2T`, with its family where families differ.
        flops: its training compute.
        gpu_days: what that costs, see `gpu_days`.
        distance: how far it lies from its runs.
        mean: over the benchmarks that all targets can forecast, or None where there are fewer than two.
        require: the requirements with the probability of each, or none.
        together: the probability of all of them.
        answers: benchmark -> its forecast.
    """

    label: str
    flops: float
    gpu_days: float
    distance: str
    mean: MeanForecast | None
    require: tuple[Requirement, ...]
    together: float | None
    answers: dict[Series, TaskForecast]

    def probability_of(self, name: str) -> float | None:
        """Return the probability of reaching a requirement, or None where it cannot be forecast."""
        return next((requirement.probability for requirement in self.require if requirement.name == name), None)

    def firm(self, series: Series) -> TaskForecast | None:
        """Return the forecast of a benchmark, or None where it has none."""
        answer = self.answers.get(series)
        return answer if answer is not None and answer.grade != NOT_FORECASTABLE else None


@dataclass(frozen=True)
class SideBySide:
    """Targets in the order in which they were named, the report's own first.

    Attributes:
        columns: the targets.
        series: the benchmarks that at least one of them can forecast, in the order of the report.
        common: number of benchmarks that all of them can forecast.
    """

    columns: tuple[Column, ...]
    series: tuple[Series, ...]
    common: int


def put_side_by_side(made: Sequence[tuple[Forecaster, Forecast]]) -> SideBySide:
    """Put the forecasts of several targets side by side; their means are over the benchmarks that all can forecast.

    Args:
        made: each forecast with what it was made with, the report's own first.
    """
    answers = [
        {answer.series: answer for answer in forecast.forecasts if answer.scale.is_share} for _, forecast in made
    ]
    firm = [{series for series, answer in found.items() if answer.grade != NOT_FORECASTABLE} for found in answers]
    shared = set.intersection(*firm)
    order = list(dict.fromkeys(series for found in answers for series in found))
    families = {forecast.target.family for _, forecast in made}
    columns = tuple(
        _column(forecaster, forecast, found, shared, len(families) > 1)
        for (forecaster, forecast), found in zip(made, answers, strict=True)
    )
    return SideBySide(columns, tuple(series for series in order if any(series in own for own in firm)), len(shared))


def _column(
    forecaster: Forecaster,
    forecast: Forecast,
    answers: dict[Series, TaskForecast],
    shared: set[Series],
    with_family: bool,
) -> Column:
    target, require = forecast.target, forecast.require
    size = f"{format_quantity(target.params)} on {format_quantity(target.tokens)}"
    return Column(
        label=f"{target.family}, {size}" if with_family else size,
        flops=target.flops,
        gpu_days=gpu_days(target.flops),
        distance=describe_distance(forecaster.panel, target),
        mean=forecast_mean(forecast, members=[(series.task, series.num_fewshot) for series in shared]),
        require=require.each if require else (),
        together=require.together if require else None,
        answers=answers,
    )

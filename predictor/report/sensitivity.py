"""What if the target were larger or trained for longer: forecasts on a small grid around it, and their cost."""

from __future__ import annotations

from dataclasses import dataclass

from predictor.forecasting import Forecast, Forecaster, TaskForecast
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.mean import MeanForecast, forecast_mean

# Factors of the target's parameters and tokens; the plan itself is in the middle.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
# A bfloat16 H100 does 989 TFLOP/s without sparsity; well-run trainings use about 40% of it.
GPU = "H100"
UTILISATION = 0.4
_FLOPS_PER_GPU_DAY = UTILISATION * 989e12 * 86_400


def gpu_days(flops: float) -> float:
    """Return days of one H100 for a training of so many FLOPs, at 40% of its dense bfloat16 peak."""
    return flops / _FLOPS_PER_GPU_DAY


@dataclass(frozen=True)
class Cell:
    """The forecast for one other target.

    Attributes:
        params: its parameters.
        tokens: its training tokens.
        forecasts: median and ends of the 80% interval in percent, in the order of the target's forecasts; None where
            there is no forecast.
        mean: the same for the mean over the target's benchmarks, or for its only one; None where there is none.
    """

    params: float
    tokens: float
    forecasts: list[list[float] | None]
    mean: tuple[float, float, float] | None

    @property
    def flops(self) -> float:
        """Training compute, 6·N·D FLOPs."""
        return 6.0 * self.params * self.tokens


def forecast_grid(forecaster: Forecaster, forecast: Forecast) -> list[list[Cell]]:
    """Forecast every benchmark, and their mean, at every pair of factors.

    Args:
        forecaster: what the target was forecast with.
        forecast: the target's forecast; its mean says which benchmarks the others' are over.

    Returns:
        by factor of the parameters, then of the tokens.
    """
    target = forecast.target
    return [
        [_cell(forecaster, forecast.mean, larger * target.params, longer * target.tokens) for longer in FACTORS]
        for larger in FACTORS
    ]


def _cell(forecaster: Forecaster, mean: MeanForecast | None, params: float, tokens: float) -> Cell:
    answer = forecaster.predict(params, tokens)
    return Cell(params, tokens, [_numbers(found) for found in answer.forecasts], _mean(answer, mean))


def _mean(answer: Forecast, mean: MeanForecast | None) -> tuple[float, float, float] | None:
    if mean is None:
        firm = [numbers for found in answer.forecasts if (numbers := _numbers(found)) is not None]
        return (firm[0][0], firm[0][1], firm[0][2]) if len(firm) == 1 else None
    members = [(series.task, series.num_fewshot) for series in mean.series]
    found = forecast_mean(answer, mean.name, members)
    if found is None:
        return None
    low, high = found.intervals["80"]
    return round(100 * found.median, 1), round(100 * low, 1), round(100 * high, 1)


def _numbers(found: TaskForecast) -> list[float] | None:
    if found.grade == NOT_FORECASTABLE:
        return None
    return [round(100 * value, 1) for value in (found.median, *found.intervals["80"])]

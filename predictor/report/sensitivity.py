"""What if the target were larger or trained for longer: forecasts on a small grid around it, made ahead."""

from __future__ import annotations

from typing import Any

from predictor.forecasting import Forecaster
from predictor.forecasting.grade import NOT_FORECASTABLE

# Factors of the target's parameters and tokens; the plan itself is in the middle.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


def forecast_grid(forecaster: Forecaster, params: float, tokens: float) -> list[list[list[list[float] | None]]]:
    """Forecast every benchmark at every pair of factors.

    Returns:
        by factor of the parameters, then of the tokens, then in the order of `predict`: median and the ends of the 80 %
        interval in percent, or None where there is no forecast.
    """
    grid = []
    for larger in FACTORS:
        line = []
        for longer in FACTORS:
            forecasts = forecaster.predict(larger * params, longer * tokens).forecasts
            line.append([_numbers(one) for one in forecasts])
        grid.append(line)
    return grid


def _numbers(one: Any) -> list[float] | None:
    if one.grade == NOT_FORECASTABLE:
        return None
    return [round(100 * value, 1) for value in (one.median, *one.intervals["80"])]

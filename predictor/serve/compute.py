"""What the forecasting process does; it keeps what it has fitted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from predictor.forecast import Curve, Forecast, Forecaster, fit_forecaster
from predictor.forecast.panel import Panel
from predictor.results import read_results

# The fits of the process, the latest last.
_FITTED: dict[tuple[object, str], Forecaster] = {}
_KEPT = 4


@dataclass(frozen=True)
class Answer:
    """A forecast with the observations behind it: `rows` are the numbers of its series in the panel."""

    forecast: Forecast
    panel: Panel
    rows: tuple[int, ...]


def compute(
    path: Path,
    inputs: tuple[tuple[str, str], ...],
    family: str,
    params: float | None = None,
    tokens: float | None = None,
    with_curves: bool = False,
) -> Answer | list[Curve] | None:
    """Fit a family, forecast a target, or draw its curves, whatever is asked for and not there yet.

    Args:
        path: the results.
        inputs: their hashes; other ones mean that a fit is out of date.
        family: whose laws.
        params: of the target; only the fit where None.
        tokens: of the target.
        with_curves: give its curves instead.

    Raises:
        PredictorError: the family carries no forecast.
    """
    key = (inputs, family)
    if key not in _FITTED:
        _FITTED[key] = fit_forecaster(read_results(path), family=family)
        while len(_FITTED) > _KEPT:
            del _FITTED[next(iter(_FITTED))]
    forecaster = _FITTED[key]
    if params is None or tokens is None:
        return None
    if with_curves:
        return forecaster.curves(params, tokens)
    return Answer(forecaster.predict(params, tokens), forecaster.panel, forecaster.rows)

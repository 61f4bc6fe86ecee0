"""What `forecast` says of a run's end from the other runs: where tracking begins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import ForecastError
from predictor.forecasting.cache import ForecastCache, cache_key
from predictor.forecasting.forecaster import fit_forecaster
from predictor.forecasting.target import Forecast, TaskForecast
from predictor.forecasting.trajectory.observations import TrackedSeries, Trajectories
from predictor.results import Results

Array = NDArray[np.float64]

_CENTRAL_80 = 1.2816


@dataclass(frozen=True)
class EndForecast:
    """A forecast of the end on the scale of its series.

    Attributes:
        median: of the measured score.
        variance: of the measured score, by its 80% interval.
        forecast: as it was made.
    """

    median: float
    variance: float
    forecast: TaskForecast


def forecast_ends(
    results: Results, trajectories: Trajectories, run: int, others: tuple[int, ...], end: float, *, cache: bool = True
) -> tuple[dict[int, EndForecast], str | None]:
    """Forecast a run's end as if it had not begun.

    Args:
        results: the table; only rows of the other runs are used.
        trajectories: of the family and its relatives.
        run: number of the run.
        others: numbers of the runs that may be used.
        end: tokens at its end.
        cache: whether to keep forecasts on disk, by the rows that went into them.

    Returns:
        number of a series -> forecast, and a note where there is none.
    """
    none = "no forecast before the run, its path begins with the other runs' alone"
    if not any(trajectories.family[other] == 0 for other in others):
        return {}, f"{none}: family {trajectories.families[0]} has no other run"
    params = float(trajectories.params[trajectories.checkpoints(run)[0]])
    try:
        found = _forecast(_only(results, trajectories, others), trajectories.families[0], params, end, cache)
    except ForecastError as error:
        return {}, f"{none}: {error}"
    by_series = {task.series: task for task in found.forecasts}
    ends = {
        row: _on_scale(series, by_series[series.key])
        for row, series in enumerate(trajectories.series)
        if series.key in by_series
    }
    return ends, None


def _on_scale(series: TrackedSeries, task: TaskForecast) -> EndForecast:
    median, low, high = series.scale(np.array([task.median, *task.intervals["80"]]))
    return EndForecast(float(median), float(abs(high - low) / (2 * _CENTRAL_80)) ** 2, task)


def _only(results: Results, trajectories: Trajectories, others: tuple[int, ...]) -> Results:
    """Leave out all rows of runs that may not be used."""
    names = {(trajectories.families[trajectories.family[other]], trajectories.runs[other]) for other in others}
    evals = results.evals
    pairs = list(zip(evals["family"], evals["run"], strict=True))
    keep = np.fromiter((pair in names for pair in pairs), dtype=bool, count=len(pairs))
    return replace(results, evals=evals[keep].reset_index(drop=True))


def _forecast(results: Results, family: str, params: float, end: float, cache: bool) -> Forecast:
    kept = ForecastCache() if cache else None
    key = cache_key({"evals": _digest(results)}, family=family, params=params, tokens=end, seed=0)
    found = kept.get(key) if kept else None
    if found is None:
        found = fit_forecaster(results, family=family).predict(params, end)
        if kept:
            kept.put(key, found)
    return found


def _digest(results: Results) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(results.evals, index=False).to_numpy().tobytes()).hexdigest()

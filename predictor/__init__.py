"""Forecast a language model's benchmark scores from a ladder of smaller runs.

    >>> import predictor
    >>> forecast = predictor.forecast("evals.csv", params="7B", tokens="300B")  # doctest: +SKIP
    >>> forecast.to_frame()  # doctest: +SKIP

Every command of the command line that computes something is a function here, under the same name. Importing this
package is cheap: what a name needs is imported when the name is first used.

The way of the data is the layout of the package: `checkpoints` are scored by `evaluation`, the scores are kept in
`results`, `laws` and `fitting` describe how they scale, `forecasting` turns them into a distribution for the target,
`decisions` and `report` use it, `api` is what is offered here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor import laws
    from predictor.api.comparisons import diff, signal
    from predictor.api.decisions import compare, plan, rank
    from predictor.api.evaluation import evaluate
    from predictor.api.forecasts import backtest, fit_forecaster, forecast, track
    from predictor.api.records import record, register, registered, resolve
    from predictor.decisions import Comparison, ModelRanking, Plan
    from predictor.errors import PredictorError
    from predictor.evaluation import Outcome
    from predictor.forecasting import Forecast, Forecaster, TrackRecord
    from predictor.forecasting.trajectory import RunTrack
    from predictor.project import Project, load_project
    from predictor.results import Results, read_results
    from predictor.statistics import Differences, Signals

    __version__: str

__all__ = [
    "Comparison",
    "Differences",
    "Forecast",
    "Forecaster",
    "ModelRanking",
    "Outcome",
    "Plan",
    "PredictorError",
    "Project",
    "Results",
    "RunTrack",
    "Signals",
    "TrackRecord",
    "__version__",
    "backtest",
    "compare",
    "diff",
    "evaluate",
    "fit_forecaster",
    "forecast",
    "laws",
    "load_project",
    "plan",
    "rank",
    "read_results",
    "record",
    "register",
    "registered",
    "resolve",
    "signal",
    "track",
]

_HOMES = {
    "Comparison": "decisions",
    "Differences": "statistics",
    "Forecast": "forecasting",
    "Forecaster": "forecasting",
    "ModelRanking": "decisions",
    "Outcome": "evaluation",
    "Plan": "decisions",
    "PredictorError": "errors",
    "Project": "project",
    "Results": "results",
    "RunTrack": "forecasting.trajectory",
    "Signals": "statistics",
    "TrackRecord": "forecasting",
    "backtest": "api.forecasts",
    "compare": "api.decisions",
    "diff": "api.comparisons",
    "evaluate": "api.evaluation",
    "fit_forecaster": "api.forecasts",
    "forecast": "api.forecasts",
    "load_project": "project",
    "plan": "api.decisions",
    "rank": "api.decisions",
    "read_results": "results",
    "record": "api.records",
    "register": "api.records",
    "registered": "api.records",
    "resolve": "api.records",
    "signal": "api.comparisons",
    "track": "api.forecasts",
}
"""Modules of the types and functions."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = _version() if name == "__version__" else _named(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _named(name: str) -> Any:
    if name == "laws":
        return importlib.import_module("predictor.laws")
    return getattr(importlib.import_module(f"predictor.{_HOMES[name]}"), name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    from predictor.distribution import DISTRIBUTION

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"

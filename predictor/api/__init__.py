"""The functions that `import predictor` offers; each is what the command of the same name does."""

from predictor.api.comparisons import diff, signal
from predictor.api.decisions import compare, plan, rank
from predictor.api.evaluation import evaluate
from predictor.api.forecasts import backtest, fit_forecaster, forecast, track
from predictor.api.records import record, register, registered, resolve
from predictor.project import load_project
from predictor.results.readers import read_results

__all__ = [
    "backtest",
    "compare",
    "diff",
    "evaluate",
    "fit_forecaster",
    "forecast",
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

"""The forecasting process of `predictor serve`; it keeps what it has fitted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from predictor.errors import ForecastError, PredictorError, first_line
from predictor.forecasting import Curve, Forecast, Forecaster, fit_forecaster
from predictor.forecasting.panel import Panel
from predictor.results import Results, read_results
from predictor.results.store import Store
from predictor.serve.reading import results_of

_KEPT = 4


@dataclass(frozen=True)
class Question:
    """What is asked of the forecasting process.

    Attributes:
        family: whose laws.
        params: of the target; only the fit where None.
        tokens: of the target.
        curves: draw the curves towards the target, too.
    """

    family: str
    params: float | None = None
    tokens: float | None = None
    curves: bool = False


@dataclass(frozen=True)
class Answer:
    """A forecast with the observations behind it.

    Attributes:
        forecast: the forecast.
        panel: the observations.
        rows: the numbers of the forecast series in the panel.
        curves: the curves towards the target, in the order of the forecasts, where they were asked for.
    """

    forecast: Forecast
    panel: Panel
    rows: tuple[int, ...]
    curves: tuple[Curve, ...] | None = None


def keep_answering(path: Path, summary: Path, channel: Connection) -> None:
    """Answer questions until the other end of the channel is closed.

    Args:
        path: the results.
        summary: their summary.
        channel: brings (generation, question), and takes the answer or the error.
    """
    # The pages come first.
    os.nice(5)
    fitted: dict[tuple[int, str], Forecaster] = {}
    while True:
        try:
            generation, question = channel.recv()
        except EOFError:
            return
        try:
            channel.send(_answer(path, summary, generation, question, fitted))
        except PredictorError as error:
            channel.send(error)
        except BrokenPipeError:
            return
        except Exception as error:
            channel.send(ForecastError(f"the forecast failed ({first_line(error)})", "see 'predictor forecast'"))


def _answer(
    path: Path, summary: Path, generation: int, question: Question, fitted: dict[tuple[int, str], Forecaster]
) -> Answer | None:
    key = (generation, question.family)
    if key not in fitted:
        fitted[key] = fit_forecaster(_results(path, summary), family=question.family)
        while len(fitted) > _KEPT:
            del fitted[next(iter(fitted))]
    forecaster = fitted[key]
    if question.params is None or question.tokens is None:
        return None
    target = (question.params, question.tokens)
    curves = tuple(forecaster.curves(*target)) if question.curves else None
    return Answer(forecaster.predict(*target), forecaster.panel, forecaster.rows, curves)


def _results(path: Path, summary: Path) -> Results:
    is_store = path.is_dir() and not (path / "evals.parquet").exists() and Store.looks_like(path)
    return results_of(path, summary) if is_store else read_results(path)

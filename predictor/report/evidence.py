"""What a forecast rests on, as rows for tables: the runs, the backtest, the warnings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from predictor.forecasting import METHODS, Forecast, Forecaster
from predictor.forecasting.grade import NOT_FORECASTABLE

COMBINATION = "combination"


@dataclass(frozen=True)
class Run:
    """One training run, at its last checkpoint that was used."""

    name: str
    params: float
    tokens: float
    flops: float
    observations: int
    benchmarks: int


@dataclass(frozen=True)
class HoldOut:
    """One hold-out of the backtest: how many of the largest runs, and how far beyond the others they lie."""

    count: int
    runs: int
    furthest: float


@dataclass(frozen=True)
class Errors:
    """A method's mean absolute error, in shares, at each hold-out; None where it gave no forecast.

    Attributes:
        method: its name, or `combination`.
        title: what it does.
        errors: in the order of the hold-outs.
        overall: over all of them.
        forecasts: how many.
    """

    method: str
    title: str
    errors: tuple[float | None, ...]
    overall: float | None
    forecasts: int


def list_runs(forecaster: Forecaster) -> list[Run]:
    """List the runs from the least to the most compute."""
    panel = forecaster.panel
    scored_rows = panel.score[list(forecaster.rows)]
    found = []
    for number, name in enumerate(panel.runs):
        index = np.flatnonzero(panel.run == number)
        last = index[np.argmax(panel.flops[index])]
        scored = np.isfinite(scored_rows[:, index]).any(axis=1)
        size, tokens, flops = (float(values[last]) for values in (panel.params, panel.tokens, panel.flops))
        found.append(Run(name, size, tokens, flops, index.size, int(scored.sum())))
    return sorted(found, key=lambda run: (run.flops, run.name))


def list_hold_outs(history: pd.DataFrame) -> list[HoldOut]:
    """List the hold-outs that gave a forecast, the smallest first."""
    found = []
    for count in sorted({int(held) for held in history["held_out"]}):
        rows = history[history["held_out"] == count]
        found.append(HoldOut(count, rows["run"].nunique(), float(rows["ratio"].max())))
    return found


def with_combination(forecaster: Forecaster) -> pd.DataFrame:
    """Give the backtest of the series that are reported, with the combination as one more method.

    Its weights are those of the whole backtest, so it says how they would have done, not how weights chosen without the
    held-out runs would have done.

    Returns:
        columns `held_out`, `run`, `ratio`, `series`, `method`, `truth`, `error`, `absolute` (error, in shares).
    """
    history = forecaster.history
    history = history[history["series"].isin(forecaster.rows)]
    parts = [history]
    # One method alone is its own combination.
    if len(set(history["method"])) > 1:
        combined = forecaster.combination.held_out_forecasts(history)
        counts = history.drop_duplicates("hold_out").set_index("hold_out")["held_out"]
        parts.append(combined.assign(method=COMBINATION, held_out=combined["hold_out"].map(counts)))
    both = pd.concat(parts, ignore_index=True)
    error = both["forecast"].astype(float) - both["truth"].astype(float)
    both = both.assign(truth=both["truth"].astype(float), error=error, absolute=error.abs())
    return both[["held_out", "run", "ratio", "series", "method", "truth", "error", "absolute"]]


def errors_by_method(backtest: pd.DataFrame, hold_outs: list[HoldOut]) -> list[Errors]:
    """Average the absolute errors of a backtest per method, in the order of the methods, the combination last."""
    return errors_by_series(backtest.assign(series=0), hold_outs).get(0, [])


def errors_by_series(backtest: pd.DataFrame, hold_outs: list[HoldOut]) -> dict[int, list[Errors]]:
    """Average the absolute errors of each series by itself, all in one pass: a report may have hundreds.

    Returns:
        number of the series -> its methods' errors in the order of the methods, the combination last.
    """
    each = backtest.groupby(["series", "method", "held_out"])["absolute"].mean().to_dict()
    overall = backtest.groupby(["series", "method"])["absolute"].agg(["mean", "size"]).to_dict("index")
    found: dict[int, list[Errors]] = {int(number): [] for number in backtest["series"].unique()}
    for number, lines in found.items():
        for name in [*METHODS, COMBINATION]:
            if (number, name) not in overall:
                continue
            title = METHODS[name].title if name in METHODS else "all of them, by weight"
            own = [each.get((number, name, one.count)) for one in hold_outs]
            errors = tuple(None if error is None else float(error) for error in own)
            total = overall[number, name]
            lines.append(Errors(name, title, errors, float(total["mean"]), int(total["size"])))
    return found


def rows_by_trust(forecaster: Forecaster, forecast: Forecast) -> tuple[list[int], list[int]]:
    """Split the numbers of the series into those with a forecast and those graded F."""
    firm: list[int] = []
    unsure: list[int] = []
    for row, one in zip(forecaster.rows, forecast.forecasts, strict=True):
        (unsure if one.grade == NOT_FORECASTABLE else firm).append(row)
    return firm, unsure

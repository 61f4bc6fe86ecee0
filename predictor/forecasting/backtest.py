"""Hold out the largest runs, forecast them from the rest, and keep the errors: what a forecast's trust is built on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.forecasting.methods import Method, Resampling
from predictor.forecasting.panel import Panel
from predictor.progress import Done, silent

Array = NDArray[np.float64]

# Shares of the runs that are fitted, those of least compute first; beside them, all runs up to each size.
FITTED_SHARES = (0.35, 0.5, 0.65, 0.8, 0.9)
MOST_HOLD_OUTS = 8
# A fit needs this many runs to say anything about an extrapolation.
FEWEST_RUNS = 3
# A held-out run counts when it has at least this many times the compute of the largest fitted one, or is larger.
SMALLEST_RATIO = 1.2

# Columns that differ between the series of one forecast.
_BY_SERIES = ("series", "forecast", "truth", "stderr")
COLUMNS = ("hold_out", "held_out", "run", "ratio", "series", "method", "forecast", "truth", "stderr")


def run_order(panel: Panel) -> NDArray[np.intp]:
    """Number the runs from the least to the most compute."""
    return np.argsort(_largest(panel, panel.flops), kind="stable")


def _largest(panel: Panel, values: Array) -> Array:
    return np.array([values[panel.run == number].max() for number in range(len(panel.runs))])


def hold_outs(panel: Panel) -> list[NDArray[np.intp]]:
    """Choose the runs that each hold-out leaves out, never so many that fewer than three would remain.

    Rolling along the ladder: the runs of most compute, in shrinking numbers, and the runs of the largest sizes, because
    a target is mostly a larger model and not only a longer run.
    """
    runs = len(panel.runs)
    order, size = run_order(panel), _largest(panel, panel.params)
    counts = {runs - round(share * runs) for share in FITTED_SHARES} | {1}
    candidates = [order[runs - count :] for count in sorted(counts, reverse=True) if 0 < count <= runs - FEWEST_RUNS]
    sizes = np.unique(size)
    for limit in sizes[1:-1]:
        larger = np.flatnonzero(size > 1.05 * limit)
        if 0 < larger.size <= runs - FEWEST_RUNS:
            candidates.append(larger)
    distinct = list({frozenset(one.tolist()): np.sort(one) for one in candidates}.values())
    chosen = np.unique(np.linspace(0, len(distinct) - 1, min(len(distinct), MOST_HOLD_OUTS)).round().astype(int))
    return [distinct[number] for number in chosen] if distinct else []


def backtest(
    panel: Panel,
    methods: Mapping[str, Method],
    held: list[NDArray[np.intp]] | None = None,
    done: Done = silent,
) -> pd.DataFrame:
    """Forecast the last checkpoint of each held-out run with every method.

    Args:
        panel: the observations.
        methods: what to try.
        held: numbers of the runs that each hold-out leaves out; `hold_outs` where None.
        done: called with a line after each hold-out.

    Returns:
        one row per (hold-out, run, series, method): columns `COLUMNS`, `held_out` the number of runs left out,
        `ratio` the run's compute over the largest fitted, `series` the number of the series in the panel.
    """
    rows = []
    for number, left_out in enumerate(hold_outs(panel) if held is None else held):
        rows += _forecast_held_out(panel, methods, number, left_out)
        done(f"{left_out.size} of {len(panel.runs)} runs held out")
    if not rows:
        return pd.DataFrame({name: pd.Series(dtype=float) for name in COLUMNS})
    # One frame of whole columns: a frame for each method and run would cost more than many of the fits.
    sizes = [row["series"].size for row in rows]
    table = pd.DataFrame(
        {
            name: np.concatenate([row[name] for row in rows])
            if name in _BY_SERIES
            else np.repeat(np.array([row[name] for row in rows]), sizes)
            for name in COLUMNS
        }
    )
    return table[table["truth"].notna() & table["forecast"].notna()].reset_index(drop=True)


def _forecast_held_out(
    panel: Panel, methods: Mapping[str, Method], number: int, left_out: NDArray[np.intp]
) -> list[dict[str, Any]]:
    """Forecast one hold-out's runs, an entry for each method and run; none where too little stays to fit.

    What differs by series is an array over those that were tested, all else is one value.
    """
    fitted = without_runs(panel, left_out)
    tests = _tests(panel, fitted, left_out)
    # Like `build_panel`: runs of one compute say nothing of how scores depend on it.
    alike = fitted.flops.max() < 1.01 * fitted.flops.min()
    if not tests or alike or not np.isfinite(fitted.score).any():
        return []
    rows = []
    for method in methods.values():
        accepted = accepted_series(fitted, method)[0]
        if not accepted.size:
            continue
        model = method.fit(fitted.select(accepted), Resampling(0, 0))
        for last, ended in tests.items():
            tested = np.isin(accepted, ended)
            series = accepted[tested]
            rows.append(
                {
                    "hold_out": number,
                    "held_out": left_out.size,
                    "run": panel.runs[panel.run[last]],
                    "ratio": panel.flops[last] / fitted.flops.max(),
                    "series": series,
                    "method": method.name,
                    "forecast": model.predict(panel.params[last], panel.tokens[last])[tested, 0],
                    "truth": panel.score[series, last],
                    "stderr": panel.stderr[series, last],
                }
            )
    return rows


def without_runs(panel: Panel, left_out: NDArray[np.intp]) -> Panel:
    """Leave runs out and number the others anew; their scores at the end are estimated without those left out."""
    stay = np.setdiff1d(np.arange(len(panel.runs)), left_out)
    kept = panel.observations(np.isin(panel.run, stay))
    runs = tuple(panel.runs[number] for number in stay)
    return replace(kept, run=np.searchsorted(stay, kept.run), runs=runs).with_ends()


def _tests(panel: Panel, fitted: Panel, left_out: NDArray[np.intp]) -> dict[int, NDArray[np.intp]]:
    """Choose the observations to forecast: number of each -> numbers of the series whose run it ends."""
    tests = {}
    for run in left_out:
        for last, series in panel.last_scored(int(run)).items():
            further = panel.flops[last] >= SMALLEST_RATIO * fitted.flops.max()
            if further or panel.params[last] > 1.05 * fitted.params.max():
                tests[last] = series
    return tests


def accepted_series(panel: Panel, method: Method) -> tuple[NDArray[np.intp], dict[int, str]]:
    """Number the series that a method accepts, and give its reasons for the others."""
    refused = method.refuse(panel)
    never = np.flatnonzero(~np.isfinite(panel.score).any(axis=1))
    reasons = {**dict.fromkeys(map(int, never), "never scored"), **refused}
    return np.array([i for i in range(len(panel.series)) if i not in reasons], dtype=np.intp), reasons

"""Hold out the largest runs, forecast them from the rest, and keep the errors: what a forecast's trust is built on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.forecast.methods import Method, Resampling
from predictor.forecast.panel import Panel

Array = NDArray[np.float64]

# Shares of the runs that are held out, the largest first.
HOLD_OUT_SHARES = (0.1, 0.25, 0.5)
# A fit needs this many runs to say anything about an extrapolation.
FEWEST_RUNS = 3
# A held-out run counts when it has at least this many times the compute of the largest fitted one.
SMALLEST_RATIO = 1.2

COLUMNS = ("held_out", "run", "ratio", "series", "method", "forecast", "truth", "stderr")


def run_order(panel: Panel) -> NDArray[np.intp]:
    """Number the runs from the least to the most compute."""
    largest = np.array([panel.flops[panel.run == number].max() for number in range(len(panel.runs))])
    return np.argsort(largest, kind="stable")


def hold_out_counts(panel: Panel) -> list[int]:
    """How many of the largest runs each hold-out leaves out; none where too few runs would remain."""
    runs = len(panel.runs)
    counts = {max(1, round(share * runs)) for share in HOLD_OUT_SHARES}
    return sorted(count for count in counts if runs - count >= FEWEST_RUNS)


def backtest(panel: Panel, methods: Mapping[str, Method], counts: list[int] | None = None) -> pd.DataFrame:
    """Forecast the last checkpoint of each held-out run with every method.

    Args:
        panel: the observations.
        methods: what to try.
        counts: numbers of runs to hold out; `hold_out_counts` where None.

    Returns:
        one row per (hold-out, run, series, method): columns `COLUMNS`, `ratio` the run's compute over the largest
        fitted, `series` the number of the series in the panel.
    """
    order = run_order(panel)
    rows = []
    for count in hold_out_counts(panel) if counts is None else counts:
        held = order[-count:]
        fitted = panel.observations(~np.isin(panel.run, held))
        largest = fitted.flops.max()
        tests = []
        for run in held:
            index = np.flatnonzero(panel.run == run)
            last = int(index[np.argmax(panel.tokens[index])])
            if panel.flops[last] >= SMALLEST_RATIO * largest:
                tests.append(last)
        if not tests:
            continue
        for method in methods.values():
            accepted = accepted_series(fitted, method)[0]
            if not accepted.size:
                continue
            model = method.fit(fitted.select(accepted), Resampling(0, 0))
            for last in tests:
                forecasts = model.predict(panel.params[last], panel.tokens[last])[:, 0]
                rows.append(
                    pd.DataFrame(
                        {
                            "held_out": count,
                            "run": panel.runs[panel.run[last]],
                            "ratio": panel.flops[last] / largest,
                            "series": accepted,
                            "method": method.name,
                            "forecast": forecasts,
                            "truth": panel.score[accepted, last],
                            "stderr": panel.stderr[accepted, last],
                        }
                    )
                )
    if not rows:
        return pd.DataFrame({name: pd.Series(dtype=float) for name in COLUMNS})
    table = pd.concat(rows, ignore_index=True)
    return table[table["truth"].notna() & table["forecast"].notna()].reset_index(drop=True)


def accepted_series(panel: Panel, method: Method) -> tuple[NDArray[np.intp], dict[int, str]]:
    """Number the series that a method accepts, and give its reasons for the others."""
    refused = method.refuse(panel)
    never = np.flatnonzero(~np.isfinite(panel.score).any(axis=1))
    reasons = {**dict.fromkeys(map(int, never), "never scored"), **refused}
    return np.array([i for i in range(len(panel.series)) if i not in reasons], dtype=np.intp), reasons

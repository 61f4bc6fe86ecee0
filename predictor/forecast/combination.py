"""Weigh the methods by their backtest, and size the interval by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A series' own squared errors are blended with those of all series as if it had this many held-out forecasts more.
_SHRINKAGE = 3.0
# Differences between methods below this are noise: weights do not follow them.
_ERROR_FLOOR = 0.005
# Where nothing could be held out: laws are trusted more than no change.
_DEFAULT_WEIGHTS = {"last_value": 0.5}
# Expected error of an extrapolation by a factor two where nothing could be held out, in shares.
_DEFAULT_ERROR = 0.04


def distance(ratio: float | Array) -> Array:
    """Measure how far an extrapolation goes: 1 at the largest run, one more for each doubling of compute."""
    return 1.0 + np.maximum(np.log2(np.asarray(ratio, dtype=float)), 0.0)


@dataclass(frozen=True)
class Combination:
    """Weights of the methods and expected error, per series.

    Attributes:
        weights: series -> method -> weight, summing to one over the methods that accept it.
        error: expected root mean square error of the combination at the target, without the noise of its own
            evaluation.
        backtest_error: mean absolute error on held-out runs, NaN where there were none.
        tests: number of held-out forecasts behind each series.
    """

    weights: list[dict[str, float]]
    error: Array
    backtest_error: Array
    tests: NDArray[np.intp]


def combine(record: pd.DataFrame, accepted: list[list[str]], ratio: float) -> Combination:
    """Turn a backtest into weights and expected errors.

    Args:
        record: the backtest's rows.
        accepted: for each series, the methods that forecast it.
        ratio: the target's compute over that of the largest run.
    """
    count = len(accepted)
    far = float(distance(ratio))
    table = record.assign(error=record["forecast"] - record["truth"], far=distance(record["ratio"].to_numpy(float)))
    # Errors grow with the distance; in units of it they can be pooled over hold-outs.
    table["unit"] = (table["error"] / table["far"]) ** 2
    overall = table.groupby("method")["unit"].mean()
    own = table.groupby(["series", "method"])["unit"].agg(["sum", "size"])
    sums = dict(zip(own.index, own.to_numpy(float).tolist(), strict=True))
    weights: list[dict[str, float]] = []
    for number in range(count):
        scores = {}
        for name in accepted[number]:
            if name not in overall.index:
                continue
            total, size = sums.get((number, name), (0.0, 0))
            mean = (total + _SHRINKAGE * overall[name]) / (size + _SHRINKAGE)
            scores[name] = 1.0 / (mean * far**2 + _ERROR_FLOOR**2)
        if not scores:
            scores = {name: _DEFAULT_WEIGHTS.get(name, 1.0) for name in accepted[number]}
        if ratio < 1 and len(scores) > 1 and "last_value" in scores:
            # Inside the ladder the largest run's score says ever less; continuous at its compute.
            scores["last_value"] *= ratio
        total_score = sum(scores.values())
        weights.append({name: float(score / total_score) for name, score in scores.items()})
    return Combination(weights, *_expected_errors(table, weights, far))


def _expected_errors(
    table: pd.DataFrame, weights: list[dict[str, float]], far: float
) -> tuple[Array, Array, NDArray[np.intp]]:
    count = len(weights)
    if table.empty:
        return np.full(count, _DEFAULT_ERROR * far / 2), np.full(count, np.nan), np.zeros(count, dtype=np.intp)
    weight = [
        weights[int(series)].get(name, 0.0) for series, name in zip(table["series"], table["method"], strict=True)
    ]
    table = table.assign(weight=weight)
    table["weighted"] = table["weight"] * table["error"]
    groups = table.groupby(["series", "held_out", "run"])
    errors = groups.agg(
        weighted=("weighted", "sum"), weight=("weight", "sum"), far=("far", "first"), stderr=("stderr", "first")
    )
    errors = errors[errors["weight"] > 0].reset_index()
    errors["error"] = errors["weighted"] / errors["weight"]
    # What the held-out score's own noise explains is not the method's error; it is added again at the target.
    errors["unit"] = np.maximum(errors["error"] ** 2 - errors["stderr"] ** 2, 0.0) / errors["far"] ** 2
    by_series = errors.groupby("series").agg(
        total=("unit", "sum"), size=("unit", "size"), mae=("error", lambda e: e.abs().mean())
    )
    by_series = by_series.reindex(range(count))
    size = by_series["size"].fillna(0).to_numpy(int)
    total = by_series["total"].fillna(0.0).to_numpy(float)
    mean = (total + _SHRINKAGE * float(errors["unit"].mean())) / (size + _SHRINKAGE)
    return np.sqrt(mean) * far, by_series["mae"].to_numpy(float), size.astype(np.intp)

"""Weigh the methods by their backtest, and size the interval by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Weights before any backtest, tuned on hold-outs of published ladders (benchmarks/accuracy/backtest.py). A method that
# is not named here counts one, as `skills`: with 1.5 or 2 the error from three to seven runs of OPT, Pythia and
# leaderboard families moves by 0.01 points, with 0.3 it is 0.10 worse, with 3 0.06.
_PRIOR_WEIGHTS = {
    "last_value": 0.1,
    "direct": 0.25,
    "broken_power": 0.5,
    "two_step_heldout": 0.5,
    "ability": 1.5,
    "ability_families": 2.0,
    "difficulty": 2.0,
}
# A series' own squared errors are blended with those of all series as if it had this many hold-outs more.
_SHRINKAGE = 4.0
# Errors grow with this power of the doublings of compute: on published ladders slower than in proportion.
_GROWTH = 0.7
# Differences between methods below this are noise: weights do not follow them.
_ERROR_FLOOR = 0.01
# Expected error of an extrapolation by a factor two where nothing could be held out, in shares.
_DEFAULT_ERROR = 0.04
# The quantile that spans the central 80% of a normal distribution.
_CENTRAL_80 = 1.2816
# Spread of a target's error: the variance of the ladder's held-out errors, and of the methods' mixture, each in the
# share that central intervals need. These four were fitted to the 80% intervals' score on hold-outs of Pythia, OPT,
# Gemstones, the OLMo ladder to 10xC and five families of the first Open LLM Leaderboard.
_SEEN, _MIXTURE = 0.72, 0.30
# A series' own hold-outs count by the runs held out; so many more for the ladder's other series, and for the mixture.
_LADDER_RUNS, _MIXTURE_RUNS = 1.0, 1.9
# Least spread of an extrapolation at distance one that no held-out run bears out, in shares.
_LEAST = 0.005


def distance(ratio: float | Array) -> Array:
    """Say by how much the error grows with the ratio of computes: 1 at the largest run, 2.6 at 8x, 4.2 at 100x."""
    return np.asarray((1.0 + np.maximum(np.log2(np.asarray(ratio, dtype=float)), 0.0)) ** _GROWTH)


def weighted_median(values: Array, weights: Array) -> Array:
    """Give the weighted median over the last axis, interpolated between the two middle values.

    Unlike a mean it does not follow one method that runs away. NaN values count nothing; each row needs one value.
    """
    weight = np.where(np.isfinite(values), weights, 0.0)
    # Values without weight stand beside the highest, where they change nothing.
    value = np.where(weight > 0, values, np.max(np.where(weight > 0, values, -np.inf), axis=-1, keepdims=True))
    order = np.argsort(value, axis=-1, kind="stable")
    value, weight = (np.take_along_axis(one, order, axis=-1) for one in (value, weight))
    place = (np.cumsum(weight, axis=-1) - weight / 2) / weight.sum(axis=-1, keepdims=True)
    upper = np.argmax(place >= 0.5 - 1e-12, axis=-1)[..., None]
    lower = np.maximum(upper - 1, 0)
    low, high, start, end = (
        np.take_along_axis(one, where, axis=-1)[..., 0]
        for one, where in ((value, lower), (value, upper), (place, lower), (place, upper))
    )
    share = np.where(end > start, (0.5 - start) / np.maximum(end - start, 1e-300), 1.0)
    return np.asarray(low + np.clip(share, 0.0, 1.0) * (high - low))


# The same squared, at distance one.
_DEFAULT_UNIT = float(_DEFAULT_ERROR / distance(2.0)) ** 2


@dataclass(frozen=True)
class Combination:
    """What the backtest says of each method and series; made by `Combination.of`.

    Attributes:
        names: the methods.
        accepted: which series each method forecasts, shape (series, methods).
        unit: expected squared error of each method on each series at distance one, shape (series, methods).
        combined: the same for the combination, shape (series,), shrunken towards that of all series.
        backtest_error: mean absolute error of the combination on held-out runs, NaN where there were none.
        tests: number of held-out forecasts behind each series.
        runs: number of different runs held out, by series.
    """

    names: tuple[str, ...]
    accepted: NDArray[np.bool_]
    unit: Array
    combined: Array
    backtest_error: Array
    tests: NDArray[np.intp]
    runs: NDArray[np.intp]

    @classmethod
    def of(cls, record: pd.DataFrame, names: tuple[str, ...], accepted: NDArray[np.bool_]) -> Combination:
        """Pool a backtest's rows."""
        count = len(accepted)
        unit = _unit_errors(record, names, count)
        blank = cls(
            names,
            accepted,
            unit,
            np.full(count, _DEFAULT_UNIT),
            np.full(count, np.nan),
            np.zeros(count, dtype=np.intp),
            np.zeros(count, dtype=np.intp),
        )
        if record.empty:
            return blank
        tests = blank.held_out_forecasts(record)
        tests["far"] = distance(tests["ratio"].to_numpy(float))
        tests["error"] = tests["forecast"] - tests["truth"]
        # What the held-out score's own noise explains is not the method's error; it is added again at the target.
        tests["unit"] = np.maximum(tests["error"] ** 2 - tests["stderr"] ** 2, 0.0) / tests["far"] ** 2
        by_series = tests.groupby("series")
        # Hold-outs count alike, however many runs they leave out.
        own = tests.groupby(["series", "hold_out"])["unit"].mean().groupby("series").mean()
        runs = by_series["run"].nunique().reindex(range(count)).fillna(0).to_numpy(int)
        everywhere = float(tests["unit"].mean())
        combined = (runs * own.reindex(range(count)).fillna(0.0).to_numpy(float) + _LADDER_RUNS * everywhere) / (
            runs + _LADDER_RUNS
        )
        mae = by_series["error"].apply(lambda errors: errors.abs().mean()).reindex(range(count)).to_numpy(float)
        number = by_series.size().reindex(range(count)).fillna(0).to_numpy(int)
        return cls(names, accepted, unit, combined, mae, number.astype(np.intp), runs.astype(np.intp))

    def weights(self, ratio: Array) -> Array:
        """Weigh the methods for targets of the given compute over each series' largest run; shape (series, methods)."""
        far = distance(ratio)[:, None]
        prior = np.array([_PRIOR_WEIGHTS.get(name, 1.0) for name in self.names])
        weight = prior / np.sqrt(self.unit * far**2 + _ERROR_FLOOR**2)
        if "last_value" in self.names:
            # Inside the ladder the largest run's score says ever less; continuous at its compute.
            weight[:, self.names.index("last_value")] *= np.minimum(ratio, 1.0)
        weight = np.where(self.accepted, weight, 0.0)
        return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300))

    def expected_error(self, ratio: Array) -> Array:
        """Expected root mean square error at the target without its evaluation's own noise, shape (series,)."""
        return np.asarray(np.sqrt(self.combined) * distance(ratio))

    def spread(self, ratio: Array, rows: Sequence[int], mixture: Array) -> Array:
        """Return the standard deviation of the error at the target without its evaluation's own noise, shape (rows,).

        Args:
            ratio: the target's compute over that of the largest run, shape (series,).
            rows: numbers of the series.
            mixture: variance of the mixture of the methods' draws on them, shape (rows,).
        """
        chosen = list(rows)
        far = distance(ratio)[chosen]
        seen = self.combined[chosen] * far**2
        prior = _MIXTURE * mixture + (_LEAST * far) ** 2
        if not self.tests.any():
            # One law alone has nothing to disagree with but no change, and its draws say nothing of how wrong it is.
            few = self.accepted[chosen].sum(axis=1) < 3
            return np.asarray(np.sqrt(np.where(few, np.maximum(seen, mixture), prior)))
        count = self.runs[chosen] + _LADDER_RUNS
        return np.asarray(np.sqrt((count * _SEEN * seen + _MIXTURE_RUNS * prior) / (count + _MIXTURE_RUNS)))

    def held_out_forecasts(self, record: pd.DataFrame) -> pd.DataFrame:
        """Combine the methods' forecasts of a backtest; one row per (hold-out, run, series)."""
        keys = ["hold_out", "run", "series"]
        wide = record.pivot_table(index=keys, columns="method", values="forecast").reindex(columns=list(self.names))
        first = record.groupby(keys)[["ratio", "truth", "stderr"]].first()
        tests = first.reindex(wide.index).reset_index()
        series = tests["series"].to_numpy(int)
        weights = self.weights(np.ones(len(self.accepted)))
        # A method may forecast fewer runs than all of the series it accepts now.
        weight = np.where(np.isfinite(wide.to_numpy(float)), np.maximum(weights[series], 1e-12), 0.0)
        tests["forecast"] = weighted_median(wide.to_numpy(float), weight)
        return tests


def _unit_errors(record: pd.DataFrame, names: tuple[str, ...], count: int) -> Array:
    if record.empty:
        return np.full((count, len(names)), _DEFAULT_UNIT)
    far = distance(record["ratio"].to_numpy(float))
    table = record.assign(unit=((record["forecast"] - record["truth"]) / far) ** 2)
    per_hold_out = table.groupby(["method", "series", "hold_out"])["unit"].mean()
    overall = per_hold_out.groupby("method").mean().reindex(list(names))
    # A method that could never be tried is expected to do as the others do.
    overall = overall.fillna(overall.mean())
    unit = np.empty((count, len(names)))
    for place, name in enumerate(names):
        if name in per_hold_out.index.get_level_values("method"):
            own = per_hold_out[name].groupby("series").agg(["sum", "size"]).reindex(range(count)).fillna(0.0)
            total, size = own["sum"].to_numpy(float), own["size"].to_numpy(float)
        else:
            total = size = np.zeros(count)
        unit[:, place] = (total + _SHRINKAGE * overall[name]) / (size + _SHRINKAGE)
    return unit


def robust_variance(draws: Array) -> Array:
    """Return the variance of draws over the last axis by their central 80 %: a few wild resamples do not set it."""
    if draws.shape[-1] == 0:
        return np.zeros(draws.shape[:-1])
    low, high = np.quantile(draws, [0.1, 0.9], axis=-1)
    return np.asarray(((high - low) / (2 * _CENTRAL_80)) ** 2)

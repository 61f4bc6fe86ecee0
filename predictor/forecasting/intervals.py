"""The distribution of a target's scores: the methods' weighted median, and intervals around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.combination import Combination, robust_variance, weighted_median
from predictor.forecasting.panel import Panel, measurement_error

Array = NDArray[np.float64]

# Half-widths in standard deviations: a normal's for 80%, wider for 95%, as errors have heavier tails.
WIDTHS = {"80": 1.2816, "95": 2.2}
# Quantiles of a posterior's draws at the ends of each level's interval, and a normal's half-widths.
_TAILS = {"80": (0.1, 0.9), "95": (0.025, 0.975)}
_NORMAL = {"80": 1.2816, "95": 1.9600}
# The posterior of the shared skills takes its covariance as known, and is too narrow by about so much. Chosen on the
# hold-outs of benchmarks/accuracy/families.py, where intervals without it hold 67 to 84% and 83 to 96%.
_POSTERIOR = {"80": 1.2, "95": 1.3}

Ends = dict[str, tuple[Array, Array]]


def distribution(
    panel: Panel,
    rows: Sequence[int],
    combination: Combination,
    ratio: Array,
    draws: Mapping[str, Array],
    alone: NDArray[np.bool_],
    posterior: str,
) -> tuple[Array, Ends]:
    """Compute the median of the measured score and the ends of each level's interval, in shares.

    Args:
        panel: the observations.
        rows: numbers of the series that are forecast.
        combination: weights and backtest of the methods.
        ratio: the target's compute over that of the largest run, shape (series,).
        draws: method -> its forecast and then its draws, shape (series, 1 + R), NaN for series it refuses.
        alone: which of the rows are forecast by one method's posterior, shape (rows,).
        posterior: name of that method.

    Returns:
        medians, shape (rows,), and level -> lower and upper ends, each of the same shape.
    """
    weights = combination.weights(ratio)[rows]
    values = by_method(combination, draws, rows)
    median = np.clip(weighted_median(values, weights), 0.0, 1.0)
    spread = combination.spread(ratio, rows, mixture_variance(combination, draws, rows, weights, median))
    noise = np.array([measurement_error(panel, row, score) for score, row in zip(median, rows, strict=True)])
    ends = {}
    for level, width in WIDTHS.items():
        below = above = width * np.hypot(spread, noise)
        if alone.any():
            known = np.array([panel.series[row].n_items is not None for row in rows])
            # Its draws are the posterior itself, and not symmetric near chance.
            tails = np.quantile(draws[posterior][rows, 1:], _TAILS[level], axis=1)
            reach = np.hypot(_POSTERIOR[level] * (tails - median), _NORMAL[level] * np.where(known, noise, 0.0))
            below, above = np.where(alone, reach[0], below), np.where(alone, reach[1], above)
        ends[level] = (np.clip(median - below, 0.0, 1.0), np.clip(median + above, 0.0, 1.0))
    return median, ends


def by_method(combination: Combination, draws: Mapping[str, Array], rows: Sequence[int]) -> Array:
    """Return each method's own forecast of each series that is forecast, shape (rows, methods)."""
    blank = np.full(len(combination.accepted), np.nan)
    columns = [draws[name][:, 0] if name in draws else blank for name in combination.names]
    return np.asarray(np.stack(columns, axis=1)[list(rows)])


def mixture_variance(
    combination: Combination, draws: Mapping[str, Array], rows: Sequence[int], weights: Array, median: Array
) -> Array:
    """Return the variance of the mixture of the methods: within each by its draws, between them by their distance."""
    inner = np.stack(
        [
            robust_variance(draws[name][list(rows), 1:]) if name in draws else np.zeros(len(rows))
            for name in combination.names
        ],
        axis=1,
    )
    values = by_method(combination, draws, rows)
    between = np.where(np.isfinite(values), values - median[:, None], 0.0) ** 2
    return np.asarray(np.sum(weights * (np.nan_to_num(inner) + between), axis=1))

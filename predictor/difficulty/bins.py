"""Forecast a task from bins of its items, where only the bins' scores were kept, over models of many families."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from predictor.fitting import solve_batch
from predictor.laws.shape import scaling_shape

Array = NDArray[np.float64]

# A model with e times less compute than the largest of `LOCALITY` counts e^-1 as much.
LOCALITY = 2.0
# Standard deviation of a model of another family around the curve, and of the prior on the slope per e-fold of compute.
_FAMILY_ERROR = 0.03
_SLOPE = 0.5
# After a turn at least this share of the models is kept.
_KEPT = 0.4


def forecast_curves(flops: Array, scores: Array, target: Array) -> Array:
    """Extrapolate each of B curves in compute by a logistic law, fitted after its turn where it has the shape of a U.

    Hard items get worse before they get better: a mean over all items hides the turn, a bin shows it.

    Args:
        flops: compute of the models, shape (M,).
        scores: shares in [0, 1], shape (B, M).
        target: compute to forecast at, shape (P,).

    Returns:
        shape (B, P).
    """
    place = np.log(flops) - np.log(flops.max())
    weight = np.tile(np.exp(place / LOCALITY), (scores.shape[0], 1))
    for row, values in enumerate(scores):
        if np.unique(flops).size < 4:
            break
        found = scaling_shape(flops, values)
        if found.shape == "u" and found.turning_point is not None:
            last = np.quantile(flops, 1 - _KEPT)
            weight[row, flops < min(found.turning_point, last)] = 0.0

    def model(theta: Array, which: NDArray[np.intp]) -> Array:
        return np.asarray(1 / (1 + np.exp(-(theta[:, :1] + theta[:, 1:] * place))))

    middle = np.clip(scores.mean(axis=1), 0.01, 0.99)
    start = np.stack([np.log(middle / (1 - middle)), np.zeros_like(middle)], axis=1)
    shape = start.shape
    fit = solve_batch(
        model,
        scores,
        np.full(scores.shape, _FAMILY_ERROR),
        weight,
        start,
        np.array([-12.0, -3.0]),
        np.array([12.0, 3.0]),
        np.zeros(shape),
        np.broadcast_to(np.array([np.inf, _SLOPE]), shape),
    )
    ahead = np.log(target) - np.log(flops.max())
    return np.asarray(1 / (1 + np.exp(-(fit.coordinates[:, :1] + fit.coordinates[:, 1:] * ahead))))


def forecast_from_bins(flops: Array, bins: Array, target: Array, weights: Array | None = None) -> Array:
    """Forecast a task's score as the mean of its bins' forecasts.

    Args:
        flops: compute of the models, shape (M,).
        bins: scores of the bins, shares in [0, 1], shape (B, M).
        target: compute to forecast at, shape (P,).
        weights: items in each bin, shape (B,); equal ones where None.

    Returns:
        shape (P,).
    """
    return np.average(forecast_curves(flops, bins, target), axis=0, weights=weights)

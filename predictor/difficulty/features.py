"""Item curves over neighbouring checkpoints: smoothed, and filled where an item was not scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Checkpoints of a run are neighbours up to this ratio of tokens: between them ability has hardly moved.
NEIGHBOURS = 1.25


def smooth(values: Array, run: NDArray[np.str_], tokens: Array, reach: int = 1) -> Array:
    """Average each checkpoint with its neighbours in the same run, up to `reach` on either side; NaN are left out.

    Args:
        values: shape (M, K).
        run: shape (M,).
        tokens: shape (M,).
        reach: how many neighbours; fewer at the ends of a run.

    Returns:
        shape (M, K); an item that was scored at none of the checkpoints that are averaged stays NaN.
    """
    result = np.full(values.shape, np.nan)
    for name in np.unique(run):
        index = np.flatnonzero(run == name)
        index = index[np.argsort(tokens[index], kind="stable")]
        for place, row in enumerate(index):
            near = index[max(place - reach, 0) : place + reach + 1]
            ratio = tokens[near] / max(tokens[row], 1.0)
            window = values[near[(ratio <= NEIGHBOURS**reach) & (ratio >= NEIGHBOURS**-reach)]]
            seen = np.isfinite(window)
            number = seen.sum(axis=0)
            total = np.where(seen, window, 0.0).sum(axis=0)
            result[row] = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return result


def fill(values: Array, run: NDArray[np.str_], tokens: Array) -> Array:
    """Replace missing values by the item's nearest checkpoint in the same run, else by its mean over the others.

    Returns:
        shape (M, K) without NaN; items that were never scored become the mean of all.
    """
    result = values.copy()
    if np.isfinite(values).all():
        return result
    for name in np.unique(run):
        index = np.flatnonzero(run == name)
        place = np.log(tokens[index])
        for row in index:
            missing = ~np.isfinite(values[row])
            for other in index[np.argsort(np.abs(place - np.log(tokens[row])), kind="stable")]:
                take = missing & np.isfinite(values[other]) & ~np.isfinite(result[row])
                result[row, take] = values[other, take]
    seen = np.isfinite(values)
    number = seen.sum(axis=0)
    total = np.where(seen, values, 0.0).sum(axis=0)
    overall = total.sum() / max(number.sum(), 1)
    mean = np.where(number > 0, total / np.maximum(number, 1), overall)
    return np.where(np.isfinite(result), result, mean)

"""What the items of one checkpoint share beside ability: how sure it is of a format, of an answer's end.

From one late checkpoint of a run to the next ability hardly moves, and steadily, so what jumps there is nuisance: a few
directions over the items that all of them follow, and noise of each item's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty.features import NEIGHBOURS

Array = NDArray[np.float64]

# Neighbouring checkpoints count from this share of a run's checkpoints on: before, ability itself moves.
LATE_FROM = 1 / 3
# More directions than these are not told from the items' own noise.
DIRECTIONS = 10
# Fewer checkpoints than this do not estimate a direction.
FEWEST_DIFFERENCES = 8
# A difference with this many times the median square is a broken checkpoint, not nuisance.
_BROKEN = 25.0
_LEAST_OWN = 1e-3


@dataclass(frozen=True)
class Nuisance:
    """Directions over K items in which checkpoints move together.

    Attributes:
        directions: orthonormal, shape (directions, K); empty where too few neighbouring checkpoints are known.
        variance: variance of a checkpoint along each, shape (directions,).
        own: variance of an item's own noise.
        share: share of the late variance that each direction explains.
        differences: checkpoints with neighbours that it was estimated from.
    """

    directions: Array
    variance: Array
    own: float
    share: Array
    differences: int

    def remove(self, values: Array, centre: Array | None = None) -> Array:
        """Take the directions out of item values, shape (M, K), around `centre`, the items' means where None."""
        middle = values.mean(axis=0) if centre is None else centre
        around = values - middle
        return middle + around - (around @ self.directions.T) @ self.directions

    def whiten(self, loading: Array) -> Array:
        """Multiply by the inverse covariance of a checkpoint's noise, for a vector over items of shape (K,)."""
        along = self.directions @ loading
        shrunk = along * self.variance / (self.variance + self.own)
        return (loading - self.directions.T @ shrunk) / self.own


def estimate_nuisance(values: Array, run: NDArray[np.str_], tokens: Array, directions: int = DIRECTIONS) -> Nuisance:
    """Estimate what a late checkpoint differs in from the two beside it.

    Args:
        values: shape (M, K), without NaN.
        run: shape (M,).
        tokens: shape (M,).
        directions: at most so many.
    """
    triples = []
    for name in np.unique(run):
        index = np.flatnonzero(run == name)
        index = index[np.argsort(tokens[index], kind="stable")]
        index = index[int(len(index) * LATE_FROM) :]
        triples += [
            rows
            for rows in zip(index[:-2], index[1:-1], index[2:], strict=True)
            if tokens[rows[1]] <= NEIGHBOURS * tokens[rows[0]] and tokens[rows[2]] <= NEIGHBOURS * tokens[rows[1]]
        ]
    before, here, after = np.array(triples, dtype=np.intp).reshape(-1, 3).T
    # How far a checkpoint is from the middle of its neighbours: steady progress cancels. Six times one's variance.
    steps = (values[before] - 2 * values[here] + values[after]) / np.sqrt(6)
    size = np.einsum("ik,ik->i", steps, steps)
    if steps.shape[0]:
        steps = steps[size <= _BROKEN * np.median(size)]
    count, items = steps.shape
    if count < FEWEST_DIFFERENCES or not np.any(steps):
        return Nuisance(np.empty((0, items)), np.empty(0), 1.0, np.empty(0), count)
    # Checkpoints are fewer than items: the small side's eigenvectors give the directions.
    spread, left = np.linalg.eigh(steps @ steps.T)
    spread, left = spread[::-1], left[:, ::-1]
    kept = min(directions, count // 4, items - 1, int(np.sum(spread > 1e-9 * spread[0])))
    found = (left[:, :kept] / np.sqrt(spread[:kept])).T @ steps
    # Noise below a share of what the items differ by over the ladder is not told from the bend of their progress.
    own = max(float(spread[kept:].sum()) / count / items, _LEAST_OWN * float(values.var(axis=0).mean()), 1e-12)
    return Nuisance(found, spread[:kept] / count, own, spread[:kept] / spread.sum(), count)

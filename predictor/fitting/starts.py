"""Where a fit of one law begins: the most promising of many points, far enough from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from predictor.fitting.problem import LawProblem

Array = NDArray[np.float64]

# Points of the usual ranges among which the starts are chosen, for each start that is kept.
_CANDIDATES = 24
# Starts closer than this to a better one, in half-widths of the usual ranges, would only find the same.
_APART = 0.5


def choose_starts(problem: LawProblem, count: int) -> Array:
    """Choose starting coordinates, shape (at most `count`, parameters), the best first.

    A Sobol sequence over the usual ranges gives the nonlinear parameters, the linear ones are solved for; of these
    points the best that are not close to a better one are kept.
    """
    # Imported here: forecasts use the batch solver alone, and a query should start without scipy.stats.
    from scipy.stats import qmc

    law = problem.law
    low, high = problem.prior_range
    free = [i for i, one in enumerate(law.parameters) if not one.linear]
    tries = 2 ** int(np.ceil(np.log2(_CANDIDATES * count))) if free else 1
    points = np.tile((low + high) / 2, (tries, 1))
    if free:
        points[:, free] = low[free] + qmc.Sobol(len(free), seed=0).random(tries) * (high - low)[free]
    if law.linear_names:
        shape = (tries, problem.values.size)
        bounds = np.broadcast_to(problem.lower, points.shape), np.broadcast_to(problem.upper, points.shape)
        seen = np.broadcast_to(problem.values, shape)
        points = np.clip(problem.elimination(seen, np.ones(shape), *bounds).start(points), *bounds)
    gap = (problem.predict(points) - problem.values) / problem.sigma
    # An absolute loss: before the noise is known, no residual may outweigh all others.
    cost = np.abs(gap).sum(axis=1)
    order = np.argsort(np.where(np.isfinite(cost), cost, np.inf), kind="stable")
    kept: list[int] = []
    width = np.maximum((high - low) / 2, 1e-12)
    compared = free or list(range(len(law.parameters)))
    for i in order[np.isfinite(cost[order])]:
        distances = [np.max(np.abs(points[i] - points[j])[compared] / width[compared]) for j in kept]
        if not distances or min(distances) > _APART:
            kept.append(int(i))
        if len(kept) == count:
            break
    return points[kept]

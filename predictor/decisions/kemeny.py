"""Aggregate rankings of several benchmarks into one: Borda's count and Kemeny's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Models that beat each other in a circle are ordered exactly up to this many at once; beyond, by local search.
MOST_EXACT = 60
_SECONDS = 20.0


def pairwise_wins(score: Array) -> Array:
    """Count benchmarks on which one model beats another, ties half.

    Args:
        score: shape (models, benchmarks), NaN where a model was not scored.

    Returns:
        entry (i, j): on how many of the benchmarks that both were scored on i beats j, shape (models, models).
    """
    wins = np.zeros((score.shape[0], score.shape[0]))
    for column in score.T:
        gap = column[:, None] - column
        wins += np.where(np.isnan(gap), 0.0, 0.5 + 0.5 * np.sign(np.nan_to_num(gap)))
    np.fill_diagonal(wins, 0.0)
    return wins


def borda(score: Array) -> Array:
    """Give each model's mean share of the other models that it beats, over the benchmarks it was scored on.

    Args:
        score: shape (models, benchmarks), NaN where a model was not scored.

    Returns:
        shape (models,), in [0, 1]; NaN for a model that was never scored beside another.
    """
    shares = np.full(score.shape, np.nan)
    for place, column in enumerate(score.T):
        seen = np.flatnonzero(~np.isnan(column))
        if seen.size > 1:
            gap = column[seen, None] - column[seen]
            shares[seen, place] = ((gap > 0).sum(axis=1) + 0.5 * ((gap == 0).sum(axis=1) - 1)) / (seen.size - 1)
    count = np.isfinite(shares).sum(axis=1)
    return np.asarray(np.where(count > 0, np.nansum(shares, axis=1) / np.maximum(count, 1), np.nan))


@dataclass(frozen=True)
class KemenyOrder:
    """The order that contradicts as few comparisons on single benchmarks as can be.

    Attributes:
        order: numbers of the models, the best first.
        contradicted: how many comparisons (model against model on one benchmark) it contradicts, ties half.
        exact: whether it is proved that no order contradicts fewer.
    """

    order: tuple[int, ...]
    contradicted: float
    exact: bool


def kemeny(wins: Array) -> KemenyOrder:
    """Find Kemeny's order of models from their wins against each other (`pairwise_wins`).

    Groups in which every model beats or ties some other in a circle are ordered among themselves; between groups the
    majority decides (the extended Condorcet criterion, Truchon 1998). Groups of up to `MOST_EXACT` are solved as an
    integer programme (Conitzer, Davenport and Kalagnanam 2006), larger ones by moving single models from Borda's order
    for as long as that helps.
    """
    from scipy.sparse.csgraph import connected_components

    count, group = connected_components(wins >= wins.T, directed=True, connection="strong")
    members = [np.flatnonzero(group == number) for number in range(count)]
    # Between two groups all majorities point the same way: the number of models beaten sorts them.
    beaten = (wins > wins.T).sum(axis=1)
    members.sort(key=lambda one: -float(beaten[one].mean()))
    order: list[int] = []
    exact = True
    for one in members:
        own = wins[np.ix_(one, one)]
        start = np.argsort(-own.sum(axis=1), kind="stable")
        found, proved = _solve(own) if 2 < one.size <= MOST_EXACT else (None, one.size <= 2)
        exact &= proved
        order += [int(one[i]) for i in (local_search(own, start) if found is None else found)]
    place = np.array(order)
    contradicted = float(np.triu(wins[np.ix_(place, place)].T, 1).sum())
    return KemenyOrder(tuple(order), contradicted, exact)


def _solve(wins: Array) -> tuple[NDArray[np.intp] | None, bool]:
    """Minimise contradicted wins over orders; None where the time runs out with nothing found."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    size = wins.shape[0]
    upper = np.triu_indices(size, 1)
    number = np.zeros((size, size), dtype=int)
    number[upper] = np.arange(upper[0].size)
    # x_ij = 1 where i stands before j, for i < j; no circle i, j, k either way round.
    rows, columns, signs = [], [], []
    count = 0
    for i in range(size):
        for j in range(i + 1, size):
            for k in range(j + 1, size):
                rows += [count] * 3
                columns += [number[i, j], number[j, k], number[i, k]]
                signs += [1.0, 1.0, -1.0]
                count += 1
    circles = coo_array((signs, (rows, columns)), shape=(count, upper[0].size))
    found = milp(
        (wins.T - wins)[upper],
        integrality=np.ones(upper[0].size),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(circles.tocsr(), 0, 1),
        options={"time_limit": _SECONDS},
    )
    if found.x is None:
        return None, False
    before = np.zeros((size, size))
    before[upper] = np.round(found.x)
    before += np.tril(1 - before.T, -1)
    return np.argsort(-before.sum(axis=1), kind="stable"), found.status == 0


def local_search(wins: Array, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Move single models to the place that suits them best until nothing is gained.

    Args:
        wins: as of `pairwise_wins`.
        order: numbers of the models to begin with, the best first.
    """
    current = list(map(int, order))
    improved = True
    while improved:
        improved = False
        for model in list(current):
            place = current.index(model)
            rest = current[:place] + current[place + 1 :]
            # Cost of standing behind the first p of the others: it beats some of those, and some of the rest beat it.
            above = np.concatenate([[0.0], np.cumsum(wins[model, rest])])
            below = np.concatenate([[0.0], np.cumsum(wins[rest, model])])
            cost = above + below[-1] - below
            best = int(np.argmin(cost))
            if cost[best] < cost[place] - 1e-9:
                current = [*rest[:best], model, *rest[best:]]
                improved = True
    return np.array(current, dtype=np.intp)

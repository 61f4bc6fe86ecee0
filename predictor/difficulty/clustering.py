"""Group items by how their difficulty scales: mean shift with a bounded radius, HDBSCAN, or quantiles.

All three take the items' curves over the ladder, shape (K, M), and give one label for each item, -1 for outliers.
Clusters are numbered from the easiest to the hardest.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.errors import UnknownNameError

Array = NDArray[np.float64]
Labels = NDArray[np.intp]

# Curves are read in this many coordinates: the others are noise of single items.
COORDINATES = 5
# Modes are sought among so many items, drawn from the seed; the others join the mode they are nearest to.
SAMPLE = 3000
ROUNDS = 5
# The bound on a group's radius, in units of the items' spread, and the bandwidth of mean shift in units of the bound.
RADIUS = 0.7
# Curves nearer than this, root mean square in shares, are alike however little the items differ.
ALIKE = 0.15
BANDWIDTH = 0.6
OUTLIER = -1


@dataclass(frozen=True)
class Clustering:
    """Groups of K items.

    Attributes:
        labels: group of each item, shape (K,), -1 for outliers; 0 is the easiest.
        method: how they were found.
        radius: bound on an item's distance from its group's centre, root mean square over the curve; inf where the
            method has none.
        least: least size of a group.
    """

    labels: Labels
    method: str
    radius: float
    least: int

    @property
    def count(self) -> int:
        """Number of groups, outliers not counted."""
        return int(self.labels.max(initial=-1)) + 1


def cluster(
    curves: Array,
    method: str = "mean_shift",
    *,
    radius: float | None = None,
    least: int | None = None,
    seed: int = 0,
) -> Clustering:
    """Group items.

    Args:
        curves: score-like values in [0, 1] of each item along the ladder, shape (K, M), without NaN.
        method: `mean_shift` (Xu et al. 2025, arXiv 2502.17262), `hdbscan` or `quantiles`.
        radius: bound on the root mean square distance from the group's centre; from the scatter of the items where
            None. Quantiles have none.
        least: least size of a group; a twenty-fifth of the items, at least five, where None.
        seed: of the sample in which modes are sought.

    Raises:
        UnknownNameError: there is no such method.
    """
    if method not in METHODS:
        raise UnknownNameError("clustering", method, METHODS)
    items = curves.shape[0]
    least = max(5, items // 25) if least is None else least
    points = _coordinates(curves)
    spread = float(np.sqrt(np.mean(np.sum((points - points.mean(axis=0)) ** 2, axis=1)))) if items else 0.0
    bound = max(RADIUS * spread, ALIKE) if radius is None else radius
    if items < 2 * least or spread < 1e-9:
        # Nothing to tell apart: one group of all.
        return Clustering(np.zeros(items, dtype=np.intp), method, bound, least)
    generator = np.random.default_rng(seed)
    bounded = np.inf if method == "quantiles" else bound
    labels = np.full(items, OUTLIER, dtype=np.intp)
    for _ in range(ROUNDS):
        # What lies beyond the radius of the groups so far is grouped again: a broad group comes apart that way.
        rest = np.flatnonzero(labels == OUTLIER)
        if rest.size < least:
            break
        found = _bounded(points[rest], METHODS[method](points[rest], bound, least, generator), bounded, least)
        if found.max(initial=OUTLIER) < 0:
            break
        labels[rest] = np.where(found >= 0, found + labels.max() + 1, OUTLIER)
    return Clustering(_ordered(labels, curves), method, bounded, least)


def _coordinates(curves: Array) -> Array:
    """Project curves on their main directions, in units of the root mean square over checkpoints."""
    around = curves - curves.mean(axis=0)
    square = around.T @ around
    _, vectors = np.linalg.eigh(square)
    return np.asarray(around @ vectors[:, ::-1][:, :COORDINATES] / np.sqrt(curves.shape[1]))


def _mean_shift(points: Array, radius: float, least: int, generator: np.random.Generator) -> Labels:
    from sklearn.cluster import MeanShift, get_bin_seeds

    chosen = points
    if points.shape[0] > SAMPLE:
        chosen = points[np.sort(generator.choice(points.shape[0], SAMPLE, replace=False))]
    share = chosen.shape[0] / points.shape[0]
    frequency = max(1, int(least * share / 8))
    with warnings.catch_warnings():
        # Where every item has a bin of its own scikit-learn starts from all items, and warns of it.
        warnings.simplefilter("ignore", UserWarning)
        seeds = get_bin_seeds(chosen, BANDWIDTH * radius, frequency)
        while len(seeds) == 0:
            # Items spread so thin that no bin has as many: start from bins with fewer.
            frequency //= 2
            seeds = get_bin_seeds(chosen, BANDWIDTH * radius, frequency)
    shift = MeanShift(bandwidth=BANDWIDTH * radius, seeds=seeds, max_iter=100)
    centres = np.asarray(shift.fit(chosen).cluster_centers_)
    return _nearest(points, centres)


def _hdbscan(points: Array, radius: float, least: int, generator: np.random.Generator) -> Labels:
    from sklearn.cluster import HDBSCAN

    chosen = points
    if points.shape[0] > SAMPLE:
        chosen = points[np.sort(generator.choice(points.shape[0], SAMPLE, replace=False))]
    share = chosen.shape[0] / points.shape[0]
    found = HDBSCAN(min_cluster_size=max(2, int(least * share)), copy=True).fit_predict(chosen)
    if found.max(initial=-1) < 0:
        return np.zeros(points.shape[0], dtype=np.intp)
    centres = np.stack([chosen[found == label].mean(axis=0) for label in range(found.max() + 1)])
    return _nearest(points, centres)


def _quantiles(points: Array, radius: float, least: int, generator: np.random.Generator) -> Labels:
    # The first coordinate is the direction in which items differ most: how hard they are.
    groups = int(np.clip(points.shape[0] // least, 2, 10))
    order = np.argsort(points[:, 0], kind="stable")
    labels = np.empty(points.shape[0], dtype=np.intp)
    labels[order] = np.arange(points.shape[0]) * groups // points.shape[0]
    return labels


METHODS: dict[str, Callable[[Array, float, int, np.random.Generator], Labels]] = {
    "mean_shift": _mean_shift,
    "hdbscan": _hdbscan,
    "quantiles": _quantiles,
}


def _nearest(points: Array, centres: Array) -> Labels:
    """Assign each point to its nearest centre."""
    square = np.sum(points**2, axis=1)[:, None] - 2 * points @ centres.T + np.sum(centres**2, axis=1)
    return np.asarray(square.argmin(axis=1), dtype=np.intp)


def _bounded(points: Array, labels: Labels, radius: float, least: int) -> Labels:
    """Dissolve groups that are too small, then set apart the items beyond the radius around each centre."""
    size = np.bincount(labels, minlength=labels.max() + 1)
    kept = np.flatnonzero(size >= least)
    if kept.size == 0:
        return np.zeros(points.shape[0], dtype=np.intp)
    centres = np.stack([points[labels == label].mean(axis=0) for label in kept])
    result = _nearest(points, centres)
    distance = np.linalg.norm(points - centres[result], axis=1)
    result[distance > radius] = OUTLIER
    # Members beyond the radius may have left a group below its least size.
    size = np.bincount(result[result >= 0], minlength=kept.size)
    for label in np.flatnonzero(size < least):
        result[result == label] = OUTLIER
    return result


def _ordered(labels: Labels, curves: Array) -> Labels:
    names = np.unique(labels[labels >= 0])
    mean = [float(curves[labels == name].mean()) for name in names]
    result = np.full(labels.shape, OUTLIER, dtype=np.intp)
    for place, index in enumerate(np.argsort(-np.array(mean), kind="stable")):
        result[labels == names[index]] = place
    return result

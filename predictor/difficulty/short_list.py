"""A few items that stand for a whole benchmark, with the weights that estimate its score from them.

Items are grouped by their curves over the ladder, and one of each group stands for it with the group's size as its
weight (after the anchor points of Polo et al. 2024, arXiv 2402.14992). The weights are then moved, no further than
the ladder's scores support, so that the estimate follows the whole from checkpoint to checkpoint. How far is chosen by
leaving out runs, and so is the stated error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty import features
from predictor.difficulty.items import ItemTable
from predictor.errors import InputError

Array = NDArray[np.float64]

COORDINATES = 20
# Ridge strengths in units of the items' mean square. Weaker ones follow the ladder more closely, and miss a model that
# is far beyond it: the unmoved weights are unbiased for any model.
_STRENGTHS = np.geomspace(30.0, 1e4, 8)


@dataclass(frozen=True)
class ShortList:
    """Items that stand for a task.

    Attributes:
        items: their places among the table's items, ascending, shape (S,).
        weights: weight of each, shape (S,).
        offset: the estimate is answers @ weights + offset.
        error: standard deviation of the estimate around the whole's score, on runs that were left out.
        plain_error: the same for the plain mean of as many items drawn at random.
    """

    items: NDArray[np.intp]
    weights: Array
    offset: float
    error: float
    plain_error: float

    def estimate(self, values: Array) -> Array:
        """Estimate the whole's score from values of all items, shape (M, K), or of the chosen alone, (M, S)."""
        chosen = values if values.shape[1] == self.items.size else values[:, self.items]
        return np.asarray(np.clip(chosen @ self.weights + self.offset, 0.0, 1.0))


def choose_items(values: Array, run: NDArray[np.str_], size: int, seed: int = 0) -> ShortList:
    """Choose items and weights from a ladder.

    Args:
        values: scores in [0, 1] of each item at each checkpoint, shape (M, K), without NaN.
        run: shape (M,).
        size: how many items, fewer than K.
        seed: of the grouping.

    Raises:
        InputError: there are no more than `size` items.
    """
    if not 1 <= size < values.shape[1]:
        raise InputError(
            f"a list of {size} items cannot stand for {values.shape[1]}", f"choose 1 to {values.shape[1] - 1}"
        )
    items, anchors = _anchors(values, size, seed)
    whole = values.mean(axis=1)
    folds = _folds(run, whole)
    if folds:
        # The groups were made with these runs in sight; the weights, which could fit too much, were not.
        missed = np.empty((len(_STRENGTHS), len(folds)))
        for column, out in enumerate(folds):
            for row, one in enumerate(_STRENGTHS):
                weights, offset = _weights(values[~out][:, items], whole[~out], anchors, one)
                missed[row, column] = np.mean((values[out][:, items] @ weights + offset - whole[out]) ** 2)
        # Half for runs like those known, half for the way upwards, which is where the list will be used.
        mean_square = (missed[:, :-1].mean(axis=1) + missed[:, -1]) / 2
        best = int(np.argmin(mean_square))
        strength, error = float(_STRENGTHS[best]), float(np.sqrt(mean_square[best]))
    else:
        strength = float(_STRENGTHS[-1])
        error = float(np.sqrt(np.mean(values.var(axis=1)) / size))
    weights, offset = _weights(values[:, items], whole, anchors, strength)
    share = 1 - size / values.shape[1]
    plain = float(np.sqrt(np.mean(values.var(axis=1, ddof=1)) * share / size))
    return ShortList(items, weights, offset, error, plain)


def _folds(run: NDArray[np.str_], whole: Array) -> list[NDArray[np.bool_]]:
    """Give what is left out in turn: each run, and last the third of the runs that score highest."""
    names = np.unique(run)
    if names.size < 4:
        return []
    best = np.argsort([-float(whole[run == name].max()) for name in names])
    return [*(run == name for name in names), np.isin(run, names[best[: names.size // 3]])]


def _anchors(values: Array, size: int, seed: int) -> tuple[NDArray[np.intp], Array]:
    from sklearn.cluster import MiniBatchKMeans

    _, vectors = np.linalg.eigh(values @ values.T)
    kept = min(COORDINATES, vectors.shape[1])
    points = values.T @ vectors[:, ::-1][:, :kept]
    groups = MiniBatchKMeans(size, random_state=seed, n_init=1, batch_size=4096).fit(points)
    # A member drawn at random, not the one in the middle: of items that are right or wrong the middle one never
    # changes, and a list of such items would not see a better model. Drawn, the estimate is unbiased for any model.
    generator = np.random.default_rng(seed)
    sizes = np.bincount(groups.labels_, minlength=size)
    drawn = {}
    for group in np.flatnonzero(sizes):
        drawn[int(generator.choice(np.flatnonzero(groups.labels_ == group)))] = float(sizes[group])
    # Groups can come out empty: the largest ones then give a second item, and share their weight.
    while len(drawn) < size:
        chosen = max(drawn, key=lambda item: drawn[item])
        others = np.flatnonzero(groups.labels_ == groups.labels_[chosen])
        free = np.array([one for one in others if one not in drawn])
        if free.size == 0:
            free = np.array([one for one in range(points.shape[0]) if one not in drawn])
        drawn[chosen] /= 2
        drawn[int(generator.choice(free))] = drawn[chosen]
    items = np.array(sorted(drawn), dtype=np.intp)
    weight = np.array([drawn[int(one)] for one in items])
    return items, weight / weight.sum()


def _weights(chosen: Array, whole: Array, anchors: Array, strength: float) -> tuple[Array, float]:
    """Move the anchors' weights by ridge regression on what they leave of the whole."""
    centre = chosen.mean(axis=0)
    around = chosen - centre
    rest = whole - whole.mean() - around @ anchors
    square = around @ around.T
    scale = max(float(np.trace(square)) / square.shape[0], 1e-12)
    move = around.T @ np.linalg.solve(square + strength * scale * np.eye(square.shape[0]), rest)
    weights = anchors + move
    return weights, float(whole.mean() - centre @ weights)


def table_values(table: ItemTable) -> Array:
    """Give the score of each item that a short list estimates: right or wrong, pass rates, or its progress."""
    name = next((one for one in ("correct", "pass_rate") if one in table.measures), None)
    values = table.measures[name] if name else table.progress[1]
    return features.fill(values, table.run, table.tokens)

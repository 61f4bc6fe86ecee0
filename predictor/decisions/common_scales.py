"""How families differ where both have been trained: at scales that they have in common."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.panel import Panel

Array = NDArray[np.float64]

# Two checkpoints are at one scale when their sizes and their compute differ by less, in natural logarithms.
ALIKE = 0.4
# The difference at one scale is mostly noise, and at small scales it says little of the target (decision accuracy on
# held-out pairs, benchmarks/accuracy/decisions.py).
SCALES = 5
# Weight of the differences at common scales beside that of the forecasts' own, chosen on the same pairs.
_WEIGHT = 2.0
# Nearer to 0 and 1 than this, an item more or less would be a difference without end; and what was seen near a floor is
# mostly noise, which would grow with it.
_EDGE, _MOST_GROWN = 0.02, 2.0


@dataclass(frozen=True)
class Gaps:
    """Differences of score between families on one benchmark, over the largest scales that two have in common.

    Attributes:
        mean: entry (a, b) is the mean score of family a less that of b, shape (families, families).
        known: whether they have any scale in common, the same shape.
        seen: every single difference behind the means, each pair once.
    """

    mean: Array
    known: NDArray[np.bool_]
    seen: Array


def common_gaps(panels: Mapping[str, Panel], rows: Mapping[str, int], forecasts: Mapping[str, float]) -> Gaps:
    """Compare families at the scales they have in common, and carry the differences to the target.

    Args:
        panels: family -> its observations.
        rows: family -> number of the benchmark among its series; the families are taken in this order.
        forecasts: family -> its score at the target, as its own runs lead to expect it.
    """
    names = list(rows)
    mean, known = np.zeros((len(names), len(names))), np.zeros((len(names), len(names)), dtype=bool)
    seen = [np.zeros(0)]
    for i, j in itertools.combinations(range(len(names)), 2):
        a, b = names[i], names[j]
        pairs = _at_common_scales(panels[a], rows[a], panels[b], rows[b])[:SCALES]
        if pairs.size:
            found = _carried(pairs, (forecasts[a] + forecasts[b]) / 2)
            mean[i, j], mean[j, i] = found.mean(), -found.mean()
            known[i, j] = known[j, i] = True
            seen.append(found)
    return Gaps(mean, known, np.concatenate(seen))


def _carried(pairs: Array, target: float) -> Array:
    """Carry differences of score to another level, where they are as large in logits as where they were seen.

    To first order: a difference grows by the slope of the logistic curve there over that here. So it shrinks as both
    families come near a ceiling, where nothing is left to differ by.

    Args:
        pairs: scores of both families at each scale, shape (scales, 2).
        target: the level.
    """
    seen, there = (np.clip(level, _EDGE, 1 - _EDGE) for level in (pairs.mean(axis=1), target))
    grown = there * (1 - there) / (seen * (1 - seen))
    return np.asarray((pairs[:, 0] - pairs[:, 1]) * np.minimum(grown, _MOST_GROWN))


def _at_common_scales(a: Panel, row_a: int, b: Panel, row_b: int) -> Array:
    """Return both scores at common scales, shape (scales, 2), the most compute first; each checkpoint counts once."""
    seen_a, seen_b = (np.flatnonzero(np.isfinite(one.score[row])) for one, row in ((a, row_a), (b, row_b)))
    size = np.log(a.params[seen_a])[:, None] - np.log(b.params[seen_b])
    compute = np.log(a.flops[seen_a])[:, None] - np.log(b.flops[seen_b])
    apart = np.maximum(np.abs(size), np.abs(compute))
    pairs, taken = [], np.zeros(seen_b.size, dtype=bool)
    for i in np.argsort(-a.flops[seen_a], kind="stable"):
        free = np.where(taken, np.inf, apart[i])
        if free.size and free.min() < ALIKE:
            j = int(free.argmin())
            taken[j] = True
            pairs.append((a.score[row_a, seen_a[i]], b.score[row_b, seen_b[j]]))
    return np.array(pairs).reshape(-1, 2)


def blend(median: Array, gaps: Gaps) -> Array:
    """Move forecasts so that their differences agree with themselves and, twice as much, with those at common scales.

    Args:
        median: forecast of each family, shape (families,).
        gaps: differences at common scales.

    Returns:
        the same mean and shape; the least-squares solution over all pairs, so that pairs with no common scale follow
        the forecasts and the other pairs.
    """
    weight = 1.0 + _WEIGHT * gaps.known
    np.fill_diagonal(weight, 0.0)
    wanted = median[:, None] - median + np.where(gaps.known, _WEIGHT * gaps.mean, 0.0)
    laplacian = np.diag(weight.sum(axis=1)) - weight
    moved = np.linalg.pinv(laplacian) @ wanted.sum(axis=1)
    return np.asarray(median.mean() + moved - moved.mean())

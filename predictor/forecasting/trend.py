"""Whether scores move with compute for more than noise: a test with a stated rate of false alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

Array = NDArray[np.float64]

# Of series that are nothing but noise this share passes, at most: 4% by the size of the slope and 1% by the order.
FALSE_ALARMS = 0.05
_BY_SLOPE, _BY_ORDER = 0.04, 0.01
# Degrees of freedom that the stated noise counts for beside the scatter around the line.
_STATED = 8.0


@dataclass(frozen=True)
class Trend:
    """How scores move with compute.

    Attributes:
        rising: whether they rise rather than fall.
        moves: whether they move for more than noise.
    """

    rising: bool
    moves: bool


def find_trend(score: Array, error: float, compute: Array) -> Trend:
    """Test a series for a rise or a fall.

    It moves when its least-squares slope over log compute is larger than noise makes it (Student's t, with a variance
    pooled from the stated error and the scatter around the line), or when its order follows compute (Spearman's rank
    correlation). Under noise of the stated size, or of any size where the order decides, a share of `FALSE_ALARMS` of
    series passes at most, whatever their number of runs.

    Args:
        score: one share per run, shape (runs,).
        error: standard error of one run's score, all of it: what the runs' common items share moves no trend.
        compute: the runs' compute, the same shape.
    """
    count = score.size
    x = np.log(compute) - np.log(compute).mean()
    spread = float(x @ x)
    if count < 2 or spread < 1e-12:
        return Trend(True, False)
    slope = float(x @ score) / spread
    rest = score - score.mean() - slope * x
    freedom = _STATED + count - 2
    variance = (_STATED * error**2 + float(rest @ rest)) / freedom
    by_slope = _two_sided(slope * np.sqrt(spread / max(variance, 1e-18)), freedom)
    rank = _rank_correlation(x, score)
    # At the ends of [-1, 1] the order is as clear as it can be.
    by_order = _two_sided(rank * np.sqrt((count - 2) / max(1 - rank**2, 1e-12)), count - 2) if count >= 7 else 1.0
    return Trend(slope >= 0, by_slope < _BY_SLOPE or by_order < _BY_ORDER)


def _two_sided(t: float, freedom: float) -> float:
    return float(2 * stdtr(freedom, -abs(t)))


def _rank_correlation(x: Array, y: Array) -> float:
    # By hand: importing scipy.stats would take longer than a whole query.
    ranks = [_ranks(values) for values in (x, y)]
    if min(float(values.std()) for values in ranks) == 0:
        return 0.0
    return float(np.clip(np.corrcoef(ranks[0], ranks[1])[0, 1], -1.0, 1.0))


def _ranks(values: Array) -> Array:
    """Rank values from 0, ties by their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return np.asarray((ends - (count + 1) / 2)[place])

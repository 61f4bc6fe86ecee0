"""A registered forecast as numbers that anybody can judge it by: quantiles, percentiles, interval scores, the joint.

Between the quantiles of a forecast its distribution is a straight line in normal scores, so that its intervals are
kept exactly. Jointly, the normal scores of several benchmarks are normal with one correlation between all pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, ndtr, ndtri

Array = NDArray[np.float64]

PROBABILITIES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
# Level of an interval -> probabilities of its ends.
_ENDS = {"80": (0.1, 0.9), "95": (0.025, 0.975)}


def quantiles_of(median: float, intervals: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the quantiles of a forecast, probability as text -> value, in the unit of the median.

    Args:
        median: the forecast.
        intervals: level in percent -> (lower, upper), of the levels 80 and 95.
    """
    known = {0.5: median}
    for level, (low, high) in _ENDS.items():
        known |= {low: float(intervals[level][0]), high: float(intervals[level][1])}
    places = sorted(known)
    # Rounding, or a median beyond a clipped end, must not have quantiles fall.
    values = np.maximum.accumulate([known[place] for place in places])
    found = np.interp(ndtri(PROBABILITIES), ndtri(places), values)
    return {f"{probability:g}": float(value) for probability, value in zip(PROBABILITIES, found, strict=True)}


def percentile_of(value: float, quantiles: Mapping[str, float]) -> float:
    """Return the probability that a forecast gave to values below what was measured, ties counted half.

    Beyond the outermost quantiles the line through the last two goes on.

    Args:
        value: what was measured.
        quantiles: as of `quantiles_of`.
    """
    values = np.array(list(quantiles.values()))
    scores = ndtri([float(probability) for probability in quantiles])
    low, high = _score(value, values, scores), -_score(-value, -values[::-1], -scores[::-1])
    return float((ndtr(low) + ndtr(high)) / 2)


def _score(value: float, values: Array, scores: Array) -> float:
    """Return the lowest normal score at which the quantile function reaches a value."""
    place = int(np.searchsorted(values, value, side="left"))
    place = min(max(place, 1), values.size - 1)
    width = values[place] - values[place - 1]
    if width <= 0:
        outside = float(
            np.inf if value > values[place] else -np.inf if value < values[place - 1] else scores[place - 1]
        )
        return outside
    return float(scores[place - 1] + (value - values[place - 1]) / width * (scores[place] - scores[place - 1]))


def interval_score(value: float, low: float, high: float, level: str) -> float:
    """Return the interval score: the width, and what lies outside of it times 2/alpha. Lower is better.

    Gneiting and Raftery (2007), Strictly proper scoring rules, equation 43.

    Args:
        value: what was measured.
        low: lower end of the interval.
        high: upper end.
        level: of the interval, in percent.
    """
    alpha = 1 - float(level) / 100
    return (high - low) + 2 / alpha * max(low - value, 0.0) + 2 / alpha * max(value - high, 0.0)


def joint_percentile(scores: ArrayLike, correlation: float) -> float:
    """Return how far out the errors of one model lie together: 0 at the medians, uniform for a right forecast.

    With normal scores z of n benchmarks and correlation r between all pairs, z' R^-1 z =
    (z'z - r (sum z)^2 / (1 + (n - 1) r)) / (1 - r) follows a chi-square distribution with n degrees of freedom.

    Args:
        scores: normal scores of what was measured, shape (benchmarks,), positive where it is better than the median.
        correlation: between the errors on two benchmarks.
    """
    # A truth beyond all that a forecast allowed has no finite score.
    z = np.clip(np.asarray(scores, dtype=np.float64), -8.0, 8.0)
    total = correlation * float(z.sum()) ** 2 / (1 + (z.size - 1) * correlation)
    distance = (float(z @ z) - total) / (1 - correlation)
    return float(gammainc(z.size / 2, distance / 2))


def normal_score(percentile: float) -> float:
    """Return the normal score of a percentile."""
    return float(ndtri(percentile))

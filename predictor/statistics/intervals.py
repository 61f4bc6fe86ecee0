"""The mean over items with an error that holds where items come in groups.

Items of one document or one subject are alike, so their errors add up within a group and only groups are independent.
The variance is the bias-reduced one (CR2) and the degrees of freedom are Satterthwaite's, both of R. M. Bell and
D. F. McCaffrey (2002), "Bias reduction in standard errors for linear regression with multi-stage samples", Survey
Methodology 28, written out for a weighted mean. Without groups they are the usual s/√n with n − 1 degrees of freedom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """A mean with what is uncertain of it.

    Attributes:
        value: the mean.
        variance: of the mean; NaN where there are fewer than two groups.
        freedom: degrees of freedom of that variance.
        groups: number of independent groups; that of the items where they do not come in groups.
    """

    value: float
    variance: float
    freedom: float
    groups: int

    @property
    def stderr(self) -> float:
        """Standard error of the mean."""
        return math.sqrt(self.variance)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Compute the interval that holds the true mean in a share `level` of samples, by Student's t."""
        reach = quantile(0.5 + level / 2, self.freedom) * self.stderr
        return self.value - reach, self.value + reach

    def p_value(self) -> float:
        """Compute the two-sided p-value of a true mean of zero; 1 where mean and variance are both zero."""
        if self.variance == 0:
            return 1.0 if self.value == 0 else 0.0
        return two_sided(self.value / self.stderr, self.freedom)


def clustered_mean(values: Array, weights: Array | None = None, groups: NDArray[np.int64] | None = None) -> Mean:
    """Compute a weighted mean and its CR2 variance.

    Args:
        values: one per item, shape (n,), finite.
        weights: positive, shape (n,); equal where None.
        groups: number of each item's group from 0 on, shape (n,); every item is its own where None.

    Returns:
        the mean; its variance is NaN for fewer than two groups, and infinite for none of them.
    """
    weights = np.ones(values.size) if weights is None else weights
    total = float(weights.sum())
    mean = float(weights @ values / total) if values.size else math.nan
    residuals = weights * (values - mean)
    shares, sums, squares = (_by_group(array, groups) for array in (weights / total, residuals, weights**2))
    if shares.size < 2:
        return Mean(mean, math.nan, math.nan, int(shares.size))
    factor = 1 / (total**2 * (1 - shares))
    return Mean(mean, float(factor @ sums**2), _freedom(factor, shares, squares), int(shares.size))


def _by_group(values: Array, groups: NDArray[np.int64] | None) -> Array:
    return values if groups is None else np.asarray(np.bincount(groups, values), dtype=np.float64)


def _freedom(factor: Array, shares: Array, squares: Array) -> float:
    """Compute Satterthwaite's degrees of freedom under independent errors of equal variance.

    With a_g² = factor, the variance is Σ_g (a_g · r_g)² and the r_g = Σ_{i in g} w_i (e_i − ē) have covariances
    δ_gh S_g − h_h S_g − h_g S_h + h_g h_h S, where h are the groups' shares of the weight and S their sums of squared
    weights. The degrees of freedom are tr(C)² / tr(C²) of C, the covariances times a_g a_h: a diagonal plus a matrix of
    rank two, so that nothing of size G² is formed.
    """
    root = np.sqrt(factor)
    u, v = root * shares, root * squares
    kernel = np.array([[squares.sum(), -1.0], [-1.0, 0.0]])
    inner = np.array([[u @ u, u @ v], [u @ v, v @ v]])
    low_rank = kernel @ inner
    diagonal = factor * squares
    on_diagonal = squares.sum() * u**2 - 2 * u * v
    trace = float(diagonal.sum() + np.trace(low_rank))
    of_square = float((diagonal**2).sum() + 2 * diagonal @ on_diagonal + np.trace(low_rank @ low_rank))
    return trace**2 / of_square


def satterthwaite(parts: list[tuple[float, float]]) -> tuple[float, float]:
    """Add independent variance estimates.

    Args:
        parts: (variance, degrees of freedom) of each; a variance may enter with a minus sign.

    Returns:
        their sum, at least zero, and its degrees of freedom by Satterthwaite's rule.
    """
    total = max(sum(variance for variance, _ in parts), 0.0)
    below = sum(variance**2 / freedom for variance, freedom in parts if variance)
    largest = max((freedom for _, freedom in parts), default=math.inf)
    return total, min(max(total**2 / below, 1.0), largest * len(parts)) if below and total else largest


@lru_cache(maxsize=4096)
def quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t; of the normal distribution where the degrees of freedom are infinite."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if math.isinf(freedom) else stdtrit(freedom, probability))


def two_sided(statistic: float, freedom: float) -> float:
    """Compute the two-sided p-value of a t statistic."""
    from scipy.special import ndtr, stdtr

    tail = ndtr(-abs(statistic)) if math.isinf(freedom) else stdtr(freedom, -abs(statistic))
    return float(2 * tail)

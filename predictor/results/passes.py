"""Pass rates of sampled answers, measured also where they lie far below one in a hundred.

An item's answers are sampled a number of times that was set beforehand, or until so many of them are right. The second
way costs few samples where the rate is high and measures a low one as well; its plain share of right answers would be
too high, as it always ends on a right one. The estimates below are without bias for either way of stopping: they take
the share of the paths to the outcome that begin as asked (Girshick, Mosteller and Savage 1946, Ann. Math. Stat. 17:13).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from predictor.errors import InputError

Array = NDArray[np.float64]

# Factors that are multiplied at a time, to bound the memory.
_STEPS = 1000


def sampled(items: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Read the columns samples, passes and until_passes of a store's items as numbers, NaN where nothing was kept."""
    missing = pd.Series(np.nan, index=items.index)

    def numbers(name: str) -> Array:
        return np.asarray(items.get(name, missing).astype("Float64").to_numpy(float, na_value=np.nan), dtype=np.float64)

    return numbers("samples"), numbers("passes"), numbers("until_passes")


def pass_rate(samples: ArrayLike, passes: ArrayLike, until: ArrayLike | None = None) -> Array:
    """Estimate pass rates without bias: c / n, or (r - 1) / (n - 1) where sampling stopped at the r-th right answer.

    Args:
        samples: answers sampled for each item, n.
        passes: right ones among them, c; the same shape.
        until: r where sampling stopped at the r-th right answer, NaN where n was set beforehand or was the cap; None
            for no item. For r = 1 the estimate is 1 / n, the maximum likelihood, biased upwards.

    Raises:
        InputError: there are more passes than samples, or an item stopped at another number of passes than r.
    """
    n, c, stopped = _checked(samples, passes, until)
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = np.where(n > 0, c / n, np.nan)
        inverse = np.where(c > 1, (c - 1) / np.maximum(n - 1, 1), 1 / n)
    return np.asarray(np.where(stopped, inverse, plain))


def pass_rate_variance(samples: ArrayLike, passes: ArrayLike, until: ArrayLike | None = None) -> Array:
    """Estimate without bias the variance of `pass_rate` over the draw of the samples; NaN where n is too small.

    Source:
        p(1 - p) / (n - 1) for a number set beforehand, p(1 - p) / (n - 2) for sampling until r passes (Finney 1949,
        Biometrika 36:233).
    """
    n, _, stopped = _checked(samples, passes, until)
    rate = pass_rate(samples, passes, until)
    freedom = np.where(stopped, n - 2, n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(freedom > 0, rate * (1 - rate) / freedom, np.nan))


def pass_rate_interval(
    samples: ArrayLike, passes: ArrayLike, until: ArrayLike | None = None, level: float = 0.95
) -> tuple[Array, Array]:
    """Compute an interval that holds the pass rate with at least the given probability, however rare passes are.

    Exact tests of the binomial (Clopper and Pearson 1934) for a number of samples that was set beforehand, and of the
    negative binomial where sampling stopped at the r-th right answer.

    Returns:
        the lower and the upper ends.
    """
    from scipy.special import betaincinv

    n, c, stopped = _checked(samples, passes, until)
    tail = (1 - level) / 2
    low = np.where(c > 0, betaincinv(np.maximum(c, 1), n - c + 1, tail), 0.0)
    a, b = np.where(stopped, c, c + 1), n - c
    high = np.where(b > 0, betaincinv(a, np.maximum(b, 1), 1 - tail), 1.0)
    return np.asarray(low), np.asarray(high)


def pass_at_k(samples: ArrayLike, passes: ArrayLike, k: int, until: ArrayLike | None = None) -> Array:
    """Estimate without bias the chance that one of k sampled answers is right: 1 - C(n - c, k) / C(n, k).

    Where sampling stopped at the r-th right answer, n - 1 and r - 1 stand for n and c; such an item says something of
    any k that its cap allows, also of one beyond its samples.

    Args:
        samples: answers sampled for each item, n.
        passes: right ones among them, c; the same shape.
        k: number of answers, at most the fewest samples of the items that did not stop at a right answer.
        until: as in `pass_rate`.

    Raises:
        InputError: k exceeds a number of samples, or there are more passes than samples.

    Source:
        Chen et al. 2021, arXiv 2107.03374.
    """
    n, c, stopped = _checked(samples, passes, until)
    if k < 1 or np.any(n[~stopped] < k):
        fewest = int(n[~stopped].min(initial=n.max(initial=0)))
        raise InputError(f"pass@{k} needs {k} samples of every item", f"the fewest are {fewest}")
    n, c = np.where(stopped, n - 1, n), np.where(stopped, c - 1, c)
    # C(n-c, k) / C(n, k) as a product of k factors, none of which overflows; 0 where an item never failed k times.
    never = n - c < k
    whole, right = np.where(never, 2.0 * k, n), np.where(never, 0.0, c)
    logarithm = np.zeros(n.shape)
    for first in range(0, k, _STEPS):
        steps = np.arange(first, min(first + _STEPS, k))
        logarithm += np.log1p(-right[..., None] / (whole[..., None] - steps)).sum(axis=-1)
    return np.asarray(np.where(never, 1.0, -np.expm1(logarithm)))


def pass_until(tries: ArrayLike, passes: int | ArrayLike = 1) -> Array:
    """Estimate a pass rate from how many answers were sampled until `passes` were right: (r - 1) / (n - 1).

    Sampling until r successes measures a rate of one in ten thousand as well as one of a half, to about 1/sqrt(r);
    the estimate is unbiased for r of two or more. For r = 1 it is 1 / n, the maximum likelihood, biased upwards.

    Args:
        tries: answers sampled until the r-th right one, n.
        passes: r.

    Raises:
        InputError: fewer tries than passes, or no passes.

    Source:
        Hu et al. 2023, arXiv 2310.03262 (PassUntil); the unbiased form is Haldane 1945, Biometrika 33:222.
    """
    n, r = np.broadcast_arrays(np.asarray(tries, float), np.asarray(passes, float))
    if np.any(r < 1) or np.any(n < r):
        raise InputError(
            "sampling until a pass needs at least one pass, and as many tries", "give tries >= passes >= 1"
        )
    return pass_rate(n, r, r)


def expected_tries(samples: ArrayLike, passes: ArrayLike) -> Array:
    """Estimate how many answers are sampled until one is right, also where none of n was: (n + 1) / (c + 1/2).

    The half success is Jeffreys' prior on a rate; an item never solved counts as about twice its samples, not as never.
    """
    n, c = np.broadcast_arrays(np.asarray(samples, float), np.asarray(passes, float))
    return np.asarray((n + 1) / (c + 0.5))


def _checked(samples: ArrayLike, passes: ArrayLike, until: ArrayLike | None) -> tuple[Array, Array, NDArray[np.bool_]]:
    asked = np.asarray(np.nan if until is None else until, float)
    n, c, r = np.broadcast_arrays(np.asarray(samples, float), np.asarray(passes, float), asked)
    if np.any(c > n) or np.any(c < 0):
        raise InputError("an item has more passes than samples", "give 0 <= passes <= samples")
    stopped = np.isfinite(r)
    if np.any(stopped & (c != r)):
        raise InputError("an item stopped at another number of passes than it has", "give until = passes there")
    return n, c, stopped

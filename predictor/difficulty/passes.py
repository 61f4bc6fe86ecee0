"""Pass rates of sampled answers, measured also where they lie far below one in a hundred."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.errors import InputError

Array = NDArray[np.float64]


def pass_at_k(samples: ArrayLike, passes: ArrayLike, k: int) -> Array:
    """Estimate without bias the chance that one of k sampled answers is right: 1 - C(n - c, k) / C(n, k).

    Args:
        samples: answers sampled for each item, n.
        passes: right ones among them, c; the same shape.
        k: number of answers, at most the fewest samples.

    Raises:
        InputError: k exceeds a number of samples, or there are more passes than samples.

    Source:
        Chen et al. 2021, arXiv 2107.03374.
    """
    n, c = np.broadcast_arrays(np.asarray(samples, float), np.asarray(passes, float))
    if np.any(c > n) or np.any(c < 0):
        raise InputError("an item has more passes than samples", "give 0 <= passes <= samples")
    if k < 1 or np.any(n < k):
        raise InputError(f"pass@{k} needs {k} samples of every item", f"the fewest are {int(n.min(initial=0))}")
    # C(n-c, k) / C(n, k) as a product of k factors, none of which overflows.
    steps = np.arange(k)
    left = np.maximum(n[..., None] - c[..., None] - steps, 0.0) / (n[..., None] - steps)
    return np.asarray(1.0 - np.prod(left, axis=-1))


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
    return np.asarray(np.where(r > 1, (r - 1) / np.maximum(n - 1, 1), 1 / n))


def expected_tries(samples: ArrayLike, passes: ArrayLike) -> Array:
    """Estimate how many answers are sampled until one is right, also where none of n was: (n + 1) / (c + 1/2).

    The half success is Jeffreys' prior on a rate; an item never solved counts as about twice its samples, not as never.
    """
    n, c = np.broadcast_arrays(np.asarray(samples, float), np.asarray(passes, float))
    return np.asarray((n + 1) / (c + 0.5))

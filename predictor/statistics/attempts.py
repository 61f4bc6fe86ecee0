"""Scores over the number of attempts: pass@k and maj@k, measured as far as the samples reach and forecast beyond.

pass@k is forecast by a Beta distribution of the items' pass rates (the law `coverage`), fitted by maximum likelihood to
each item's counts; that likelihood does not depend on how sampling was stopped. maj@k, whether the most frequent of k
answers is right, is forecast from the distribution of each item's answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InputError
from predictor.results.passes import pass_at_k
from predictor.statistics.sampled import SampledModel

Array = NDArray[np.float64]

_RESAMPLES = 200
# Draws of k answers per item and resample for maj@k.
_VOTES = 64


@dataclass(frozen=True)
class Attempts:
    """A score at one number of attempts.

    Attributes:
        k: the number.
        measured: the unbiased estimate over the items; None beyond the samples.
        forecast: by the fitted distribution.
        interval: of the forecast at the level asked for, over items and samples.
    """

    k: int
    measured: float | None
    forecast: float
    interval: tuple[float, float]


def pass_curve(model: SampledModel, ks: Sequence[int], level: float = 0.95, seed: int = 0) -> list[Attempts]:
    """Compute pass@k over k.

    Args:
        model: the samples.
        ks: numbers of attempts.
        level: of the intervals, by a bootstrap over the items.
        seed: of the bootstrap.

    Raises:
        InputError: fewer than five items, which determine no distribution.
    """
    _check(model, ks)
    generator = np.random.default_rng(seed)
    count = model.samples.size
    at = np.array(ks, dtype=float)
    whole = _coverage(_fit_beta(model.samples, model.passes), at)
    picks = generator.integers(0, count, (_RESAMPLES, count))
    draws = np.array([_coverage(_fit_beta(model.samples[rows], model.passes[rows]), at) for rows in picks])
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    # Under a stopping rule an item says something of any k up to the cap, which items that reached it show.
    reach = model.samples[~np.isfinite(model.until)].min(initial=np.inf)
    reach = model.samples.max() if np.isinf(reach) else reach
    return [
        Attempts(
            k,
            float(pass_at_k(model.samples, model.passes, k, model.until).mean()) if k <= reach else None,
            float(whole[place]),
            (float(low[place]), float(high[place])),
        )
        for place, k in enumerate(ks)
    ]


def majority_curve(model: SampledModel, ks: Sequence[int], level: float = 0.95, seed: int = 0) -> list[Attempts]:
    """Compute maj@k over k: whether the most frequent of k answers is right, ties broken at random.

    Args:
        model: the samples, with the answers.
        ks: numbers of attempts.
        level: of the intervals, over items and over what the answers' distribution leaves open.
        seed: of the draws.

    Raises:
        InputError: answers were not kept, sampling stopped at right answers, or there are fewer than five items.
    """
    _check(model, ks)
    if model.counts is None or model.right is None:
        raise InputError(f"the answers of {model.run} were not kept", "sample them with 'predictor evaluate'")
    if np.isfinite(model.until).any():
        raise InputError(
            f"sampling of {model.run} stopped at right answers, which are then too many for a vote",
            "sample with `samples` alone for maj@k",
        )
    generator = np.random.default_rng(seed)
    counts, right = model.counts, model.right
    found = []
    for k in ks:
        measured = None
        if k <= model.samples.min():
            votes = [_vote(_subsets(own, k, generator), r, generator) for own, r in zip(counts, right, strict=True)]
            measured = float(np.mean(votes))
        plain = [
            _vote(generator.multinomial(k, own / own.sum(), _VOTES), r, generator)
            for own, r in zip(counts, right, strict=True)
        ]
        draws = np.stack([_resampled(own, r, k, generator) for own, r in zip(counts, right, strict=True)])
        picks = generator.integers(0, len(counts), (_RESAMPLES, len(counts)))
        means = np.array([draws[rows, number % draws.shape[1]].mean() for number, rows in enumerate(picks)])
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        found.append(Attempts(k, measured, float(np.mean(plain)), (float(low), float(high))))
    return found


def _resampled(counts: Array, right: Array, k: int, generator: np.random.Generator, resamples: int = 20) -> Array:
    """Vote with distributions that the counts allow: a Bayesian bootstrap of the samples (Rubin 1981)."""
    shares = generator.dirichlet(counts, resamples)
    shares = np.where(np.isfinite(shares), shares, counts / counts.sum())
    return np.array([_vote(generator.multinomial(k, share, 8), right, generator) for share in shares])


def _subsets(counts: Array, k: int, generator: np.random.Generator) -> Array:
    return np.asarray(generator.multivariate_hypergeometric(counts.astype(int), k, size=_VOTES))


def _vote(votes: NDArray[Any], right: Array, generator: np.random.Generator) -> float:
    """Return the share of draws whose most frequent answer is right; votes has shape (draws, answers)."""
    # Less than one vote, so that it decides ties alone.
    ties = generator.random(votes.shape)
    return float(right[np.argmax(votes + ties * 0.5, axis=1)].mean())


def _check(model: SampledModel, ks: Sequence[int]) -> None:
    if min(ks) < 1:
        raise InputError(f"{min(ks)} attempts are none", "give numbers from 1")
    if model.samples.size < 5:
        raise InputError(f"{model.samples.size} items determine no distribution of pass rates", "sample five or more")


def _fit_beta(samples: Array, passes: Array) -> Array:
    """Fit the logarithms of a and b of the items' Beta distribution by maximum likelihood, within the law's bounds."""
    from scipy.optimize import minimize
    from scipy.special import betaln, psi

    def value(theta: Array) -> tuple[float, Array]:
        a, b = np.exp(theta)
        failures = samples - passes
        likelihood = float(np.sum(betaln(a + passes, b + failures)) - passes.size * betaln(a, b))
        both = psi(a + b + samples).sum() - passes.size * psi(a + b)
        slopes = np.array(
            [
                a * (psi(a + passes).sum() - passes.size * psi(a) - both),
                b * (psi(b + failures).sum() - passes.size * psi(b) - both),
            ]
        )
        return -likelihood, -slopes

    mean = min(max(float(passes.sum() / samples.sum()), 1e-6), 1 - 1e-6)
    bounds = [(np.log(1e-3), np.log(1e3)), (np.log(1e-3), np.log(1e5))]
    start = np.clip(np.log([0.5, 0.5 * (1 - mean) / mean]), *np.array(bounds).T)
    return np.asarray(minimize(value, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def _coverage(theta: Array, ks: Array) -> Array:
    from predictor.laws import get_law

    a, b = np.exp(theta)
    return np.asarray(get_law("coverage").evaluate({"a": a, "b": b}, {"attempts": ks}), dtype=float)

"""Resampling: how much a fit depends on the runs that happened to be trained and on the noise of their scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from predictor.fitting.law_batch import Draws

Array = NDArray[np.float64]

# No law that forecasts are built on has more parameters.
_MOST_PARAMETERS = 8


def stable_generator(seed: int, *names: str) -> np.random.Generator:
    """Make a generator from a seed and names, so that one task's draws do not depend on which others are asked for."""
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def run_weights(run: NDArray[np.intp], draws: int, generator: np.random.Generator) -> Array:
    """Draw weights by the Bayesian bootstrap over runs (Rubin 1981, The Annals of Statistics 9:130).

    All checkpoints of a run share its weight: they are not independent. Dirichlet weights, unlike counts, never drop so
    many of a few runs that a law can no longer be fitted.

    Args:
        run: number of the run of each observation, shape (observations,).
        draws: how many resamples.
        generator: source of randomness.

    Returns:
        shape (draws, observations), mean one over runs.
    """
    runs, index = np.unique(run, return_inverse=True)
    weights = generator.dirichlet(np.ones(runs.size), size=draws) * runs.size
    return np.asarray(weights[:, index])


def make_draws(run: NDArray[np.intp], names: Sequence[str], resamples: int, seed: int, purpose: str) -> Draws:
    """Prepare the undisturbed fit and `resamples` disturbed ones.

    Args:
        run: number of the run of each observation, shape (observations,).
        names: the series; each has its own stream of randomness.
        resamples: how many; 0 for the undisturbed fit alone.
        seed: the seed.
        purpose: what the draws are for; other purposes draw otherwise.
    """
    observations, count = run.size, resamples + 1
    weight = np.ones((count, observations))
    noise = np.zeros((len(names), count, observations))
    prior = np.zeros((len(names), count, _MOST_PARAMETERS))
    if resamples:
        weight[1:] = run_weights(run, resamples, stable_generator(seed, "runs"))
        for number, name in enumerate(names):
            generator = stable_generator(seed, purpose, name)
            noise[number, 1:] = generator.standard_normal((resamples, observations))
            prior[number, 1:] = generator.standard_normal((resamples, _MOST_PARAMETERS))
    return Draws(weight, noise, prior)

"""One number for each checkpoint: its ability, read from all items where they scale, blind where they only jitter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty.nuisance import Nuisance, estimate_nuisance

Array = NDArray[np.float64]

_ROUNDS = 2


@dataclass(frozen=True)
class Ability:
    """Abilities of M checkpoints, in the unit of the measure they were read from.

    Attributes:
        value: what the items' mean would be for each checkpoint if nothing but ability had moved, shape (M,).
        weights: weight of each item, shape (K,).
        offset: `value` is items @ weights + offset.
        loading: change of each item with a unit of `value`, shape (K,).
        nuisance: what was discounted.
    """

    value: Array
    weights: Array
    offset: float
    loading: Array
    nuisance: Nuisance

    def of(self, values: Array) -> Array:
        """Read the ability of other checkpoints from their items, shape (M, K)."""
        return np.asarray(values @ self.weights + self.offset)


def estimate_ability(values: Array, run: NDArray[np.str_], params: Array, tokens: Array) -> Ability:
    """Weigh the items by how they scale over how they jitter (generalised least squares for one factor).

    The first guess of ability is the logarithm of compute; each round regresses the items on ability and reads ability
    anew with the weights Σ⁻¹·loading, Σ the covariance of neighbouring checkpoints.

    Args:
        values: shape (M, K), without NaN.
        run: shape (M,).
        params: shape (M,).
        tokens: shape (M,).
    """
    nuisance = estimate_nuisance(values, run, tokens)
    centre = values.mean(axis=0)
    around = values - centre
    compute = np.log(params) + np.log(tokens)
    guess = compute - compute.mean()
    loading, weights = np.zeros(values.shape[1]), np.full(values.shape[1], 1.0 / values.shape[1])
    for _ in range(_ROUNDS):
        if not np.any(guess):
            break
        loading = guess @ around / float(guess @ guess)
        weights = nuisance.whiten(loading)
        guess = around @ weights
        guess -= guess.mean()
        if float(guess @ compute) < 0:
            guess, weights = -guess, -weights
    mean = values.mean(axis=1)
    spread = float(guess @ guess)
    # In the unit of the items' mean: its regression on ability.
    slope = float(guess @ (mean - mean.mean())) / spread if spread > 0 else 0.0
    if slope == 0.0:
        weights = np.full(values.shape[1], 1.0 / values.shape[1])
        return Ability(mean, weights, 0.0, np.ones(values.shape[1]), nuisance)
    offset = float(mean.mean()) - slope * float(centre @ weights)
    value = values @ (slope * weights) + offset
    return Ability(value, slope * weights, offset, loading / slope, nuisance)

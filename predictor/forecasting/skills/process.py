"""Learn the covariance from a world of models, condition on scores, and predict others jointly.

Scores are a logistic curve of the latent ones with normal noise, so the posterior is found by iterated linearisation
(a Laplace approximation with Gauss-Newton's curvature): near chance a score says little of the latent one, and the
linearised observation is accordingly noisy. The covariance maximises the marginal likelihood of the linearised
observations times its prior (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, 5.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, lapack
from scipy.special import expit

from predictor.forecasting.skills.covariance import Covariance, kernels, penalty, used_components
from predictor.forecasting.skills.trend import POPULATION, Trend
from predictor.forecasting.skills.world import Models, World

Array = NDArray[np.float64]

# Linearisations while learning, and steps of the optimiser between them.
_ROUNDS, _STEPS = 2, 10
_NEWTON_STEPS, _LONGEST_STEP, _SETTLED = 30, 2.0, 1e-3
# Rounding of published scores, and the slope below which the curve counts as flat.
_ROUNDING, _FLATTEST = 0.003, 1e-4
_JITTER = 1e-6
_MOST_KEPT = 64
_learnt: dict[str, Covariance] = {}


def to_score(latent: Array, chance: Array) -> Array:
    """Return the score of a latent score, chance + (1 - chance)·logistic(latent)."""
    return np.asarray(chance + (1.0 - chance) * expit(latent))


def to_latent(score: Array, chance: Array) -> Array:
    """Return the latent score of a score, kept within two percent of chance and of one."""
    share = np.clip((score - chance) / (1.0 - chance), 0.02, 0.98)
    return np.asarray(np.log(share / (1.0 - share)))


@dataclass(frozen=True)
class _Entries:
    """The n scores of a world, as a list.

    Attributes:
        model: place of each one's model, shape (n,).
        benchmark: place of its benchmark, shape (n,).
        score: shape (n,).
        variance: of its measurement, shape (n,).
        chance: shape (n,).
    """

    model: NDArray[np.intp]
    benchmark: NDArray[np.intp]
    score: Array
    variance: Array
    chance: Array

    @classmethod
    def of(cls, world: World) -> _Entries:
        model, benchmark = np.nonzero(np.isfinite(world.score))
        variance = world.stderr[model, benchmark] ** 2 + _ROUNDING**2
        return cls(model, benchmark, world.score[model, benchmark], variance, world.chance[benchmark])

    def linearised(self, latent: Array) -> tuple[Array, Array]:
        """Return what was observed of the latent scores to first order around `latent`, and its noise variance."""
        value = to_score(latent, self.chance)
        share = (value - self.chance) / (1.0 - self.chance)
        slope = np.maximum((1.0 - self.chance) * share * (1.0 - share), _FLATTEST)
        return latent + (self.score - value) / slope, self.variance / slope**2

    def mode(self, prior: Array, start: Array, middle: Array | float = 0.0) -> Array:
        """Find the likeliest latent scores under a prior covariance around a prior mean, shape (n,)."""
        latent = start
        for _ in range(_NEWTON_STEPS):
            observed, noise = self.linearised(latent)
            solved = cho_solve(cho_factor(prior + np.diag(noise), lower=True), observed - middle)
            step = middle + prior @ solved - latent
            latent = latent + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            if np.abs(step).max(initial=0.0) < _SETTLED:
                break
        return latent


def learn(world: World) -> Covariance:
    """Fit the covariance to the scores of a world of models, starting from the centre of its prior.

    The last few answers are kept: the runs of several families are forecast from one world, whatever its order.
    """
    world = world.in_order()
    key = world.digest()
    if key not in _learnt:
        _learnt[key] = _learn(world)
        while len(_learnt) > _MOST_KEPT:
            del _learnt[next(iter(_learnt))]
    return _learnt[key]


def _learn(world: World) -> Covariance:
    # Imported here: it costs a quarter of a second, and families with many runs need no skills.
    from scipy.optimize import minimize

    entries = _Entries.of(world)
    covariance = Covariance.prior(used_components(world.models), world.chance.size)
    if entries.score.size == 0:
        return covariance
    over_models = {
        name: kernel[np.ix_(entries.model, entries.model)]
        for name, kernel in kernels(world.models, world.models).items()
        if name in covariance.loadings
    }
    membership = np.eye(world.chance.size)[entries.benchmark]
    latent = to_latent(entries.score, entries.chance)
    for _ in range(_ROUNDS):
        latent = entries.mode(_prior(covariance, over_models, entries.benchmark), latent)
        observed, noise = entries.linearised(latent)

        found = minimize(
            lambda vector, start, *known: _negative_evidence(start.unpack(vector), *known),
            covariance.pack(),
            args=(covariance, over_models, membership, entries.benchmark, observed, noise),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _STEPS},
        )
        covariance = covariance.unpack(found.x)
    return covariance


def _prior(covariance: Covariance, over_models: dict[str, Array], benchmark: NDArray[np.intp]) -> Array:
    both = np.ix_(benchmark, benchmark)
    total = _JITTER * np.eye(benchmark.size)
    for name, kernel in over_models.items():
        total += covariance.matrix(name)[both] * kernel
    return total


def _negative_evidence(
    covariance: Covariance,
    over_models: dict[str, Array],
    membership: Array,
    benchmark: NDArray[np.intp],
    observed: Array,
    noise: Array,
) -> tuple[float, Array]:
    """Compute the negative log marginal likelihood plus the prior's penalty, and its gradient."""
    lower, failed = lapack.dpotrf(_prior(covariance, over_models, benchmark) + np.diag(noise), lower=1)
    value, gradient = penalty(covariance)
    if failed:
        return 1e10, np.zeros_like(gradient)
    half, _ = lapack.dpotri(lower, lower=1)
    inverse = np.tril(half) + np.tril(half, -1).T
    solved = inverse @ observed
    value += 0.5 * float(observed @ solved) + float(np.log(np.diag(lower)).sum())
    outer = 0.5 * (inverse - np.outer(solved, solved))
    slopes = []
    for one in covariance.components:
        by_matrix = membership.T @ ((outer * over_models[one.name]) @ membership)
        slopes.append((2.0 * by_matrix @ covariance.loadings[one.name]).ravel())
        slopes.append(2.0 * np.diag(by_matrix) * covariance.own[one.name] ** 2)
    return value, gradient + np.concatenate(slopes)


@dataclass(frozen=True)
class Posterior:
    """What is known of latent scores after a world of scores; made by `condition`.

    Attributes:
        covariance: between models and benchmarks.
        world: whose scores are known.
        entries: those scores.
        weights: solved system, shape (n,).
        factor: Cholesky factor of the observations' covariance.
        trend: what an earlier fit left of the population's trend, or None.
    """

    covariance: Covariance
    world: World
    entries: _Entries
    weights: Array
    factor: tuple[Array, bool]
    trend: Trend | None = None

    def predict(self, models: Models) -> tuple[Array, Array]:
        """Return the mean latent scores of new models, shape (K, T), and their covariance, shape (K·T, K·T)."""
        return self._predict(models, self.covariance)

    def population(self, models: Models) -> tuple[Array, Array]:
        """Return the same for the population's trend alone, without what families and models add to it."""
        return self._predict(models, self.covariance.only(POPULATION))

    def _predict(self, models: Models, covariance: Covariance) -> tuple[Array, Array]:
        count = self.world.chance.size
        model = np.repeat(np.arange(len(models)), count)
        benchmark = np.tile(np.arange(count), len(models))
        entries = self.entries
        new, known = (models, benchmark, model), (self.world.models, entries.benchmark, entries.model)
        cross = _between(covariance, new, known, self.trend)
        mean = _middle(covariance, new, self.trend) + cross @ self.weights
        rest = _between(covariance, new, new, self.trend) - cross @ cho_solve(self.factor, cross.T)
        return mean.reshape(len(models), count), np.asarray((rest + rest.T) / 2)


def condition(covariance: Covariance, world: World, trend: Trend | None = None) -> Posterior:
    """Condition the latent scores on those of a world of models, and on what an earlier fit left of the trend."""
    entries = _Entries.of(world)
    known = (world.models, entries.benchmark, entries.model)
    prior = _between(covariance, known, known, trend) + _JITTER * np.eye(entries.benchmark.size)
    middle = _middle(covariance, known, trend)
    latent = entries.mode(prior, to_latent(entries.score, entries.chance), middle)
    observed, noise = entries.linearised(latent)
    factor = cho_factor(prior + np.diag(noise), lower=True)
    return Posterior(covariance, world, entries, cho_solve(factor, observed - middle), factor, trend)


# Entries (model, benchmark): the models, the place of each entry's benchmark, and of its model.
_Places = tuple[Models, NDArray[np.intp], NDArray[np.intp]]


def _middle(covariance: Covariance, places: _Places, trend: Trend | None) -> Array:
    if trend is None:
        return np.zeros(places[1].size)
    return trend.bridge(covariance, *places) @ trend.mean.ravel()


def _between(covariance: Covariance, a: _Places, b: _Places, trend: Trend | None) -> Array:
    prior = covariance.between(*a, *b)
    if trend is None:
        return prior
    left, right = trend.bridge(covariance, *a), trend.bridge(covariance, *b)
    return np.asarray(prior - left @ trend.surplus(covariance) @ right.T)

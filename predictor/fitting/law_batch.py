"""Fit one law to many series and all their resamples as one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.fitting.least_squares import solve_batch
from predictor.laws.law import Law

Array = NDArray[np.float64]


# Priors make these problems well conditioned, and their answers are read to three digits.
_TOLERANCE = 1e-7
_ITERATIONS = 60
# Iterations from each start before the best one goes on alone.
_SCOUTING = 15


@dataclass(frozen=True)
class Prior:
    """A Gaussian prior on a law's coordinates (logarithms for parameters of scale `log`), and the box they stay in.

    Attributes:
        mean: shape (series, parameters).
        sd: standard deviations, the same shape.
        lower: lower bounds in coordinates, the same shape.
        upper: upper bounds.
    """

    mean: Array
    sd: Array
    lower: Array
    upper: Array


@dataclass(frozen=True)
class Draws:
    """How the observations are disturbed in each of R resamples; number 0 is the undisturbed fit.

    Attributes:
        weight: weight of each observation, shape (R, observations).
        noise: standard normal disturbance of each observation, shape (series, R, observations).
        prior: standard normal disturbance of the prior's centre, shape (series, R, parameters or more). Moving the
            prior
            with the data makes the draws spread as the posterior does (Bardsley et al. 2014, randomize-then-optimize).
    """

    weight: Array
    noise: Array
    prior: Array


@dataclass(frozen=True)
class LawBatch:
    """One law fitted to every series and resample.

    Attributes:
        law: the law.
        coordinates: shape (series, R, parameters).
        misfit: standard deviation of the residuals beyond the stated errors, on the scale of the fit, shape (series,).
    """

    law: Law
    coordinates: Array
    misfit: Array

    def predict(self, inputs: Mapping[str, Array]) -> Array:
        """Evaluate at one point for each series and resample; inputs broadcast to shape (series, R)."""
        series, draws, size = self.coordinates.shape
        flat = self.law.outside(self.coordinates.reshape(-1, size))
        points = {name: np.broadcast_to(value, (series, draws)).reshape(-1, 1) for name, value in inputs.items()}
        with np.errstate(over="ignore", invalid="ignore"):
            return self.law.predict(points, flat).reshape(series, draws)


def fit_law_batch(
    law: Law, inputs: Mapping[str, Array], observed: Array, sigma: Array, starts: Array, prior: Prior, draws: Draws
) -> LawBatch:
    """Fit a law to T series of M observations and R resamples of each.

    The undisturbed fit is tried from every start; its residuals give each series' misfit, which is added to the stated
    errors; then all resamples start from its solution.

    Every series needs one usable observation at least.

    Args:
        law: the law; residuals are taken between logarithms if its `fit_scale` says so.
        inputs: name -> shape (T, M).
        observed: shape (T, M), NaN where missing.
        sigma: standard errors on the scale of the fit, shape (T, M).
        starts: starting coordinates, shape (T, S, parameters).
        prior: priors and bounds.
        draws: the resamples.
    """
    count, observations = observed.shape
    values = np.log(observed) if law.fit_scale == "log" else observed
    points = {name: np.broadcast_to(value, observed.shape) for name, value in inputs.items()}
    usable = np.isfinite(values)
    for value in points.values():
        usable &= np.isfinite(value)
    points = {name: np.where(usable, value, 1.0) for name, value in points.items()}
    values = np.where(usable, values, np.nan)
    sigma = np.where(usable, sigma, 1.0)

    def solve(
        series: NDArray[np.intp], seen: Array, error: Array, weight: Array, start: Array, centre: Array, iterations: int
    ) -> tuple[Array, Array]:
        def model(theta: Array, which: NDArray[np.intp]) -> Array:
            rows = series[which]
            predicted = law.predict({name: value[rows] for name, value in points.items()}, law.outside(theta))
            return np.log(predicted) if law.fit_scale == "log" else predicted

        fit = solve_batch(
            model,
            seen,
            error,
            weight,
            start,
            prior.lower[series],
            prior.upper[series],
            centre,
            prior.sd[series],
            tolerance=_TOLERANCE,
            iterations=iterations,
        )
        return fit.coordinates, fit.cost

    def best_of_starts(error: Array, start: Array, iterations: int) -> Array:
        tries = start.shape[1]
        series = np.repeat(np.arange(count), tries)
        found, cost = solve(
            series,
            values[series],
            error[series],
            np.ones((series.size, observations)),
            start.reshape(series.size, -1),
            prior.mean[series],
            iterations,
        )
        winner = cost.reshape(count, tries).argmin(axis=1)
        return found.reshape(count, tries, -1)[np.arange(count), winner]

    best = best_of_starts(sigma, starts, _SCOUTING)
    predicted = law.predict(points, law.outside(best))
    residual = np.where(usable, (np.log(predicted) if law.fit_scale == "log" else predicted) - values, np.nan)
    number = usable.sum(axis=1)
    # Two of the parameters are as good as always determined; the others lean on their priors.
    freedom = number / np.maximum(number - 2, 1)
    spread = np.nanmedian(np.abs(residual), axis=1) * 1.4826
    misfit = np.sqrt(np.maximum(spread**2 * freedom - np.mean(sigma**2, axis=1, where=usable), 0.0))
    error = np.sqrt(sigma**2 + misfit[:, None] ** 2)
    best = best_of_starts(error, best[:, None, :], _ITERATIONS)

    resamples = draws.weight.shape[0]
    if resamples == 1:
        return LawBatch(law, best[:, None, :], misfit)
    series = np.repeat(np.arange(count), resamples)
    size = best.shape[1]
    seen = values[:, None, :] + draws.noise * sigma[:, None, :]
    centre = prior.mean[:, None, :] + draws.prior[:, :, :size] * prior.sd[:, None, :]
    centre = np.clip(centre, prior.lower[:, None, :], prior.upper[:, None, :])
    found, _ = solve(
        series,
        seen.reshape(series.size, observations),
        error[series],
        np.tile(draws.weight, (count, 1)),
        best[series],
        centre.reshape(series.size, size),
        _ITERATIONS,
    )
    coordinates = found.reshape(count, resamples, size)
    coordinates[:, 0] = best
    return LawBatch(law, coordinates, misfit)

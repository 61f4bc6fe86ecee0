"""Fit one law to many series and all their resamples as one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.fitting.least_squares import BatchFit, solve_batch
from predictor.fitting.problem import fit_scale_slopes
from predictor.laws.law import Law

Array = NDArray[np.float64]


# Priors make these problems well conditioned, and their answers are read to three digits.
_TOLERANCE = 1e-7
_ITERATIONS = 60
# Iterations from each start before the best one goes on alone.
_SCOUTING = 15
# A difference in the objective that no data could tell.
_NO_MATTER = 1e-2


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
            prior with the data makes the draws spread as the posterior does (Bardsley et al. 2014,
            randomize-then-optimize).
        sign: factor of each residual of the undisturbed fit, shape (R, observations), or None for residuals as they
            are: the wild bootstrap.
        values: observations of each resample, in their own unit, shape (series, R, observations), or None for those
            that are given: resampled items.
    """

    weight: Array
    noise: Array
    prior: Array
    sign: Array | None = None
    values: Array | None = None


@dataclass(frozen=True)
class LawBatch:
    """One law fitted to every series and resample.

    Attributes:
        law: the law.
        coordinates: shape (series, R, parameters).
        misfit: standard deviation of the residuals beyond the stated errors, on the scale of the fit, shape (series,).
        agreement: share of the starts of each series that reached its best objective within 0.1 %, shape (series,).
        converged: whether each fit came to rest, shape (series, R); one that found nothing is NaN.
    """

    law: Law
    coordinates: Array
    misfit: Array
    agreement: Array | None = None
    converged: NDArray[np.bool_] | None = None

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

    Raises:
        ValueError: the draws hold fewer disturbances of the prior than the law has parameters.
    """
    if draws.prior.shape[2] < len(law.parameters):
        raise ValueError(
            f"draws for {draws.prior.shape[2]} parameters do not fit {law.name} with {len(law.parameters)}"
        )
    count, observations = observed.shape
    values = np.log(observed) if law.fit_scale == "log" else observed
    points = {name: np.broadcast_to(value, observed.shape) for name, value in inputs.items()}
    usable = np.isfinite(values)
    for value in points.values():
        usable &= np.isfinite(value)
    points = {name: np.where(usable, value, 1.0) for name, value in points.items()}
    values = np.where(usable, values, np.nan)
    sigma = np.where(usable, sigma, 1.0)

    def scaled(value: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(value) if law.fit_scale == "log" else value

    def solve(
        series: NDArray[np.intp], seen: Array, error: Array, weight: Array, start: Array, centre: Array, iterations: int
    ) -> BatchFit:
        def model(theta: Array, which: NDArray[np.intp]) -> Array:
            rows = series[which]
            return scaled(law.predict({name: value[rows] for name, value in points.items()}, law.outside(theta)))

        def slopes(theta: Array, which: NDArray[np.intp]) -> Array:
            rows = series[which]
            return fit_scale_slopes(law, {name: value[rows] for name, value in points.items()}, law.outside(theta))

        return solve_batch(
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
            slopes=slopes if law.derivative else None,
        )

    def best_of_starts(error: Array, start: Array, iterations: int) -> tuple[Array, Array, NDArray[np.bool_]]:
        tries = start.shape[1]
        series = np.repeat(np.arange(count), tries)
        fit = solve(
            series,
            values[series],
            error[series],
            np.ones((series.size, observations)),
            start.reshape(series.size, -1),
            prior.mean[series],
            iterations,
        )
        cost = fit.cost.reshape(count, tries)
        winner = cost.argmin(axis=1)
        every = np.arange(count)
        agreement = np.mean(cost <= cost[every, winner, None] * 1.001 + _NO_MATTER, axis=1)
        converged = (fit.converged & np.isfinite(fit.cost)).reshape(count, tries)[every, winner]
        return fit.coordinates.reshape(count, tries, -1)[every, winner], agreement, converged

    best, agreement, _ = best_of_starts(sigma, starts, _SCOUTING)
    residual = np.where(usable, scaled(law.predict(points, law.outside(best))) - values, np.nan)
    number = usable.sum(axis=1)
    # Two of the parameters are as good as always determined; the others lean on their priors.
    freedom = number / np.maximum(number - 2, 1)
    spread = np.nanmedian(np.abs(residual), axis=1) * 1.4826
    misfit = np.sqrt(np.maximum(spread**2 * freedom - np.mean(sigma**2, axis=1, where=usable), 0.0))
    error = np.sqrt(sigma**2 + misfit[:, None] ** 2)
    best, _, converged = best_of_starts(error, best[:, None, :], _ITERATIONS)

    resamples = draws.weight.shape[0]
    if resamples == 1:
        return LawBatch(law, best[:, None, :], misfit, agreement, converged[:, None])
    series = np.repeat(np.arange(count), resamples)
    size = best.shape[1]
    seen = np.broadcast_to(values[:, None, :], (count, resamples, observations))
    if draws.values is not None:
        seen = np.where(usable[:, None, :], scaled(draws.values), np.nan)
    if draws.sign is not None:
        fitted = scaled(law.predict(points, law.outside(best)))[:, None, :]
        # Residuals are smaller than errors by what the parameters took up.
        wider = np.sqrt(number / np.maximum(number - size, 1))[:, None, None]
        seen = fitted + draws.sign * wider * (seen - fitted)
    seen = seen + draws.noise * sigma[:, None, :]
    centre = prior.mean[:, None, :] + draws.prior[:, :, :size] * prior.sd[:, None, :]
    centre = np.clip(centre, prior.lower[:, None, :], prior.upper[:, None, :])
    fit = solve(
        series,
        seen.reshape(series.size, observations),
        error[series],
        np.tile(draws.weight, (count, 1)),
        best[series],
        centre.reshape(series.size, size),
        _ITERATIONS,
    )
    found = np.where(np.isfinite(fit.cost)[:, None], fit.coordinates, np.nan)
    coordinates = found.reshape(count, resamples, size)
    rested = (fit.converged & np.isfinite(fit.cost)).reshape(count, resamples)
    coordinates[:, 0], rested[:, 0] = best, converged
    return LawBatch(law, coordinates, misfit, agreement, rested)

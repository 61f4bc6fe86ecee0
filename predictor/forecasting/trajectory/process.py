"""The Gaussian process of one group of series: hyperparameters by marginal likelihood, then forecasts in sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

from predictor.forecasting.trajectory.kernel import BOUNDS, PRIOR, Points, covariance, gradient

Array = NDArray[np.float64]

# Noise of one checkpoint over the spread of the process, as variances: what is tried for each series.
_NOISE = np.geomspace(1e-3, 30.0, 25)
# Standard deviation of the log-normal prior of every hyperparameter.
_PRIOR_WIDTH = 1.0
_ITERATIONS = 25
# Correlation of the noise of neighbouring checkpoints, which are scored on the same items: the mean of k of them counts
# as k / (1 + (k - 1) · this) independent ones.
_ALIKE = 0.15
# A series that never moves has no spread to measure in.
_SMALLEST_SPREAD = 1e-3
# One whose standard deviation over all other runs is below this stood still, as a benchmark that models answer always
# alike. Should it move after all, it is taken to scatter by a point, the sampling error of 2,500 items, and not by
# nothing: else its forecast would stay where it was, and the departure be thousands of standard deviations.
_STILL = 1e-4
_SCATTER_OF_STILL = 1e-2


@dataclass(frozen=True)
class Training:
    """What a process is fitted to: means over neighbouring checkpoints. n points, T series.

    Attributes:
        points: where, n of them.
        value: shape (n, T).
        weight: how many independent checkpoints each mean is worth, shape (n,).
    """

    points: Points
    value: Array
    weight: Array

    def of(self, runs: list[int]) -> Training:
        """Keep some of the runs."""
        keep = np.flatnonzero(np.isin(self.points.run, runs))
        return Training(self.points.select(keep), self.value[keep], self.weight[keep])


def bin_checkpoints(points: Points, tokens: Array, value: Array, index: NDArray[np.intp], bins: int) -> Training:
    """Average a run's checkpoints over intervals of its training; the last stays alone.

    Args:
        points: all checkpoints.
        tokens: of all checkpoints.
        value: shape (T, checkpoints), without gaps at `index`.
        index: the run's checkpoints in the order of training.
        bins: at most so many intervals.
    """
    groups = [np.array([checkpoint]) for checkpoint in index]
    if index.size > bins:
        place = _intervals(tokens[index], bins)
        groups = [index[place == number] for number in np.unique(place)]
    count = np.array([group.size for group in groups], dtype=float)
    means = np.array([value[:, group].mean(axis=1) for group in groups])
    return Training(points.mean(groups), means, count / (1 + (count - 1) * _ALIKE))


def _intervals(tokens: Array, bins: int) -> NDArray[np.intp]:
    """Number the interval of each checkpoint, even in the sum of tokens and their logarithm, both from 0 to 1.

    Logarithms alone would leave one interval for the annealing of a long run.
    """
    shares = [(values - values[0]) / max(values[-1] - values[0], 1e-9) for values in (tokens, np.log(tokens))]
    place = np.searchsorted(np.linspace(0, 2, bins)[1:-1], sum(shares), side="right")
    place[-1] = bins
    return np.asarray(place, dtype=np.intp)


@dataclass(frozen=True)
class Gaussian:
    """What is believed of one series at F places.

    Attributes:
        mean: shape (F,).
        covariance: of the score itself, shape (F, F).
        noise: variance of one measurement beside it.
    """

    mean: Array
    covariance: Array
    noise: float


@dataclass(frozen=True)
class Process:
    """A fitted process for T series.

    Attributes:
        training: what it was fitted to.
        log_values: logarithms of the hyperparameters.
        center: mean of each series, shape (T,).
        spread: standard deviation of each series, shape (T,).
        scale: variance of the process over the spread's square, shape (T,).
        noise: variance of one checkpoint's noise over that of the process, shape (T,).
        still: whether a series stood still, so that scale and noise are assumed, shape (T,).
    """

    training: Training
    log_values: Array
    center: Array
    spread: Array
    scale: Array
    noise: Array
    still: NDArray[np.bool_]

    def conditional(self, training: Training, places: Points, rows: Iterable[int]) -> Iterator[Gaussian]:
        """Condition series on training points; noise of a measurement is not in the covariances.

        Args:
            training: that of the fit, or a part of it.
            places: F points.
            rows: numbers of the series.
        """
        shared = covariance(training.points, training.points, self.log_values)
        across = covariance(training.points, places, self.log_values)
        own = covariance(places, places, self.log_values)
        for row in rows:
            unit, noise = self.spread[row] * np.sqrt(self.scale[row]), self.noise[row]
            factor = cholesky(shared + np.diag(noise / training.weight), lower=True, check_finite=False)
            values = (training.value[:, row] - self.center[row]) / unit
            towards = solve_triangular(factor, across, lower=True, check_finite=False)
            solved = solve_triangular(factor, values, lower=True, check_finite=False)
            mean = self.center[row] + unit * (towards.T @ solved)
            yield Gaussian(mean, unit**2 * (own - towards.T @ towards), float(unit**2 * noise))

    def loss(self, training: Training) -> float:
        """Return the mean negative log likelihood of a training set at these hyperparameters, as to compare points."""
        standard = (training.value - self.center) / self.spread
        values, _, turned = _turn(training, standard, self.log_values)
        return float(_profile(values, turned)[2].mean())


def fit_process(training: Training, log_values: Array | None = None) -> Process:
    """Fit one set of hyperparameters to all series, and the scale and noise of each.

    Args:
        training: the observations.
        log_values: hyperparameters to take as they are; found by their posterior mode where None.
    """
    center = np.average(training.value, axis=0, weights=training.weight)
    deviation = training.value.std(axis=0)
    spread, still = np.maximum(deviation, _SMALLEST_SPREAD), deviation < _STILL
    standard = (training.value - center) / spread
    if log_values is None:
        found = minimize(
            _loss_and_gradient,
            PRIOR,
            args=(training, standard),
            jac=True,
            method="L-BFGS-B",
            bounds=BOUNDS,
            options={"maxiter": _ITERATIONS},
        )
        log_values = np.asarray(found.x)
    values, _, turned = _turn(training, standard, log_values)
    noise, scale, _ = _profile(values, turned)
    spread, scale, noise = (
        np.where(still, assumed, fitted)
        for assumed, fitted in ((_SCATTER_OF_STILL, spread), (1.0, scale), (1.0, noise))
    )
    return Process(training, log_values, center, spread, scale, noise, still)


def _turn(training: Training, standard: Array, log_values: Array) -> tuple[Array, Array, Array]:
    """Diagonalise the weighted covariance: then every noise of every series costs next to nothing."""
    root = np.sqrt(training.weight)
    weighted = covariance(training.points, training.points, log_values) * np.outer(root, root)
    values, vectors = np.linalg.eigh(weighted)
    return np.maximum(values, 0.0), vectors, vectors.T @ (standard * root[:, None])


def _profile(values: Array, turned: Array) -> tuple[Array, Array, Array]:
    """Choose each series' noise and scale; also gives the negative log likelihood at them, each of shape (T,)."""
    total = values[None, :, None] + _NOISE[:, None, None]
    # The small addition keeps a series that never moves from a likelihood without bound.
    scale = (turned[None] ** 2 / total).mean(axis=1) + 1e-6
    loss = 0.5 * (len(values) * np.log(scale) + np.log(total).sum(axis=1))
    best, column = loss.argmin(axis=0), np.arange(turned.shape[1])
    return _NOISE[best], scale[best, column], loss[best, column]


def _loss_and_gradient(log_values: Array, training: Training, standard: Array) -> tuple[float, Array]:
    """Mean over series of the negative log likelihood, each at its best noise and scale, and the prior's."""
    values, vectors, turned = _turn(training, standard, log_values)
    noise, scale, loss = _profile(values, turned)
    inverse = 1 / (values[:, None] + noise[None])
    weights = vectors @ (turned * inverse) / np.sqrt(scale)
    outer = (vectors * inverse.sum(axis=1)) @ vectors.T - weights @ weights.T
    root = np.sqrt(training.weight)
    slope = gradient(training.points, log_values, 0.5 * outer * np.outer(root, root))
    surprise = (log_values - PRIOR) / _PRIOR_WIDTH
    return float(loss.mean() + 0.5 * (surprise**2).sum()), slope / loss.size + surprise / _PRIOR_WIDTH

"""The Gaussian process of one group of series: hyperparameters by marginal likelihood, then forecasts in sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize

from predictor.forecast.trajectory.kernel import BOUNDS, PRIOR, Points, covariance, gradient, variance

Array = NDArray[np.float64]

# Noise of one checkpoint over the spread of the process, as variances: what is tried for each series.
_NOISE = np.geomspace(1e-3, 30.0, 25)
# Standard deviation of the log-normal prior of every hyperparameter.
_PRIOR_WIDTH = 1.0
_ITERATIONS = 25
# Correlation of the noise of neighbouring checkpoints, which are scored on the same items: the mean of k of them counts
# as k / (1 + (k - 1) · this) independent ones.
_ALIKE = 0.15
# Standard deviations to which a checkpoint out of line moves the forecasts that follow.
_BELIEVED = 3.0
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


def bin_checkpoints(points: Points, value: Array, index: NDArray[np.intp], bins: int) -> Training:
    """Average a run's checkpoints over intervals that are even in log tokens.

    Args:
        points: all checkpoints.
        value: shape (T, checkpoints), without gaps at `index`.
        index: the run's checkpoints in the order of training.
        bins: at most so many intervals.
    """
    groups = [np.array([one]) for one in index]
    if index.size > bins:
        length = points.length[index]
        edges = np.linspace(length[0], length[-1], bins + 1)[1:-1]
        place = np.searchsorted(edges, length, side="right")
        groups = [index[place == number] for number in np.unique(place)]
    count = np.array([group.size for group in groups], dtype=float)
    means = np.array([value[:, group].mean(axis=1) for group in groups])
    return Training(points.mean(groups), means, count / (1 + (count - 1) * _ALIKE))


@dataclass(frozen=True)
class Sequence:
    """One series of one run, forecast again after each of its checkpoints. K checkpoints, F places to forecast.

    Attributes:
        expected: forecast of each checkpoint from those before it, shape (K,).
        error: its standard deviation, noise included, shape (K,).
        certain: share of that variance that is not the checkpoint's own noise, shape (K,).
        median: forecast of each place after 0, 1, …, K checkpoints, shape (K + 1, F).
        spread: its standard deviation, noise of a measurement included, the same shape.
    """

    expected: Array
    error: Array
    certain: Array
    median: Array
    spread: Array


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

    def follow(
        self, training: Training, seen: Points, value: Array, places: Points, rows: Iterable[int]
    ) -> Iterator[Sequence]:
        """Forecast places from the training points and then from each further checkpoint in turn.

        Args:
            training: that of the fit, or a part of it.
            seen: the run's K checkpoints in the order of training.
            value: values of the series there, shape (rows, K).
            places: what to forecast, F points.
            rows: numbers of the series.
        """
        before = len(training.points)
        points = training.points.join(seen)
        shared = covariance(points, points, self.log_values)
        across = covariance(points, places, self.log_values)
        own = variance(places, self.log_values)
        weights = np.concatenate([training.weight, np.ones(len(seen))])
        steps = np.arange(before - 1, before + len(seen))
        for line, row in zip(value, rows, strict=True):
            unit, noise = self.spread[row] * np.sqrt(self.scale[row]), self.noise[row]
            factor = cholesky(shared + np.diag(noise / weights), lower=True, check_finite=False)
            values = (np.concatenate([training.value[:, row], line]) - self.center[row]) / unit
            whitened, surprise = _whiten(factor, values, before)
            towards = solve_triangular(factor, across, lower=True, check_finite=False)
            error = np.diag(factor)[before:]
            # Cumulative sums over the checkpoints give the forecast after each of them from one factorisation.
            medians = np.cumsum(towards * whitened[:, None], axis=0)[steps]
            left = own[None] - np.cumsum(towards**2, axis=0)[steps]
            yield Sequence(
                expected=line - unit * error * surprise,
                error=unit * error,
                certain=np.maximum(1 - noise / error**2, 0.0),
                median=self.center[row] + unit * medians,
                spread=unit * np.sqrt(np.maximum(left, 0.0) + noise),
            )


def _whiten(factor: Array, values: Array, before: int) -> tuple[Array, Array]:
    """Solve for independent innovations; those of the run are given as they are, too, and are believed only so far.

    A checkpoint beyond all noise says that something happened, not that the path bends by that much.
    """
    whitened = np.empty_like(values)
    whitened[:before] = solve_triangular(factor[:before, :before], values[:before], lower=True, check_finite=False)
    surprise = np.empty(values.size - before)
    for place in range(before, values.size):
        surprise[place - before] = (values[place] - factor[place, :place] @ whitened[:place]) / factor[place, place]
        whitened[place] = np.clip(surprise[place - before], -_BELIEVED, _BELIEVED)
    return whitened, surprise


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

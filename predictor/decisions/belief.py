"""What is believed of scores over size and data: a law, what the law leaves out, and noise, all of them normal.

A score is taken as law(N, D; θ) + δ(N, D) + noise. The law is made linear in its coordinates θ around the fit, with a
normal prior on them; δ, what no law of this form says, is a Gaussian process over the logarithms of size and data
(Kennedy and O'Hagan 2001, J. R. Stat. Soc. B 63:425). Without δ a design would put all runs at the ends of the ladder,
where they say most of θ, and trust the law blindly in between and beyond.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.fitting import Prior, fit_law_batch, make_draws
from predictor.fitting.units import geometric_mean
from predictor.forecasting.methods.method import effective_floor
from predictor.forecasting.panel import Panel
from predictor.laws import get_law

Array = NDArray[np.float64]

LAW = get_law("direct_log_accuracy_nd")
# Prior on ln A, ln alpha, ln B, ln beta at the middle of the observed sizes and tokens, where A and B are what size and
# data still leave to be gained.
_PRIOR_MEAN = np.log(np.array([0.5, 0.3, 0.5, 0.3]))
_PRIOR_SD = np.array([1.0, 0.5, 1.0, 0.5])
_LOWER, _UPPER = np.log(np.array([1e-3, 0.02, 1e-3, 0.02])), np.log(np.array([20.0, 2.0, 20.0, 2.0]))
_STARTS = np.log(np.array([[0.3, 0.2, 0.3, 0.2], [1.0, 0.4, 1.0, 0.4], [1.0, 0.2, 0.2, 0.2], [0.2, 0.2, 1.0, 0.2]]))
# Candidates for the standard deviations of δ and of what differs between runs of the same size and data, in shares.
_DEVIATIONS, _RUN_NOISES = (0.003, 0.006, 0.012, 0.025, 0.05), (0.002, 0.004, 0.008, 0.016)
# Length over which δ changes, in natural logarithms of size and of tokens.
_LENGTH = 2.0
_STEP = 1e-4


@dataclass(frozen=True)
class Scale:
    """Models at which scores are looked at: sizes and training tokens, each of shape (points,)."""

    params: Array
    tokens: Array

    def __len__(self) -> int:
        return self.params.size

    @property
    def flops(self) -> Array:
        """Training compute, 6·N·D."""
        return 6.0 * self.params * self.tokens


@dataclass(frozen=True)
class Belief:
    """What is believed of T benchmarks at P points, before any further run.

    Attributes:
        mean: expected scores, shape (T, P).
        covariance: of the scores without noise, shape (T, P, P).
        noise: standard deviation of a measured score of one run at each point, shape (T, P).
    """

    mean: Array
    covariance: Array
    noise: Array


def believe(panel: Panel, points: Scale, items_error: Callable[[Array, int], Array]) -> Belief:
    """Fit the law to each series of a panel and condition on its scores.

    Args:
        panel: the observations; every series needs three.
        points: where to look.
        items_error: `items_error(scores, row)` gives the noise of scores of one series by its items.
    """
    params, tokens = (geometric_mean(values) for values in (panel.params, panel.tokens))
    count = len(panel.series)
    floor = effective_floor(panel)
    shape = panel.score.shape
    inputs = {
        "params": np.broadcast_to(panel.params / params, shape),
        "tokens": np.broadcast_to(panel.tokens / tokens, shape),
        "chance": np.broadcast_to(floor[:, None], shape),
    }
    prior = Prior(*(np.tile(row, (count, 1)) for row in (_PRIOR_MEAN, _PRIOR_SD, _LOWER, _UPPER)))
    labels = [one.label for one in panel.series]
    fit = fit_law_batch(
        LAW,
        inputs,
        panel.score,
        np.sqrt(panel.stderr**2 + _RUN_NOISES[1] ** 2),
        np.tile(_STARTS, (count, 1, 1)),
        prior,
        make_draws(panel.run, labels, 0, 0, "plan"),
    )
    everywhere = Scale(np.append(panel.params, points.params), np.append(panel.tokens, points.tokens))
    kernel = kernel_of(everywhere)
    means, covariances, noises = [], [], []
    for row in range(count):

        def law(theta: Array, row: int = row) -> Array:
            given = {
                "params": everywhere.params / params,
                "tokens": everywhere.tokens / tokens,
                "chance": np.full(len(everywhere), floor[row]),
            }
            return np.asarray(LAW.predict(given, LAW.outside(theta[None]))[0])

        centre = fit.coordinates[row, 0]
        seen = np.flatnonzero(np.isfinite(panel.score[row]))
        mean, covariance, run_noise = _condition(
            law, centre, kernel, seen, panel.score[row, seen], panel.stderr[row, seen]
        )
        rest = slice(panel.params.size, None)
        means.append(np.clip(mean[rest], 0.0, 1.0))
        covariances.append(covariance[rest, rest])
        noises.append(np.hypot(items_error(means[-1], row), run_noise))
    return Belief(np.array(means), np.array(covariances), np.array(noises))


def believe_law(
    law: Callable[[Array, Scale], Array], mean: Array, sd: Array, points: Scale, deviation: float, noise: Array
) -> Belief:
    """Believe in a law alone, with a normal prior on its coordinates, for one benchmark.

    Args:
        law: `law(coordinates, points)` gives the scores, shape (points,).
        mean: centre of the prior.
        sd: its standard deviations.
        points: where to look.
        deviation: standard deviation of what the law leaves out.
        noise: standard deviation of a measured score at each point.
    """
    jacobian = slopes(lambda theta: law(theta, points), mean)
    covariance = (jacobian * sd**2) @ jacobian.T + deviation**2 * kernel_of(points)
    return Belief(law(mean, points)[None], covariance[None], noise[None])


def slopes(law: Callable[[Array], Array], centre: Array) -> Array:
    """Differentiate a law along its coordinates by central differences, shape (points, coordinates)."""
    steps = _STEP * np.eye(centre.size)
    return np.stack([(law(centre + step) - law(centre - step)) / (2 * _STEP) for step in steps], axis=1)


def _condition(
    law: Callable[[Array], Array], centre: Array, kernel: Array, seen: NDArray[np.intp], score: Array, stderr: Array
) -> tuple[Array, Array, float]:
    """Condition on scores at the first points; the sizes of δ and of the noise of runs are the likeliest of a few."""
    jacobian = slopes(law, centre)
    # The law is linear from here on: the prior sits where it was, not at the fit.
    offset = law(centre) + jacobian @ (_PRIOR_MEAN - centre)
    linear = (jacobian * _PRIOR_SD**2) @ jacobian.T
    best, chosen = -np.inf, (_DEVIATIONS[0], _RUN_NOISES[0])
    gap = score - offset[seen]
    for deviation, run_noise in itertools.product(_DEVIATIONS, _RUN_NOISES):
        inner = (linear + deviation**2 * kernel)[np.ix_(seen, seen)] + np.diag(stderr**2 + run_noise**2)
        root = np.linalg.cholesky(inner)
        solved = np.linalg.solve(root, gap)
        # Half-normal priors of two points and of half a point: a few runs do not tell.
        prior = -0.5 * (deviation / 0.02) ** 2 - 0.5 * (run_noise / 0.005) ** 2
        likelihood = -0.5 * float(solved @ solved) - float(np.log(np.diag(root)).sum()) + prior
        if likelihood > best:
            best, chosen = likelihood, (deviation, run_noise)
    deviation, run_noise = chosen
    full = linear + deviation**2 * kernel
    inner = full[np.ix_(seen, seen)] + np.diag(stderr**2 + run_noise**2)
    gain = np.linalg.solve(inner, full[seen]).T
    return offset + gain @ gap, full - gain @ full[seen], run_noise


def kernel_of(points: Scale) -> Array:
    """Give the Matérn kernel of smoothness 3/2 over the logarithms of size and tokens, shape (points, points)."""
    place = np.log(np.stack([points.params, points.tokens], axis=1))
    distance = np.sqrt(((place[:, None] - place[None]) ** 2).sum(axis=2)) * np.sqrt(3) / _LENGTH
    return np.asarray((1 + distance) * np.exp(-distance))

"""How alike two checkpoints' scores are: the covariance of a Gaussian process over size, tokens, schedule and run.

A score is a broad surface over log parameters and log tokens that all runs share, what cooling the learning rate adds,
and each run's own departure from it: an offset, a slope and a slow wandering. Everything is in units of the spread of
the series, so one set of hyperparameters serves many benchmarks. Rasmussen and Williams (2006), Gaussian Processes for
Machine Learning, sections 2.7 (explicit basis functions with a vague prior) and 4.2 (squared exponential, Matérn 3/2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Name -> prior median, lower and upper bound. Amplitudes are in spreads of the series, lengths in spreads of the logs.
HYPERPARAMETERS: dict[str, tuple[float, float, float]] = {
    "curve": (0.3, 1e-3, 5.0),  # departure of the common curve over tokens from a parabola
    "curve_length": (0.7, 0.15, 4.0),
    "surface": (0.3, 1e-3, 5.0),  # departure that depends on size as well
    "surface_length_size": (1.0, 0.4, 6.0),
    "surface_length_tokens": (1.0, 0.2, 6.0),
    "offset": (0.2, 1e-3, 3.0),  # of a run
    "slope": (0.1, 1e-3, 3.0),  # of a run
    "wander": (0.1, 1e-3, 3.0),  # of a run
    "wander_length": (0.5, 0.1, 4.0),
    "cooling": (0.2, 1e-3, 3.0),  # gain from the learning rate's decay
}
PRIOR = np.log([prior for prior, _, _ in HYPERPARAMETERS.values()])
BOUNDS = [(float(np.log(low)), float(np.log(high))) for _, low, high in HYPERPARAMETERS.values()]

# Prior variances of the basis: one and the two logs, their product and the square of log tokens.
_LINEAR, _CURVED = 1.0, 0.3
# Tokens before which next to nothing has been learnt, of the shortest run and at most: added to all, they keep the
# first steps of training together in the logarithm.
_FIRST_SHARE, _FIRST_TOKENS = 1 / 20, 1e8


@dataclass(frozen=True)
class Points:
    """Where scores were or will be measured, each of shape (points,).

    Attributes:
        size: log parameters, standardised.
        length: log tokens, standardised.
        cooled: share of the cosine schedule's decay that is behind, 0 where the rate is constant or unknown.
        run: number of the run.
    """

    size: Array
    length: Array
    cooled: Array
    run: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.run)

    def select(self, index: NDArray[np.intp]) -> Points:
        """Keep some of the points."""
        return Points(self.size[index], self.length[index], self.cooled[index], self.run[index])

    def mean(self, groups: list[NDArray[np.intp]]) -> Points:
        """Average groups of points of one run each."""
        size, length, cooled = (
            np.array([values[group].mean() for group in groups]) for values in (self.size, self.length, self.cooled)
        )
        return Points(size, length, cooled, np.array([self.run[group[0]] for group in groups], dtype=np.intp))

    def join(self, other: Points) -> Points:
        """Put others behind these."""
        return Points(
            np.concatenate([self.size, other.size]),
            np.concatenate([self.length, other.length]),
            np.concatenate([self.cooled, other.cooled]),
            np.concatenate([self.run, other.run]),
        )


def first_tokens(tokens: Array, run: NDArray[np.intp]) -> float:
    """Give the tokens that a family's runs need before they have learnt anything."""
    return float(min(_FIRST_SHARE * min(tokens[run == one].max() for one in np.unique(run)), _FIRST_TOKENS))


def make_points(params: Array, tokens: Array, planned: Array, run: NDArray[np.intp], first: float) -> Points:
    """Place checkpoints by log parameters, log tokens and progress of the schedule; lengths are in natural logs.

    Args:
        params: shape (points,), as the next three.
        tokens: seen at each.
        planned: tokens at the schedule's end, NaN where unknown.
        run: number of the run.
        first: from `first_tokens`.
    """
    known = np.isfinite(planned)
    share = np.minimum(np.where(known, tokens / np.where(known, planned, 1.0), 0.0), 1.0)
    return Points(np.log(params), np.log(tokens + first), (1 - np.cos(np.pi * share)) / 2, run)


def standardise(points: Points, reference: Points) -> Points:
    """Measure logs in spreads of the reference's around its means."""
    # Runs of one size leave no spread to measure in.
    spread = max(float(reference.size.std()), 0.3), max(float(reference.length.std()), 0.3)
    size = (points.size - reference.size.mean()) / spread[0]
    return Points(size, (points.length - reference.length.mean()) / spread[1], points.cooled, points.run)


def covariance(one: Points, other: Points, log_values: Array) -> Array:
    """Give the covariance of the scores at two sets of points, shape (len(one), len(other)).

    Args:
        one: points.
        other: points.
        log_values: logarithms of the hyperparameters, in the order of `HYPERPARAMETERS`.
    """
    return _basis(one, other) + sum(_parts(one, other, log_values).values())


def variance(points: Points, log_values: Array) -> Array:
    """Give the diagonal of `covariance(points, points)`, shape (points,)."""
    value = dict(zip(HYPERPARAMETERS, np.exp(log_values), strict=True))
    size, length = points.size**2, points.length**2
    basis = _LINEAR * (1 + size + length) + _CURVED * (size * length + length**2)
    constant = sum(value[name] ** 2 for name in ("curve", "surface", "offset", "wander"))
    return basis + constant + value["slope"] ** 2 * length + value["cooling"] ** 2 * points.cooled**2


def gradient(points: Points, log_values: Array, outer: Array) -> Array:
    """Sum an array of shape (points, points) times the covariance's derivative by each log hyperparameter."""
    value = dict(zip(HYPERPARAMETERS, np.exp(log_values), strict=True))
    parts = _parts(points, points, log_values)
    far = (points.length[:, None] - points.length[None]) ** 2
    apart = (points.size[:, None] - points.size[None]) ** 2
    reach = np.sqrt(3 * far) / value["wander_length"]
    own = points.run[:, None] == points.run[None]
    derivatives = {
        "curve_length": parts["curve"] * far / value["curve_length"] ** 2,
        "surface_length_size": parts["surface"] * apart / value["surface_length_size"] ** 2,
        "surface_length_tokens": parts["surface"] * far / value["surface_length_tokens"] ** 2,
        "wander_length": value["wander"] ** 2 * own * reach**2 * np.exp(-reach),
        **{name: 2 * part for name, part in parts.items()},
    }
    return np.array([float((outer * derivatives[name]).sum()) for name in HYPERPARAMETERS])


def _basis(one: Points, other: Points) -> Array:
    size, length = np.outer(one.size, other.size), np.outer(one.length, other.length)
    return np.asarray(_LINEAR * (1 + size + length) + _CURVED * (size * length + length**2))


def _parts(one: Points, other: Points, log_values: Array) -> dict[str, Array]:
    value = dict(zip(HYPERPARAMETERS, np.exp(log_values), strict=True))
    far = (one.length[:, None] - other.length[None]) ** 2
    apart = (one.size[:, None] - other.size[None]) ** 2
    own = (one.run[:, None] == other.run[None]).astype(float)
    reach = np.sqrt(3 * far) / value["wander_length"]
    surface = far / value["surface_length_tokens"] ** 2 + apart / value["surface_length_size"] ** 2
    return {
        "curve": value["curve"] ** 2 * np.exp(-far / (2 * value["curve_length"] ** 2)),
        "surface": value["surface"] ** 2 * np.exp(-surface / 2),
        "offset": value["offset"] ** 2 * own,
        "slope": value["slope"] ** 2 * own * np.outer(one.length, other.length),
        "wander": value["wander"] ** 2 * own * (1 + reach) * np.exp(-reach),
        "cooling": value["cooling"] ** 2 * np.outer(one.cooled, other.cooled),
    }

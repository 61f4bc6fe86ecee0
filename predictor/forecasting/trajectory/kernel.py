"""How alike two checkpoints' scores are: the covariance of a Gaussian process over size, tokens, schedule and run.

A score is a broad surface over log parameters and log tokens that all runs share, plus what annealing the learning rate
adds, plus each family's own departure from it, plus each run's: an offset, a slope, a gain from annealing, and a slow
wandering. Annealing counts as more tokens, which moves every benchmark by its own slope, and beside that by a gain of
its own. Everything is in units of the spread of the series, so one set of hyperparameters serves many benchmarks.
Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, sections 2.7 (explicit basis functions with a
vague prior) and 4.2 (squared exponential, Matérn 3/2).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

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
    "family": (0.2, 1e-3, 3.0),  # offset of a family
    "family_size": (0.1, 1e-3, 3.0),  # its slope over size
    "family_tokens": (0.1, 1e-3, 3.0),  # its slope over tokens
    "family_cooling": (0.1, 1e-3, 3.0),  # its gain from annealing
    "offset": (0.2, 1e-3, 3.0),  # of a run
    "slope": (0.1, 1e-3, 3.0),  # of a run
    "wander": (0.1, 1e-3, 3.0),  # of a run
    "wander_length": (0.5, 0.1, 4.0),
    "run_cooling": (0.05, 1e-3, 3.0),  # a run's own gain from annealing
    "cooling": (0.2, 1e-3, 3.0),  # gain from annealing that all share
    "cooling_size": (0.1, 1e-3, 3.0),  # how it changes with size
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
        length: log tokens, with what annealing is worth in tokens, standardised.
        cooled: share of the annealing that is behind, 0 where the rate is constant.
        run: number of the run.
        family: number of its family.
    """

    size: Array
    length: Array
    cooled: Array
    run: NDArray[np.intp]
    family: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.run)

    def select(self, index: NDArray[np.intp]) -> Points:
        """Keep some of the points."""
        return Points(*(getattr(self, field.name)[index] for field in fields(self)))

    def join(self, other: Points) -> Points:
        """Append other points."""
        return Points(
            *(np.concatenate([getattr(part, field.name) for part in (self, other)]) for field in fields(self))
        )

    def mean(self, groups: list[NDArray[np.intp]]) -> Points:
        """Average points of one run over groups."""
        means = [
            np.array([values[group].mean() for group in groups]) for values in (self.size, self.length, self.cooled)
        ]
        first = np.array([group[0] for group in groups], dtype=np.intp)
        return Points(means[0], means[1], means[2], self.run[first], self.family[first])


def first_tokens(tokens: Array, run: NDArray[np.intp]) -> float:
    """Return the tokens that runs need before they have learnt anything."""
    return float(min(_FIRST_SHARE * min(tokens[run == number].max() for number in np.unique(run)), _FIRST_TOKENS))


def standardise(points: Points, reference: Points) -> Points:
    """Measure logs in spreads of the reference's around its means."""
    # Runs of one size leave no spread to measure in.
    spread = max(float(reference.size.std()), 0.3), max(float(reference.length.std()), 0.3)
    size = (points.size - reference.size.mean()) / spread[0]
    length = (points.length - reference.length.mean()) / spread[1]
    return Points(size, length, points.cooled, points.run, points.family)


def covariance(left: Points, right: Points, log_values: Array) -> Array:
    """Return the covariance of the scores at two sets of points, shape (len(left), len(right)).

    Args:
        left: points.
        right: points.
        log_values: logarithms of the hyperparameters, in the order of `HYPERPARAMETERS`.
    """
    return _basis(left, right) + sum(_parts(left, right, log_values).values())


def gradient(points: Points, log_values: Array, outer: Array) -> Array:
    """Sum an array of shape (points, points) times the covariance's derivative by each log hyperparameter."""
    value = dict(zip(HYPERPARAMETERS, np.exp(log_values), strict=True))
    parts = _parts(points, points, log_values)
    far = (points.length[:, None] - points.length[None]) ** 2
    apart = (points.size[:, None] - points.size[None]) ** 2
    own = points.run[:, None] == points.run[None]
    reach = np.sqrt(3 * far) / value["wander_length"]
    derivatives = {
        "curve_length": parts["curve"] * far / value["curve_length"] ** 2,
        "surface_length_size": parts["surface"] * apart / value["surface_length_size"] ** 2,
        "surface_length_tokens": parts["surface"] * far / value["surface_length_tokens"] ** 2,
        "wander_length": value["wander"] ** 2 * own * reach**2 * np.exp(-reach),
        **{name: 2 * part for name, part in parts.items()},
    }
    return np.array([float((outer * derivatives[name]).sum()) for name in HYPERPARAMETERS])


def _basis(left: Points, right: Points) -> Array:
    size, length = np.outer(left.size, right.size), np.outer(left.length, right.length)
    return np.asarray(_LINEAR * (1 + size + length) + _CURVED * (size * length + length**2))


def _parts(left: Points, right: Points, log_values: Array) -> dict[str, Array]:
    value = dict(zip(HYPERPARAMETERS, np.exp(log_values), strict=True))
    far = (left.length[:, None] - right.length[None]) ** 2
    apart = (left.size[:, None] - right.size[None]) ** 2
    own = (left.run[:, None] == right.run[None]).astype(float)
    kin = (left.family[:, None] == right.family[None]).astype(float)
    reach = np.sqrt(3 * far) / value["wander_length"]
    surface = far / value["surface_length_tokens"] ** 2 + apart / value["surface_length_size"] ** 2
    size, length = np.outer(left.size, right.size), np.outer(left.length, right.length)
    cooled = np.outer(left.cooled, right.cooled)
    return {
        "curve": value["curve"] ** 2 * np.exp(-far / (2 * value["curve_length"] ** 2)),
        "surface": value["surface"] ** 2 * np.exp(-surface / 2),
        "family": value["family"] ** 2 * kin,
        "family_size": value["family_size"] ** 2 * kin * size,
        "family_tokens": value["family_tokens"] ** 2 * kin * length,
        "family_cooling": value["family_cooling"] ** 2 * kin * cooled,
        "offset": value["offset"] ** 2 * own,
        "slope": value["slope"] ** 2 * own * length,
        "wander": value["wander"] ** 2 * own * (1 + reach) * np.exp(-reach),
        "run_cooling": value["run_cooling"] ** 2 * own * cooled,
        "cooling": value["cooling"] ** 2 * cooled,
        "cooling_size": value["cooling_size"] ** 2 * cooled * size,
    }

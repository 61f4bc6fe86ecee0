"""Follow one series through a run's checkpoints: every one moves what is believed of the path and of its end.

The belief is a joint normal distribution over the checkpoints, the end and other places; each checkpoint conditions it.
A checkpoint many standard deviations out says that something happened that the distribution did not foresee. It is then
widened, before it is conditioned, by what may have happened: a bad measurement, a step to a new level, or a rise that
goes on for a while. The checkpoints that follow tell these apart. West and Harrison (1997), Bayesian Forecasting and
Dynamic Models, chapter 11 (automatic intervention).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.trajectory.process import Gaussian

Array = NDArray[np.float64]

# Standard deviations from which a checkpoint is a surprise.
SURPRISE = 3.0
# How a surprise is shared out: bad measurement, step, rise.
_SHARES = (0.4, 0.4, 0.2)
# Standard deviation of the step at an event that is known of, on the scale of the series: about two points of a share.
_EVENT = 0.1
# Other runs' noise counts as so many of the run's own checkpoints.
_OTHERS = 10.0
# A rise goes on for so many times what it has risen until now, at most.
_GOES_ON = 4.0


@dataclass(frozen=True)
class Followed:
    """One series of one run, forecast again after each of its checkpoints. K checkpoints, F places to forecast.

    Attributes:
        expected: forecast of each checkpoint from those before it, shape (K,).
        error: its standard deviation, noise included, shape (K,).
        certain: share of that variance that is not the checkpoint's own noise, shape (K,).
        before: forecast of each checkpoint made before the first, shape (K,).
        error_before: its standard deviation, noise included, shape (K,).
        median: forecast of each place after 0, 1, …, K checkpoints, shape (K + 1, F).
        spread: its standard deviation, noise of a measurement included, the same shape.
        noise: variance of one measurement.
    """

    expected: Array
    error: Array
    certain: Array
    before: Array
    error_before: Array
    median: Array
    spread: Array
    noise: float


def anchor(belief: Gaussian, place: int, median: float, variance: float) -> Gaussian:
    """Replace what is believed of one place, and keep how the others depend on it (Jeffrey's rule).

    Args:
        belief: over all places.
        place: number of the place.
        median: what is believed of it instead.
        variance: of that, without noise of a measurement.
    """
    own = belief.covariance[place, place]
    gain = belief.covariance[:, place] / own
    return Gaussian(
        belief.mean + gain * (median - belief.mean[place]),
        belief.covariance + np.outer(gain, gain) * (variance - own),
        belief.noise,
    )


def widen(belief: Gaussian, along: Array, since: float) -> Gaussian:
    """Widen a belief from where something is known to have happened to the run: it may have stepped to a new level.

    Args:
        belief: over all places.
        along: how far each is in training, in tokens.
        since: tokens at which it happened.
    """
    step = (along >= since).astype(float)
    return Gaussian(belief.mean, belief.covariance + _EVENT**2 * np.outer(step, step), belief.noise)


def follow(belief: Gaussian, value: Array, along: Array) -> Followed:
    """Condition on checkpoints one after the other.

    Args:
        belief: over K checkpoints and then F places.
        value: of the checkpoints, shape (K,).
        along: how far each of the K + F is in training, in tokens.
    """
    count = value.size
    mean, left = belief.mean.copy(), belief.covariance.copy()
    expected, error, certain = np.empty((3, count))
    median, variance = np.empty((2, count + 1, mean.size - count))
    median[0], variance[0] = mean[count:], np.diag(left)[count:]
    before, error_before = mean[:count].copy(), np.sqrt(np.maximum(np.diag(left)[:count], 0.0) + belief.noise)
    scattered = _noise_so_far(value - before, belief.noise)
    for number, measured in enumerate(value):
        total = max(left[number, number], 0.0) + scattered[number]
        departure = measured - mean[number]
        expected[number], error[number] = mean[number], np.sqrt(total)
        certain[number] = 1 - scattered[number] / total
        noise = scattered[number]
        if departure**2 > SURPRISE**2 * total:
            extra = departure**2 - total
            noise += _SHARES[0] * extra
            for share, direction in zip(_SHARES[1:], _directions(along, number), strict=True):
                left += share * extra * np.outer(direction, direction)
        column = left[:, number] / (left[number, number] + noise)
        mean = mean + column * departure
        left -= np.outer(column, left[number])
        median[number + 1], variance[number + 1] = mean[count:], np.diag(left)[count:]
    spread = np.sqrt(np.maximum(variance, 0.0) + scattered[:, None])
    return Followed(expected, error, certain, before, error_before, median, spread, float(scattered[-1]))


def _noise_so_far(deviation: Array, noise: float) -> Array:
    """Estimate the variance of a measurement from other runs and from the run's neighbouring checkpoints so far.

    Args:
        deviation: of the checkpoints from the path expected before the run, shape (K,).
        noise: variance by other runs.

    Returns:
        the estimate before and after each checkpoint, shape (K + 1,).
    """
    own = np.concatenate([[0.0, 0.0], np.cumsum(np.diff(deviation) ** 2 / 2)])[: deviation.size + 1]
    count = np.maximum(np.arange(deviation.size + 1) - 1, 0)
    return np.asarray((_OTHERS * noise + own) / (_OTHERS + count))


def _directions(along: Array, number: int) -> tuple[Array, Array]:
    """Return by how much a step of one, and a rise to one, at a checkpoint move every place."""
    step = (along >= along[number]).astype(float)
    before = along[number - 1] if number else 0.0
    pace = max(along[number] - before, 1e-9 * along[number])
    return step, np.clip((along - before) / pace, 0.0, _GOES_ON)

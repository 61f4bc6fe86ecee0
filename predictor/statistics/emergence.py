"""The law of the pass rate in size, and whether it holds or the rate rises ever faster.

Under the law (Hu et al. 2023, arXiv 2310.03262) -ln PU = c·N^-alpha, so log(-log PU) is a straight line in log N. A
task whose line bends down is learnt ever faster: the law then understates the next model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ForecastError
from predictor.statistics.intervals import quantile
from predictor.statistics.sampled import SampledModel

Array = NDArray[np.float64]

# A bend needs a line and two more models to be told from scatter.
FEWEST_SIZES = 5
_LEVEL = 0.05

ACCELERATED = "accelerated"
SLOWING = "slowing"
STRAIGHT = "as the law says"
OPEN = "too few sizes to tell"


@dataclass(frozen=True)
class PassLaw:
    """A law that was fitted to models of several sizes.

    Attributes:
        alpha: exponent of size.
        c: weight of the size term, for parameters as they are counted.
        alpha_interval: 95% interval of alpha.
        scatter: by how much models scatter about the law, in units of their sampling errors; at least 1.
        bend: change of the slope of log(-log PU) per e-fold of size; negative where the rate rises ever faster. NaN
            where there are too few sizes.
        p_value: of a bend of zero; NaN likewise.
        verdict: `accelerated`, `slowing`, `as the law says` or `too few sizes to tell`.
        censored: runs without any right answer, which count by how many wrong ones they gave.
    """

    alpha: float
    c: float
    alpha_interval: tuple[float, float]
    scatter: float
    bend: float
    p_value: float
    verdict: str
    censored: tuple[str, ...]
    _middle: float
    _line: Array
    _covariance: Array
    _freedom: float

    def predict(self, params: float, level: float = 0.95) -> tuple[float, float, float]:
        """Forecast the pass rate of a model of this size, on the same items.

        Returns:
            the rate and the ends of its interval, which takes the law for true.
        """
        at = np.array([1.0, math.log(params) - self._middle])
        place = float(at @ self._line)
        reach = quantile(0.5 + level / 2, self._freedom) * math.sqrt(float(at @ self._covariance @ at))
        rate, low, high = (math.exp(-math.exp(min(value, 700.0))) for value in (place, place + reach, place - reach))
        return rate, low, high


def fit_pass_law(models: Sequence[SampledModel]) -> PassLaw:
    """Fit the law to the pass rates of models and test it for a bend.

    Each model counts by the error of its sampling. A model without any right answer counts by the chance of that,
    exp(-samples · PU). The errors are widened by the scatter about the fit, where that is more than sampling explains.

    Args:
        models: on the same items.

    Raises:
        ForecastError: fewer than three models of different size have right answers and wrong ones.
    """
    usable = [model for model in models if 0 < model.rate < 1 and math.isfinite(model.stderr)]
    none = [model for model in models if model.passes.sum() == 0]
    sizes = len({model.params for model in usable})
    if sizes < 3:
        raise ForecastError(
            f"{sizes} of the 3 sizes that are needed have right and wrong answers",
            "sample more models, or more answers",
        )
    data = _Data.of(usable, none)
    line, covariance, misfit = data.fit(2)
    freedom = len(usable) - 2
    scatter = max(1.0, misfit / freedom)
    bend = p_value = math.nan
    verdict = OPEN
    if sizes >= FEWEST_SIZES:
        bend, p_value = _bend(data, len(usable))
        verdict = STRAIGHT if p_value > _LEVEL else ACCELERATED if bend < 0 else SLOWING
    covariance = covariance * scatter
    reach = quantile(1 - _LEVEL / 2, freedom) * math.sqrt(covariance[1, 1])
    alpha = -float(line[1])
    return PassLaw(
        alpha,
        math.exp(float(line[0]) + alpha * data.middle),
        (alpha - reach, alpha + reach),
        math.sqrt(scatter),
        bend,
        p_value,
        verdict,
        tuple(model.run for model in none),
        data.middle,
        line,
        covariance,
        freedom,
    )


def _bend(data: _Data, count: int) -> tuple[float, float]:
    from scipy.special import stdtr

    curve, covariance, misfit = data.fit(3)
    freedom = count - 3
    error = math.sqrt(covariance[2, 2] * max(1.0, misfit / freedom))
    return 2 * float(curve[2]), float(2 * stdtr(freedom, -abs(float(curve[2])) / error))


@dataclass(frozen=True)
class _Data:
    """log(-log PU) of M models over the logarithm of size, and models of which only a bound is known."""

    middle: float
    size: Array
    place: Array
    error: Array
    bound_size: Array
    bound_samples: Array

    @classmethod
    def of(cls, usable: Sequence[SampledModel], none: Sequence[SampledModel]) -> _Data:
        size = np.log([model.params for model in usable])
        middle = float(size.mean())
        return cls(
            middle,
            size - middle,
            np.log(-np.log([model.rate for model in usable])),
            np.array([model.error_of_place for model in usable]),
            np.log([model.params for model in none]) - middle,
            np.array([model.samples.sum() for model in none], dtype=float),
        )

    def fit(self, terms: int) -> tuple[Array, Array, float]:
        """Fit a polynomial by maximum likelihood: its coefficients, their covariance, and the sum of squares."""
        from scipy.optimize import minimize

        x, bound = (np.vander(size, terms, increasing=True) for size in (self.size, self.bound_size))
        start = np.linalg.lstsq(x / self.error[:, None], self.place / self.error, rcond=None)[0]

        def value(theta: Array) -> float:
            rest = (self.place - x @ theta) / self.error
            return float(0.5 * rest @ rest + self.bound_samples @ _rate(bound @ theta))

        def slope(theta: Array) -> Array:
            place = np.minimum(bound @ theta, 50.0)
            of_bound = -self.bound_samples * _rate(place) * np.exp(place)
            return np.asarray(-((self.place - x @ theta) / self.error**2) @ x + of_bound @ bound)

        theta = minimize(value, start, jac=slope, method="BFGS").x if len(self.bound_size) else start
        place = np.minimum(bound @ theta, 50.0)
        # Expected information: that of the straight part, and what the bounds add where they bind.
        weight = self.bound_samples * _rate(place) * np.exp(place) ** 2
        information = (x / self.error[:, None] ** 2).T @ x + (bound * weight[:, None]).T @ bound
        rest = (self.place - x @ theta) / self.error
        return np.asarray(theta, dtype=np.float64), np.asarray(np.linalg.inv(information)), float(rest @ rest)


def _rate(place: Array) -> Array:
    return np.asarray(np.exp(-np.exp(np.minimum(place, 50.0))))

"""One law and one table of observations as a least-squares problem that can be solved many times at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.fitting.elimination import Elimination
from predictor.fitting.least_squares import MAX_ITERATIONS, BatchFit, solve_batch
from predictor.laws.law import Law

Array = NDArray[np.float64]

# Central differences: their error is of the order of the square of the step.
_STEP = 1e-5


@dataclass(frozen=True)
class LawProblem:
    """What a fit of one law minimises.

    Attributes:
        law: the law.
        inputs: name -> shape (observations,).
        values: observations on the scale of the fit, shape (observations,).
        sigma: their standard deviations on that scale.
        huber: residual in standard deviations beyond which the loss is linear; None for plain squares.
    """

    law: Law
    inputs: dict[str, Array]
    values: Array
    sigma: Array
    huber: float | None

    @property
    def lower(self) -> Array:
        """Lower bounds of the coordinates, shape (parameters,)."""
        return self.law.inside(np.array([p.lower for p in self.law.parameters], float))

    @property
    def upper(self) -> Array:
        """Upper bounds of the coordinates."""
        return self.law.inside(np.array([p.upper for p in self.law.parameters], float))

    @property
    def prior_range(self) -> tuple[Array, Array]:
        """Ends of the usual range of each coordinate, within the bounds."""
        low, high = self.law.inside(np.array([p.prior for p in self.law.parameters], float).T)
        return np.maximum(low, self.lower), np.minimum(high, self.upper)

    def with_sigma(self, sigma: float) -> LawProblem:
        """Give the same problem with another, equal error of every observation."""
        return replace(self, sigma=np.full(self.values.shape, sigma))

    def predict(self, theta: Array) -> Array:
        """Evaluate the law on the scale of the fit; coordinates of shape (problems, parameters)."""
        with np.errstate(all="ignore"):
            return self.law.on_fit_scale(self.law.predict(self.inputs, self.law.outside(theta)))

    def slopes(self, theta: Array) -> Array:
        """Differentiate along the coordinates, shape (parameters, problems, observations), where the law says how."""
        return fit_scale_slopes(self.law, self.inputs, self.law.outside(theta))

    def residual(self, theta: Array) -> Array:
        """Give what one vector of coordinates leaves, on the scale of the fit, shape (observations,)."""
        return np.asarray(self.predict(theta[None])[0] - self.values)

    def jacobian(self, theta: Array) -> Array:
        """Differentiate the law on the scale of the fit at one vector, shape (observations, parameters)."""
        step = _STEP * np.maximum(1.0, np.abs(theta))
        moves = np.eye(theta.size) * step
        slope = (self.predict(theta + moves) - self.predict(theta - moves)) / (2 * step[:, None])
        return np.asarray(np.where(np.isfinite(slope), slope, 0.0).T)

    def elimination(self, values: Array, weight: Array, lower: Array, upper: Array) -> Elimination:
        """Prepare solving for the linear parameters of problems with these observations, weights and bounds."""
        inputs = {name: value[None, :] for name, value in self.inputs.items()}
        sigma = np.broadcast_to(self.sigma, values.shape)
        return Elimination(self.law, inputs, values, sigma, weight, lower, upper, self.huber)

    def solve(
        self,
        start: Array,
        values: Array | None = None,
        weight: Array | None = None,
        lower: Array | None = None,
        upper: Array | None = None,
        iterations: int = MAX_ITERATIONS,
        tolerance: float = 1e-10,
        eliminate: bool = True,
    ) -> BatchFit:
        """Solve from many starts, for many disturbed observations, or within many boxes.

        Args:
            start: coordinates, shape (problems, parameters).
            values: observations of each problem, shape (problems, observations); the same for all where None.
            weight: weights of the observations, the same shape; ones where None.
            lower: lower bounds, shape (problems, parameters); the law's where None.
            upper: upper bounds.
            iterations: at most so many.
            tolerance: as in `solve_batch`.
            eliminate: solve for the linear parameters at every step.
        """
        shape = (start.shape[0], self.values.size)
        seen = np.broadcast_to(self.values if values is None else values, shape)
        weights = np.ones(shape) if weight is None else np.broadcast_to(weight, shape)
        low = np.broadcast_to(self.lower if lower is None else lower, start.shape)
        high = np.broadcast_to(self.upper if upper is None else upper, start.shape)
        return solve_batch(
            lambda theta, which: self.predict(theta),
            seen,
            np.broadcast_to(self.sigma, shape),
            weights,
            start,
            low,
            high,
            huber=self.huber,
            tolerance=tolerance,
            iterations=iterations,
            slopes=(lambda theta, which: self.slopes(theta)) if self.law.derivative else None,
            eliminate=self.elimination(seen, weights, low, high) if eliminate and self.law.linear_names else None,
        )


def fit_scale_slopes(law: Law, inputs: Mapping[str, Array], parameters: Array) -> Array:
    """Differentiate a law, or its logarithm where that is fitted, along its coordinates; as `Law.slopes`."""
    with np.errstate(all="ignore"):
        slopes = law.slopes(inputs, parameters)
        return slopes / law.predict(inputs, parameters) if law.fit_scale == "log" else slopes

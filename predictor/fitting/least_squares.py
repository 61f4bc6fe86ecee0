"""Robust nonlinear least squares for many small problems at once.

One Levenberg-Marquardt iteration is taken for all unfinished problems together: residuals have the shape (problems,
observations) and the normal equations (problems, parameters, parameters), so that a thousand bootstrap resamples cost
little more than one fit in a Python loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Model = Callable[[Array, NDArray[np.intp]], Array]

MAX_ITERATIONS = 120
# Forward differences in coordinates of order one: the square root of double precision.
_STEP = 1.5e-8
_HUBER = 1.345  # 95 % efficiency under Gaussian noise (Huber 1981)


@dataclass(frozen=True)
class BatchFit:
    """Solutions of a batch of problems.

    Attributes:
        coordinates: shape (problems, parameters).
        cost: half the sum of weighted, robustified squared residuals and prior terms; inf where nothing was found.
        converged: shape (problems,), False where the iterations ran out or no finite residual was seen.
        jacobian_cross: JᵀWJ at the solution with the prior's part, shape (problems, parameters, parameters).
    """

    coordinates: Array
    cost: Array
    converged: NDArray[np.bool_]
    jacobian_cross: Array

    def covariance(self) -> Array:
        """Invert the information matrix: the covariance of the coordinates when residuals are in standard deviations.

        Directions that the data leaves open get a huge variance, not the zero of a pseudo-inverse.
        """
        values, vectors = np.linalg.eigh(self.jacobian_cross)
        floor = np.maximum(values[:, -1:] * 1e-13, 1e-300)
        inverted = 1.0 / np.maximum(values, floor)
        return np.asarray(np.einsum("pij,pj,pkj->pik", vectors, inverted, vectors))


def solve_batch(
    model: Model,
    observed: Array,
    sigma: Array,
    weight: Array,
    start: Array,
    lower: Array,
    upper: Array,
    prior_mean: Array | None = None,
    prior_sd: Array | None = None,
    huber: float | None = _HUBER,
    tolerance: float = 1e-10,
    iterations: int = MAX_ITERATIONS,
) -> BatchFit:
    """Minimise, for each problem p,

        sum_i weight[p, i] · rho((model(θ_p)_i - observed[p, i]) / sigma[p, i]) + ½ sum_j ((θ_pj - mean_pj) / sd_pj)²

    with rho the Huber loss, within the box lower ≤ θ ≤ upper.

    Args:
        model: `model(coordinates, which)` gives the predictions of the problems `which`, shape (len(which),
            observations).
        observed: shape (problems, observations); NaN where missing.
        sigma: standard deviation of each observation, positive.
        weight: weight of each observation, 0 to leave it out.
        start: starting coordinates, shape (problems, parameters).
        lower: lower bounds, broadcast to the shape of `start`.
        upper: upper bounds.
        prior_mean: centre of a Gaussian prior on the coordinates, or None for no prior.
        prior_sd: its standard deviation, inf where there is none.
        huber: residual, in standard deviations, beyond which the loss is linear; None for plain squares.
        tolerance: a problem is solved when a step gains less than this share of its cost, or moves no coordinate by
            more than its square root.
        iterations: at most so many.

    Returns:
        one solution per problem; a problem that cannot be solved says so in `converged` and has infinite cost.
    """
    problems, size = start.shape
    lower, upper = np.broadcast_to(lower, start.shape), np.broadcast_to(upper, start.shape)
    # The prior is a fixed quadratic: its gradient and curvature are added to those of the data.
    precision = np.zeros(start.shape) if prior_sd is None else 1.0 / np.broadcast_to(prior_sd, start.shape) ** 2
    centre = np.zeros(start.shape) if prior_mean is None else np.broadcast_to(prior_mean, start.shape)
    present = np.isfinite(observed) & (weight > 0)
    target = np.where(present, observed, 0.0)
    scale = np.where(present, weight, 0.0)
    inverse = 1.0 / sigma

    def evaluate(theta: Array, which: NDArray[np.intp]) -> tuple[Array, Array]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            residual = np.where(present[which], (model(theta, which) - target[which]) * inverse[which], 0.0)
        size_of = np.abs(residual)
        rho = (
            0.5 * residual**2
            if huber is None
            else np.where(size_of <= huber, 0.5 * residual**2, huber * (size_of - 0.5 * huber))
        )
        cost = np.einsum("pi,pi->p", scale[which], rho)
        cost += 0.5 * np.einsum("pj,pj->p", precision[which], (theta - centre[which]) ** 2)
        return residual, np.where(np.isfinite(cost), cost, np.inf)

    theta = np.clip(start, lower, upper).astype(float)
    everyone = np.arange(problems)
    residual, cost = evaluate(theta, everyone)
    damping = np.full(problems, 1e-2)
    cross = np.zeros((problems, size, size))
    converged = np.zeros(problems, dtype=bool)
    active = everyone[np.isfinite(cost)]
    for _ in range(iterations):
        if active.size == 0:
            break
        now, seen = theta[active], residual[active]
        jacobian = _jacobian(model, now, seen, active, target, inverse, present, upper)
        ratio = np.ones_like(seen) if huber is None else huber / np.maximum(np.abs(seen), huber)
        weighted = scale[active] * ratio
        transposed = jacobian.transpose(0, 2, 1)
        hessian = transposed @ (weighted[..., None] * jacobian)
        diagonal = np.arange(size)
        hessian[:, diagonal, diagonal] += precision[active]
        gradient = (transposed @ (weighted * seen)[..., None])[..., 0] + precision[active] * (now - centre[active])
        # A coordinate at its bound whose gradient points outwards is held: projected Levenberg-Marquardt.
        held = ((now <= lower[active]) & (gradient > 0)) | ((now >= upper[active]) & (gradient < 0))
        cross[active] = hessian
        step = _damped_step(hessian, np.where(held, 0.0, gradient), held, damping[active])
        proposal = np.clip(now - step, lower[active], upper[active])
        new_residual, new_cost = evaluate(proposal, active)
        better = new_cost < cost[active]
        gain = cost[active] - new_cost
        small_step = np.max(np.abs(proposal - now), axis=1) < np.sqrt(tolerance)
        small_gain = better & (gain < tolerance * (1e-12 + cost[active]))
        taken = active[better]
        theta[taken], cost[taken], residual[taken] = proposal[better], new_cost[better], new_residual[better]
        damping[active] = np.where(better, np.maximum(damping[active] / 5, 1e-12), damping[active] * 4)
        done = small_step | small_gain | (damping[active] > 1e10)
        converged[active[done]] = True
        active = active[~done]
    return BatchFit(theta, cost, converged, cross)


def _jacobian(
    model: Model,
    theta: Array,
    residual: Array,
    which: NDArray[np.intp],
    target: Array,
    inverse: Array,
    present: NDArray[np.bool_],
    upper: Array,
) -> Array:
    """Differentiate the scaled residuals by forward differences, backwards at an upper bound."""
    problems, size = theta.shape
    step = _STEP * np.maximum(1.0, np.abs(theta))
    step = np.where(theta + step > upper[which], -step, step)
    # All parameters are moved in one call of the model: for small batches, calls cost more than numbers.
    moved = theta[None, :, :] + np.eye(size)[:, None, :] * step[None, :, :]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        predicted = model(moved.reshape(size * problems, size), np.tile(which, size)).reshape(size, problems, -1)
        change = (predicted - target[which]) * inverse[which] - residual
    slope = np.where(present[which], change, 0.0) / step.T[:, :, None]
    return np.where(np.isfinite(slope), slope, 0.0).transpose(1, 2, 0)


def _damped_step(hessian: Array, gradient: Array, held: NDArray[np.bool_], damping: Array) -> Array:
    size = gradient.shape[1]
    diagonal = np.arange(size)
    damped = hessian.copy()
    curvature = np.maximum(hessian[:, diagonal, diagonal], 1e-12)
    damped[:, diagonal, diagonal] += damping[:, None] * curvature + 1e-12
    mask = held[:, :, None] | held[:, None, :]
    damped = np.where(mask, 0.0, damped)
    damped[:, diagonal, diagonal] += np.where(held, 1.0, 0.0)
    return np.asarray(np.linalg.solve(damped, gradient[..., None])[..., 0])

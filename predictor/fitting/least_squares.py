"""Robust nonlinear least squares for many small problems at once.

One Levenberg-Marquardt iteration is taken for all unfinished problems together: residuals have the shape (problems,
observations) and the normal equations (problems, parameters, parameters), so that a thousand bootstrap resamples cost
little more than one fit in a Python loop. Large batches are cut into pieces that are shared among the processor's
cores; the numbers do not depend on how.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Model = Callable[[Array, NDArray[np.intp]], Array]
# Slopes of the predictions along every coordinate, shape (parameters, problems, observations).
Slopes = Callable[[Array, NDArray[np.intp]], Array]
# Moves some coordinates of each problem to where they are best given the others.
Eliminate = Callable[[Array, NDArray[np.intp]], Array]
Status = Literal["converged", "at bounds", "stalled", "failed"]

MAX_ITERATIONS = 120
# Forward differences in coordinates of order one: the square root of double precision.
_STEP = 1.5e-8
HUBER = 1.345  # 95 % efficiency under Gaussian noise (Huber 1981)
# Numbers in the Jacobian of a piece: enough that the tail of a piece, its few slow problems, costs little.
_PIECE = 1 << 20
# A step so damped that it can gain no more than this share of the cost: the solution is as good as rounding allows.
_ROUNDING = 1e-8


@dataclass(frozen=True)
class BatchFit:
    """Solutions of a batch of problems.

    Attributes:
        coordinates: shape (problems, parameters).
        cost: half the sum of weighted, robustified squared residuals and prior terms; inf where nothing was found.
        converged: shape (problems,), False where the iterations ran out or no finite residual was seen.
        jacobian_cross: JᵀWJ at the solution with the prior's part, shape (problems, parameters, parameters).
        at_bound: which coordinates are held at a bound, shape (problems, parameters).
    """

    coordinates: Array
    cost: Array
    converged: NDArray[np.bool_]
    jacobian_cross: Array
    at_bound: NDArray[np.bool_]

    def status(self, problem: int) -> Status:
        """Say how one problem ended: `failed` without a finite cost, `stalled` where it did not come to rest."""
        if not np.isfinite(self.cost[problem]):
            return "failed"
        if not self.converged[problem]:
            return "stalled"
        return "at bounds" if self.at_bound[problem].any() else "converged"

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
    huber: float | None = HUBER,
    tolerance: float = 1e-10,
    iterations: int = MAX_ITERATIONS,
    eliminate: Eliminate | None = None,
    slopes: Slopes | None = None,
) -> BatchFit:
    """Minimise, for each problem p,

        sum_i weight[p, i] · rho((model(θ_p)_i - observed[p, i]) / sigma[p, i]) + ½ sum_j ((θ_pj - mean_pj) / sd_pj)²

    with rho the Huber loss, within the box lower ≤ θ ≤ upper.

    Args:
        model: `model(coordinates, which)` gives the predictions of the problems `which`, shape (len(which),
            observations). It may be called from several threads.
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
        eliminate: `eliminate(coordinates, which)` moves some coordinates to their best values given the others; it is
            applied to every proposal. Eliminating the linear parameters so makes each step that of variable projection
            in Kaufman's form (Kaufman 1975, BIT 15:49; Ruhe and Wedin 1980, SIAM Review 22:318).
        slopes: `slopes(coordinates, which)` differentiates the model, shape (parameters, len(which), observations);
            forward differences where None.

    Returns:
        one solution per problem; a problem that cannot be solved says so in `converged` and has infinite cost.
    """
    problems, size = start.shape
    lower, upper = np.broadcast_to(lower, start.shape), np.broadcast_to(upper, start.shape)
    # The prior is a fixed quadratic: its gradient and curvature are added to those of the data.
    precision = np.zeros(start.shape) if prior_sd is None else 1.0 / np.broadcast_to(prior_sd, start.shape) ** 2
    centre = np.zeros(start.shape) if prior_mean is None else np.broadcast_to(prior_mean, start.shape)

    def piece(rows: NDArray[np.intp]) -> BatchFit:
        def shifted(theta: Array, which: NDArray[np.intp]) -> Array:
            return model(theta, rows[which])

        def moved(theta: Array, which: NDArray[np.intp]) -> Array:
            return theta if eliminate is None else eliminate(theta, rows[which])

        def sloped(theta: Array, which: NDArray[np.intp]) -> Array:
            return np.empty(0) if slopes is None else slopes(theta, rows[which])

        return _solve(
            shifted,
            moved,
            None if slopes is None else sloped,
            *(part[rows] for part in (observed, sigma, weight, start, lower, upper, centre, precision)),
            huber=huber,
            tolerance=tolerance,
            iterations=iterations,
        )

    many = max(_PIECE // max(observed.shape[1] * size, 1), 16)
    pieces = [np.arange(first, min(first + many, problems)) for first in range(0, problems, many)]
    if len(pieces) < 2:
        return piece(np.arange(problems))
    # Threads and not processes: numpy lets go of the interpreter while it computes.
    with ThreadPoolExecutor(min(len(pieces), len(os.sched_getaffinity(0)))) as threads:
        solved = list(threads.map(piece, pieces))
    return BatchFit(
        *(
            np.concatenate([getattr(one, name) for one in solved])
            for name in ("coordinates", "cost", "converged", "jacobian_cross", "at_bound")
        )
    )


def _solve(
    model: Model,
    eliminate: Eliminate,
    slopes: Slopes | None,
    observed: Array,
    sigma: Array,
    weight: Array,
    start: Array,
    lower: Array,
    upper: Array,
    centre: Array,
    precision: Array,
    *,
    huber: float | None,
    tolerance: float,
    iterations: int,
) -> BatchFit:
    problems, size = start.shape
    present = np.isfinite(observed) & (weight > 0)
    target = np.where(present, observed, 0.0)
    scale = np.where(present, weight, 0.0)
    inverse = 1.0 / sigma

    def evaluate(theta: Array, which: NDArray[np.intp]) -> tuple[Array, Array]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            residual = np.where(present[which], (model(theta, which) - target[which]) * inverse[which], 0.0)
            cost = np.einsum("pi,pi->p", scale[which], huber_loss(residual, huber))
        cost += 0.5 * np.einsum("pj,pj->p", precision[which], (theta - centre[which]) ** 2)
        return residual, np.where(np.isfinite(cost), cost, np.inf)

    everyone = np.arange(problems)
    theta = np.clip(eliminate(np.clip(start, lower, upper).astype(float), everyone), lower, upper)
    residual, cost = evaluate(theta, everyone)
    damping = np.full(problems, 1e-2)
    cross = np.zeros((problems, size, size))
    converged = np.zeros(problems, dtype=bool)
    at_bound = np.zeros((problems, size), dtype=bool)
    active = everyone[np.isfinite(cost)]
    diagonal = np.arange(size)
    for _ in range(iterations):
        if active.size == 0:
            break
        now, seen = theta[active], residual[active]
        jacobian = (
            _jacobian(model, now, seen, active, target, inverse, present, upper)
            if slopes is None
            else _scaled_slopes(slopes(now, active), inverse[active], present[active])
        )
        ratio = np.ones_like(seen) if huber is None else huber / np.maximum(np.abs(seen), huber)
        weighted = scale[active] * ratio
        transposed = jacobian.transpose(0, 2, 1)
        hessian = transposed @ (weighted[..., None] * jacobian)
        hessian[:, diagonal, diagonal] += precision[active]
        gradient = (transposed @ (weighted * seen)[..., None])[..., 0] + precision[active] * (now - centre[active])
        # A coordinate at its bound whose gradient points outwards is held: projected Levenberg-Marquardt.
        held = ((now <= lower[active]) & (gradient > 0)) | ((now >= upper[active]) & (gradient < 0))
        cross[active], at_bound[active] = hessian, held
        step = _damped_step(hessian, np.where(held, 0.0, gradient), held, damping[active])
        proposal = np.clip(now - step, lower[active], upper[active])
        proposal = np.clip(eliminate(proposal, active), lower[active], upper[active])
        new_residual, new_cost = evaluate(proposal, active)
        better = new_cost < cost[active]
        gain = cost[active] - new_cost
        small_step = np.max(np.abs(proposal - now), axis=1) < np.sqrt(tolerance)
        small_gain = better & (gain < tolerance * (1e-12 + cost[active]))
        taken = active[better]
        theta[taken], cost[taken], residual[taken] = proposal[better], new_cost[better], new_residual[better]
        damping[active] = np.where(better, np.maximum(damping[active] / 5, 1e-12), damping[active] * 4)
        stuck = damping[active] > 1e10
        # No step gains any more. Where steps would gain only what rounding hides, that is the solution.
        free = np.where(held, 0.0, gradient)
        promised = 0.5 * np.sum(free * (free / np.maximum(hessian[:, diagonal, diagonal], 1e-300)), axis=1)
        at_rest = small_step & ~stuck | small_gain | stuck & (promised < _ROUNDING * (1e-12 + cost[active]))
        converged[active[at_rest]] = True
        active = active[~(at_rest | stuck)]
    return BatchFit(theta, cost, converged, cross, at_bound)


def huber_loss(residual: Array, corner: float | None) -> Array:
    """Give half the square of residuals up to the corner and a straight line beyond; None for no corner."""
    if corner is None:
        return 0.5 * residual**2
    size = np.abs(residual)
    return np.where(size <= corner, 0.5 * np.minimum(size, corner) ** 2, corner * (size - 0.5 * corner))


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


def _scaled_slopes(slopes: Array, inverse: Array, present: NDArray[np.bool_]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = slopes * inverse
    return np.where(present & np.isfinite(scaled), scaled, 0.0).transpose(1, 2, 0)


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

"""The peer of `reference.py`: scipy's L-BFGS-B from many random starts on the same objective as ours."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from predictor.fitting import LawFit
from predictor.fitting.least_squares import huber_loss


def best_of_random_starts(fit: LawFit, starts: int, seed: int = 0) -> float:
    """Give the lowest objective that L-BFGS-B reaches from starts drawn evenly from the parameters' usual ranges.

    It minimises what `fit.problem` states, Huber loss, errors and bounds included, with the law's own derivative where
    there is one, else central differences; by scipy's usual tolerance, and the ten best then by a tight one.
    """
    problem = fit.problem
    low, high = problem.prior_range
    corner = problem.huber or np.inf
    moves = np.vstack([np.zeros(low.size), np.eye(low.size), -np.eye(low.size)])

    def loss(residual: np.ndarray) -> np.ndarray:
        return huber_loss(residual, problem.huber).sum(axis=1)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        step = 1e-6 * np.maximum(1.0, np.abs(theta))
        places = theta[None] if problem.law.derivative else theta + moves * step
        residual = (problem.predict(places) - problem.values) / problem.sigma
        if not np.isfinite(residual).all():
            return 1e30, np.zeros(theta.size)
        total = loss(residual)
        if problem.law.derivative:
            slopes = problem.slopes(theta[None])[:, 0] / problem.sigma
            return float(total[0]), slopes @ np.clip(residual[0], -corner, corner)
        return float(total[0]), (total[1 : low.size + 1] - total[low.size + 1 :]) / (2 * step)

    drawn = low + np.random.default_rng(seed).random((starts, low.size)) * (high - low)
    bounds = list(zip(problem.lower, problem.upper, strict=True))
    found = [minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds) for start in drawn]
    found.sort(key=lambda one: one.fun)
    # The best go on to where rounding ends them, which scipy's usual tolerance does not.
    tight = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10}
    return min(
        minimize(objective, one.x, jac=True, method="L-BFGS-B", bounds=bounds, options=tight).fun for one in found[:10]
    )

"""Fit one law to one table, from a few chosen starts, and say how well the data determines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.fitting.least_squares import BatchFit, Model, solve_batch
from predictor.laws.law import Law

Array = NDArray[np.float64]

# Coordinates further from determined than this many prior widths are named in a warning.
UNDETERMINED = 3.0


@dataclass(frozen=True)
class LawFit:
    """One fitted law.

    Attributes:
        law: the law.
        parameters: name -> value.
        intervals: name -> 95 % interval, from the covariance at the solution.
        residual_sd: robust standard deviation of the residuals, in the output's unit, or relative for laws fitted in
            logs.
        observations: how many rows were fitted.
        converged: whether the best start came to rest.
        agreement: share of starts that reached the best objective within 0.1 %.
        undetermined: parameters that the data leaves open.
    """

    law: Law
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    residual_sd: float
    observations: int
    converged: bool
    agreement: float
    undetermined: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the fit as plain values."""
        return {
            "law": self.law.name,
            "parameters": self.parameters,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "residual_sd": self.residual_sd,
            "observations": self.observations,
            "converged": self.converged,
            "agreement": self.agreement,
            "undetermined": list(self.undetermined),
        }

    def predict(self, inputs: Mapping[str, Array]) -> Array:
        """Evaluate the fitted law, shape (observations,)."""
        values = np.array([[self.parameters[name] for name in self.law.parameter_names]])
        return np.asarray(self.law.predict(inputs, values)[0])


def fit_law(
    law: Law, inputs: Mapping[str, Array], observed: Array, sigma: Array | None = None, starts: int = 24
) -> LawFit:
    """Fit a law by Huber-robust least squares with no prior, from starts spread over the parameters' prior ranges.

    Args:
        law: the law.
        inputs: name -> array of shape (observations,).
        observed: shape (observations,); positive for laws that are fitted in logarithms.
        sigma: standard deviations of the observations, in the scale of the fit; equal ones where None.
        starts: number of starting points, a Sobol sequence over the prior box.
    """
    logs = law.fit_scale == "log"
    values = np.log(observed) if logs else observed
    spread = np.full(values.shape, 1e-3 if logs else 1e-2) if sigma is None else sigma
    lower = law.inside(np.array([p.lower for p in law.parameters]))
    upper = law.inside(np.array([p.upper for p in law.parameters]))
    low = law.inside(np.array([max(p.prior[0], p.lower) for p in law.parameters]))
    high = law.inside(np.array([min(p.prior[1], p.upper) for p in law.parameters]))
    # Imported here: forecasts use the batch solver alone, and a query should start without scipy.stats.
    from scipy.stats import qmc

    points = qmc.Sobol(len(law.parameters), seed=0).random(2 ** int(np.ceil(np.log2(starts))))
    start = low + points * (high - low)

    def model(theta: Array, which: NDArray[np.intp]) -> Array:
        predicted = law.predict(inputs, law.outside(theta))
        return np.log(predicted) if logs else predicted

    count = start.shape[0]
    tiled, spreads = np.tile(values, (count, 1)), np.tile(spread, (count, 1))
    fit = solve_batch(model, tiled, spreads, np.ones_like(tiled), start, lower, upper)
    if sigma is None:
        # Residuals set the noise level, so that the Huber corner and the intervals are in its units.
        best = int(np.argmin(fit.cost))
        residual = model(fit.coordinates[best : best + 1], np.array([best]))[0] - values
        freedom = max(values.size - len(law.parameters), 1)
        noise = max(float(np.sqrt(np.median(residual**2) / 0.4549 * values.size / freedom)), 1e-9)
        fit = solve_batch(model, tiled, np.full_like(tiled, noise), np.ones_like(tiled), fit.coordinates, lower, upper)
    return _summarise(law, fit, model, values, lower, upper)


def _summarise(law: Law, fit: BatchFit, model: Model, values: Array, lower: Array, upper: Array) -> LawFit:
    best = int(np.argmin(fit.cost))
    theta = fit.coordinates[best]
    residual = model(theta[None, :], np.array([best]))[0] - values
    from scipy.stats import t

    freedom = max(values.size - theta.size, 1)
    # Where the residuals exceed what was stated of them, so do the intervals.
    inflation = max(1.0, 2.0 * float(fit.cost[best]) / freedom)
    deviation = np.sqrt(inflation * np.maximum(np.diag(fit.covariance()[best]), 0.0))
    width = float(t.ppf(0.975, freedom)) * deviation
    ends = law.outside(np.stack([np.maximum(theta - width, lower), np.minimum(theta + width, upper)]))
    prior = law.inside(np.array([p.prior for p in law.parameters]).T)
    open_ended = deviation > UNDETERMINED * np.abs(prior[1] - prior[0]) / 2
    at_bound = (theta <= lower + 1e-9) | (theta >= upper - 1e-9)
    found = law.outside(theta)
    names = law.parameter_names
    return LawFit(
        law=law,
        parameters={name: float(found[i]) for i, name in enumerate(names)},
        intervals={name: (float(ends[0, i]), float(ends[1, i])) for i, name in enumerate(names)},
        residual_sd=float(np.median(np.abs(residual)) * 1.4826),
        observations=int(values.size),
        converged=bool(fit.converged[best] and np.isfinite(fit.cost[best])),
        agreement=float(np.mean(fit.cost <= fit.cost[best] * 1.001 + 1e-12)),
        undetermined=tuple(name for i, name in enumerate(names) if open_ended[i] or at_bound[i]),
    )

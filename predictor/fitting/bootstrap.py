"""A fitted law's resamples, solved in one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InputError
from predictor.fitting.law_fit import LawFit
from predictor.fitting.resampling import By, make_draws
from predictor.laws.law import Law

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LawDraws:
    """A law refitted to resampled data.

    Attributes:
        law: the law.
        coordinates: shape (resamples, parameters); those that found nothing are left out.
        failed: how many found nothing.
        stalled: how many did not come to rest.
        by: what was resampled.
        runs: how many runs there were to resample.
    """

    law: Law
    coordinates: Array
    failed: int
    stalled: int
    by: By
    runs: int

    def parameters(self) -> list[dict[str, float]]:
        """Give every resample's parameters."""
        names = self.law.parameter_names
        return [dict(zip(names, row, strict=True)) for row in self.law.outside(self.coordinates).tolist()]

    def intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Give the central intervals of the parameters."""
        ends = self.law.outside(np.quantile(self.coordinates, [0.5 - level / 2, 0.5 + level / 2], axis=0))
        return {name: (float(ends[0, i]), float(ends[1, i])) for i, name in enumerate(self.law.parameter_names)}

    def predict(self, inputs: Mapping[str, Array]) -> Array:
        """Evaluate every resample, shape (resamples, observations)."""
        return self.law.predict(inputs, self.law.outside(self.coordinates))


def resample_fit(
    fit: LawFit, resamples: int = 400, seed: int = 0, by: By = "wild", values: Array | None = None
) -> LawDraws:
    """Refit a law to resampled data, all resamples in one batch from the fit's own solution.

    Args:
        fit: a fit that did not fail and has more observations than parameters.
        resamples: how many.
        seed: of the resampling.
        by: as in `make_draws`: runs by the Bayesian bootstrap, pairs, wild, or noise alone, of the size of the stated
            or estimated errors.
        values: the law's output in each resample, shape (resamples, observations), where the caller resampled it, as by
            `resample_items`; residuals and errors are then left as they are.

    Raises:
        InputError: the fit failed, or leaves nothing to resample.
    """
    problem = fit.problem
    if fit.status == "failed" or fit.freedom == 0:
        raise InputError(
            f"{fit.observations} observations leave no residuals of {fit.law.name} to resample",
            f"fit more than {len(fit.law.parameters)} observations",
        )
    seen = np.tile(problem.values, (resamples, 1))
    draws = make_draws(fit.run, [fit.law.name], resamples, seed, "resample_fit", by)
    if values is not None:
        resampled = np.asarray(values, float)
        if resampled.shape != seen.shape:
            raise InputError(f"values of shape {resampled.shape} do not fit {seen.shape}", "give a row per resample")
        seen = fit.law.on_fit_scale(resampled)
    elif draws.sign is not None:
        fitted = problem.predict(fit.coordinates[None])
        # Residuals are smaller than errors by what the parameters took up.
        wider = np.sqrt(fit.observations / fit.freedom)
        seen = fitted + draws.sign[1:] * wider * (seen - fitted)
    elif by == "noise":
        seen = problem.predict(fit.coordinates[None]) + draws.noise[0, 1:] * problem.sigma
    solved = problem.solve(
        np.tile(fit.coordinates, (resamples, 1)), values=seen, weight=draws.weight[1:], tolerance=1e-8
    )
    good = np.isfinite(solved.cost)
    return LawDraws(
        fit.law,
        solved.coordinates[good],
        int((~good).sum()),
        int((good & ~solved.converged).sum()),
        by,
        int(np.unique(fit.run).size),
    )

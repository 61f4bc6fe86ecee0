"""One step: score from compute (Krajewski et al. 2025, arXiv 2512.08894)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from predictor.fitting import LawBatch, Prior, fit_law_batch, make_draws
from predictor.forecast.methods.method import Array, Resampling, effective_floor, too_few_runs
from predictor.forecast.panel import Panel
from predictor.laws import get_law

LAW = get_law("direct_log_accuracy")
# Priors on ln A at the middle of the observed compute, and on ln alpha.
_PRIOR_MEAN = np.array([0.0, np.log(0.15)])
_PRIOR_SD = np.array([1.5, 0.6])
_STARTS = np.array([[np.log(a), np.log(alpha)] for a, alpha in itertools.product((0.3, 2.0), (0.06, 0.3))])


@dataclass(frozen=True)
class FittedDirect:
    """The law of every series, in compute relative to `reference`."""

    law: LawBatch
    reference: float
    floor: Array

    def predict(self, params: float, tokens: float) -> Array:
        """Evaluate the laws at a target's compute, shape (T, 1 + R)."""
        inputs = {"flops": np.array(6.0 * params * tokens / self.reference), "chance": self.floor[:, None]}
        return self.law.predict(inputs)


@dataclass(frozen=True)
class Direct:
    """Fits the direct law in compute to each series."""

    name: str = "direct"
    title: str = "score from compute in one step"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series with fewer than two runs: a curve needs two points."""
        return too_few_runs(panel, 2)

    def fit(self, panel: Panel, resampling: Resampling) -> FittedDirect:
        """Fit all series and resamples together."""
        count = len(panel.series)
        reference = float(np.exp(np.mean(np.log(panel.flops))))
        floor = effective_floor(panel)
        compute = np.broadcast_to(panel.flops / reference, panel.score.shape)
        bounds = LAW.inside(np.array([[p.lower for p in LAW.parameters], [p.upper for p in LAW.parameters]]))
        prior = Prior(*(np.tile(row, (count, 1)) for row in (_PRIOR_MEAN, _PRIOR_SD, bounds[0], bounds[1])))
        labels = [one.label for one in panel.series]
        law = fit_law_batch(
            LAW,
            {"flops": compute, "chance": np.broadcast_to(floor[:, None], panel.score.shape)},
            panel.score,
            np.sqrt(panel.stderr**2 + 0.002**2),
            np.tile(_STARTS, (count, 1, 1)),
            prior,
            make_draws(panel.run, labels, resampling.resamples, resampling.seed, self.name),
        )
        return FittedDirect(law, reference, floor)

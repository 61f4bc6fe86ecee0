"""The score of the run of the largest compute: what a forecast has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.fitting import make_draws
from predictor.forecasting.methods.method import Array, Resampling
from predictor.forecasting.panel import Panel


@dataclass(frozen=True)
class FittedLastValue:
    """Scores of the largest runs, disturbed by their standard errors."""

    values: Array

    def predict(self, params: float, tokens: float) -> Array:
        """Give the same scores for every target, shape (T, 1 + R)."""
        return self.values


@dataclass(frozen=True)
class LastValue:
    """Forecasts that nothing changes."""

    name: str = "last_value"
    title: str = "score of the largest run"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse nothing; series that were never scored are left out for every method."""
        return {}

    def fit(self, panel: Panel, resampling: Resampling) -> FittedLastValue:
        """Find each series' run of the largest compute."""
        compute = np.where(np.isfinite(panel.score), panel.flops, -np.inf)
        last = compute.argmax(axis=1)
        rows = np.arange(len(panel.series))
        labels = [one.label for one in panel.series]
        noise = make_draws(panel.run, labels, resampling.resamples, resampling.seed, self.name).noise
        disturbed = panel.score[rows, last][:, None] + noise[rows, :, last] * panel.stderr[rows, last][:, None]
        return FittedLastValue(np.clip(disturbed, 0.0, 1.0))

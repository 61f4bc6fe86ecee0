"""Scores of all benchmarks over one ability: a law of size and data, or a held-out loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictor.forecasting.methods.curves import LINKS, Curves, fit_curves
from predictor.forecasting.methods.method import Array, Resampling, distinct_runs, too_few_runs
from predictor.forecasting.methods.scales import HeldoutScale, LawScales, Scales
from predictor.forecasting.methods.two_step import most_complete
from predictor.forecasting.panel import Panel


@dataclass(frozen=True)
class FittedAbility:
    """Curves of both links over the same scales; the forecast is their mean."""

    scales: Scales
    curves: tuple[Curves, ...]

    def predict(self, params: float, tokens: float) -> Array:
        """Predict the scores, shape (T, 1 + R)."""
        ability = self.scales.at(params, tokens)
        predictions = np.array([one.predict(ability) for one in self.curves])
        answer = predictions[0]
        answer[:, 0] = predictions[:, :, 0].mean(axis=0)
        # Resamples take turns: their spread then holds the disagreement of the links.
        for number in range(1, len(self.curves)):
            answer[:, 1 + number :: len(self.curves)] = predictions[number][:, 1 + number :: len(self.curves)]
        return np.clip(answer, 0.0, 1.0)


def _fit(panel: Panel, scales: Scales, resampling: Resampling, purpose: str) -> FittedAbility:
    return FittedAbility(scales, tuple(fit_curves(link, panel, scales.observed, resampling, purpose) for link in LINKS))


@dataclass(frozen=True)
class Ability:
    """Over a shared law of size and data."""

    name: str = "ability"
    title: str = "all benchmarks over one ability, a law of size and data"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series with fewer than three runs."""
        return too_few_runs(panel, 3)

    def fit(self, panel: Panel, resampling: Resampling) -> FittedAbility:
        """Fit the shared scale and every series' curves."""
        return _fit(panel, LawScales.of(panel), resampling, self.name)


@dataclass(frozen=True)
class AbilityHeldoutLoss:
    """Over a held-out loss, as its law gives it."""

    name: str = "ability_heldout"
    title: str = "all benchmarks over the ability that a held-out loss gives"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series with fewer than three runs, and all where no held-out loss is known on three runs."""
        rows = most_complete(panel)
        if not rows.size or distinct_runs(panel, panel.heldout_loss[rows[:1]])[0] < 3:
            return dict.fromkeys(range(len(panel.series)), "no held-out loss was scored on 3 runs")
        return Ability().refuse(panel)

    def fit(self, panel: Panel, resampling: Resampling) -> FittedAbility:
        """Fit the loss's law and every series' curves."""
        return _fit(panel, HeldoutScale.of(panel, resampling), resampling, self.name)

"""Forecast benchmarks that fall with compute as others rise: turned over, by methods whose curves only rise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.methods.method import Array, Fitted, Method, Resampling
from predictor.forecasting.panel import Panel, full_noise, scores_by_run
from predictor.forecasting.trend import find_trend

# Two runs show no trend that could be doubted.
_FEWEST_RUNS = 4


@dataclass(frozen=True)
class FittedTurned:
    """A fit to a panel some of whose series were turned over.

    Attributes:
        inner: the fit.
        falling: which series were, shape (T,).
    """

    inner: Fitted
    falling: NDArray[np.bool_]

    def predict(self, params: float, tokens: float) -> Array:
        """Predict a model's scores, shape (T, 1 + R)."""
        answer = self.inner.predict(params, tokens)
        return np.where(self.falling[:, None], 1.0 - answer, answer)


@dataclass(frozen=True)
class TurnsFalls:
    """A method of rising curves that also forecasts what falls.

    Attributes:
        inner: the method.
    """

    inner: Method

    @property
    def name(self) -> str:
        """The method's name."""
        return self.inner.name

    @property
    def title(self) -> str:
        """The method's title."""
        return self.inner.title

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse what the method refuses."""
        return self.inner.refuse(panel)

    def fit(self, panel: Panel, resampling: Resampling) -> FittedTurned:
        """Fit the method to the panel with its falling series turned over."""
        falling = falling_series(panel)
        return FittedTurned(self.inner.fit(turned(panel, falling), resampling), falling)


def falling_series(panel: Panel) -> NDArray[np.bool_]:
    """Mark the series that fall with compute for more than noise, on four runs or more, shape (T,).

    A fall that has reached chance ends there, and is not marked.
    """
    falls = np.zeros(len(panel.series), dtype=bool)
    # Only what slopes downwards over all observations is looked at closely: most benchmarks rise.
    compute = np.where(np.isfinite(panel.score), np.log(panel.flops), np.nan)
    with np.errstate(invalid="ignore"):
        centred = compute - np.nanmean(compute, axis=1, keepdims=True)
    for row in np.flatnonzero(np.nansum(centred * panel.score, axis=1) < 0):
        score, _, flops = scores_by_run(panel, int(row))
        if score.size >= _FEWEST_RUNS:
            noise = full_noise(panel, int(row))
            trend = find_trend(score, noise, flops)
            falls[row] = trend.moves and not trend.rising and not _at_chance(panel, int(row), score, flops, noise)
    return falls


def _at_chance(panel: Panel, row: int, score: Array, flops: Array, noise: float) -> bool:
    """Return whether the runs of most compute, a third of them, score within three standard errors of chance."""
    chance = panel.series[row].chance
    if chance is None:
        return False
    largest = np.argsort(flops)[-max(2, score.size // 3) :]
    # The error of one run and not of their mean: all answer the same items.
    return bool(abs(float(score[largest].mean()) - chance) < 3 * noise)


def turned(panel: Panel, falling: NDArray[np.bool_]) -> Panel:
    """Turn series over: one minus the score, without a chance level, below which a fall may lead."""
    if not falling.any():
        return panel
    series = tuple(
        replace(benchmark, chance=None) if falls else benchmark
        for benchmark, falls in zip(panel.series, falling, strict=True)
    )
    score = np.where(falling[:, None], 1.0 - panel.score, panel.score)
    return replace(panel, series=series, score=score, stretches=None)

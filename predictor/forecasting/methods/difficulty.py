"""Through the items: what they say of ability, or of the clusters that extrapolate (see `predictor.difficulty.route`).

Unlike the other methods it needs more than the panel holds, so it is made for one table of results:
`Difficulty.of(results, panel)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty import ClusterAnalysis, ItemForecast, ItemTable, fit_tasks_from_items, item_table, judge
from predictor.difficulty.route import needed
from predictor.errors import PredictorError
from predictor.forecasting.methods.method import Array, Resampling
from predictor.forecasting.panel import Panel
from predictor.results import Results
from predictor.results.series import Series


@dataclass(frozen=True)
class FittedDifficulty:
    """The fits of T series."""

    fits: tuple[ItemForecast, ...]

    def predict(self, params: float, tokens: float) -> Array:
        """Forecast a model, shape (T, 1 + R)."""
        return np.stack([one.predict(params, tokens) for one in self.fits])


@dataclass(frozen=True)
class Difficulty:
    """Forecasts through the items of each series.

    Attributes:
        tables: series -> its items, for the family that is forecast.
        missing: series -> why its items cannot be read.
    """

    tables: Mapping[Series, ItemTable]
    missing: Mapping[Series, str]
    name: str = "difficulty"
    title: str = "score through what its items say of ability"
    _judged: dict[tuple[Series, bytes], tuple[str | None, ClusterAnalysis | None]] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    def of(cls, results: Results, panel: Panel) -> Difficulty:
        """Read the items of all series of a panel that have some."""
        tables, missing = {}, {}
        stated = {series.task for series in panel.series if series.num_fewshot is not None}
        for series in panel.series:
            if series.num_fewshot is None and series.task in stated:
                missing[series.key] = "its scores do not state the number of examples, those of other rows do"
                continue
            try:
                table = item_table(results, series.task, family=panel.family, num_fewshot=series.num_fewshot)
                tables[series.key] = needed(table)
            except PredictorError as error:
                missing[series.key] = error.message
        return cls(tables, missing)

    def bound_to(self, results: Results, panel: Panel) -> Difficulty:
        """Read the items of all series of a panel that have some."""
        return self.of(results, panel)

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series whose items were not kept, or carry no forecast."""
        reasons = {}
        for number, series in enumerate(panel.series):
            if series.key not in self.tables:
                reasons[number] = self.missing.get(series.key, "its items were not kept")
                continue
            reason = self._judge(series.key, panel)[1]
            if reason is not None:
                reasons[number] = reason
        return reasons

    def fit(self, panel: Panel, resampling: Resampling) -> FittedDifficulty:
        """Fit each series on the runs of the panel, up to the tokens that it holds of each."""
        judged = [self._judge(series.key, panel) for series in panel.series]
        fits = fit_tasks_from_items(
            [table for table, _, _ in judged],
            resampling.resamples,
            resampling.seed,
            [analysis for _, _, analysis in judged],
        )
        return FittedDifficulty(tuple(fits))

    def _judge(self, series: Series, panel: Panel) -> tuple[ItemTable, str | None, ClusterAnalysis | None]:
        keep = _of_panel(self.tables[series], panel)
        table = self.tables[series].checkpoints(keep)
        key = (series, keep.tobytes())
        # Clusters are found when a series is judged; the fit that follows takes them from here.
        if key not in self._judged:
            self._judged[key] = judge(table)
        return table, *self._judged[key]


def _of_panel(table: ItemTable, panel: Panel) -> NDArray[np.bool_]:
    """Choose the checkpoints that the panel stands for: of its runs, none later than the last one it holds."""
    last = {
        panel.runs[number]: float(panel.tokens[panel.run == number].max()) for number in np.unique(panel.run).tolist()
    }
    return np.asarray(table.tokens <= np.array([last.get(name, -1.0) for name in table.run]) * (1 + 1e-9))

"""Through the items: what they say of ability, or of the clusters that extrapolate (see `predictor.difficulty.route`).

Unlike the other methods it needs more than the panel holds, so it is made for one table of results:
`Difficulty.of(results)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty import ClusterAnalysis, ItemForecast, ItemTable, fit_tasks_from_items, item_table, judge
from predictor.difficulty.route import needed
from predictor.errors import PredictorError
from predictor.forecast.methods.method import Array, Resampling
from predictor.forecast.panel import Panel
from predictor.results import Results


@dataclass(frozen=True)
class FittedDifficulty:
    """The fits of T series."""

    fits: tuple[ItemForecast, ...]

    def predict(self, params: float, tokens: float) -> Array:
        """Forecast a model, shape (T, 1 + R)."""
        return np.stack([one.predict(params, tokens) for one in self.fits])


@dataclass(frozen=True)
class Difficulty:
    """Forecasts through the items of each task.

    Attributes:
        tables: task -> its items, for the family that is forecast.
        missing: task -> why its items cannot be read.
    """

    tables: Mapping[str, ItemTable]
    missing: Mapping[str, str]
    name: str = "difficulty"
    title: str = "score through what its items say of ability"
    _judged: dict[tuple[str, bytes], tuple[str | None, ClusterAnalysis | None]] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    def of(cls, results: Results, family: str | None = None) -> Difficulty:
        """Read the items of all tasks that have some."""
        tables, missing = {}, {}
        for task in results.tasks:
            try:
                tables[task] = needed(item_table(results, task, family=family))
            except PredictorError as error:
                missing[task] = error.message
        return cls(tables, missing)

    def bound_to(self, results: Results, panel: Panel) -> Difficulty:
        """Read the items of all tasks that have some."""
        return self.of(results, panel.family)

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series whose items were not kept, or say nothing."""
        reasons = {}
        for number, one in enumerate(panel.series):
            if one.task not in self.tables:
                reasons[number] = self.missing.get(one.task, "its items were not kept")
                continue
            reason = self._judge(one.task, panel)[1]
            if reason is not None:
                reasons[number] = reason
        return reasons

    def fit(self, panel: Panel, resampling: Resampling) -> FittedDifficulty:
        """Fit each series on the runs of the panel, up to the tokens that it holds of each."""
        judged = [self._judge(one.task, panel) for one in panel.series]
        fits = fit_tasks_from_items(
            [table for table, _, _ in judged],
            resampling.resamples,
            resampling.seed,
            [analysis for _, _, analysis in judged],
        )
        return FittedDifficulty(tuple(fits))

    def _judge(self, task: str, panel: Panel) -> tuple[ItemTable, str | None, ClusterAnalysis | None]:
        keep = _of_panel(self.tables[task], panel)
        table = self.tables[task].checkpoints(keep)
        key = (task, keep.tobytes())
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

"""Which way a task is forecast from its items: through ability where checkpoints are dense, else through clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty.clusters import ClusterAnalysis, analyse
from predictor.difficulty.features import NEIGHBOURS
from predictor.difficulty.forecast import FEWEST_RUNS, fit_difficulties, refuse, thin
from predictor.difficulty.items import ItemTable
from predictor.difficulty.nuisance import FEWEST_DIFFERENCES
from predictor.difficulty.through_subset import fit_through_subset

Array = NDArray[np.float64]


class ItemForecast(Protocol):
    """A task's forecast from its items, with R resamples."""

    def predict(self, params: float, tokens: float) -> Array:
        """Forecast a model's score, shape (1 + R,)."""
        ...


def judge(table: ItemTable) -> tuple[str | None, ClusterAnalysis | None]:
    """Say why a task cannot be forecast from its items, or None, and give its clusters where they were asked.

    Ability discounts what neighbouring checkpoints share, so it needs such neighbours and a loss of every item; a
    ladder that gives one annealed checkpoint for a run is forecast through the clusters that extrapolate.
    """
    usable = table.final & np.isfinite(table.score)
    runs = len(set(table.run[usable].tolist()))
    if runs < FEWEST_RUNS:
        return f"only {runs} runs have items and a score, {FEWEST_RUNS} are needed", None
    if _dense(table):
        return refuse(table), None
    found = analyse(table)
    return (None if any(one.kept for one in found.clusters) else found.verdict), found


def fit_from_items(
    table: ItemTable, resamples: int = 0, seed: int = 0, analysis: ClusterAnalysis | None = None
) -> ItemForecast:
    """Fit the way that suits the table.

    Raises:
        ForecastError: its items carry no forecast; `judge` says so beforehand.
    """
    return fit_tasks_from_items([table], resamples, seed, [analysis])[0]


def fit_tasks_from_items(
    tables: Sequence[ItemTable], resamples: int, seed: int, analyses: Sequence[ClusterAnalysis | None]
) -> list[ItemForecast]:
    """Fit the way that suits each task's table; tasks that go through ability share it.

    Raises:
        ForecastError: the items of a task carry no forecast; `judge` says so beforehand.
    """
    dense = [i for i, table in enumerate(tables) if _dense(table)]
    shared = dict(zip(dense, fit_difficulties([tables[i] for i in dense], resamples, seed), strict=True))
    return [
        shared[i] if i in shared else fit_through_subset(table, resamples, seed, analysis=analysis)
        for i, (table, analysis) in enumerate(zip(tables, analyses, strict=True))
    ]


def needed(table: ItemTable) -> ItemTable:
    """Keep the items that forecasts of the task and of its hold-outs read: copies of all cost time and memory."""
    return thin(table) if _dense(table) else table


def _dense(table: ItemTable) -> bool:
    if not {"nats", "probability"} & set(table.measures):
        return False
    pairs = 0
    for name in table.runs:
        tokens = np.sort(table.tokens[(table.run == name) & table.final])
        pairs += int(np.sum(tokens[1:] <= NEIGHBOURS * tokens[:-1]))
    return pairs >= FEWEST_DIFFERENCES

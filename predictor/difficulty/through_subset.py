"""Forecast a task's score through its predictable items: their clusters' laws, then the map from them to the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty.clusters import ClusterAnalysis, analyse, fit_cluster_laws
from predictor.difficulty.items import ItemTable
from predictor.difficulty.mapping import SubsetMap, fit_subset_map
from predictor.errors import ForecastError
from predictor.fitting import LawBatch, make_draws

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SubsetForecast:
    """The laws of the clusters that extrapolate, and the map from their mean to the task's score; R resamples.

    Attributes:
        analysis: the clusters.
        laws: one for each kept cluster.
        share: each kept cluster's share of the predictable items.
        link: the map.
    """

    analysis: ClusterAnalysis
    laws: LawBatch
    share: Array
    link: SubsetMap

    def predict_subset(self, params: float, tokens: float) -> Array:
        """Forecast the predictable items' mean, shape (1 + R,)."""
        compute = np.array(6.0 * params * tokens / self.analysis.reference)
        return np.asarray(self.share @ self.laws.predict({"flops": compute, "chance": np.array(self.analysis.floor)}))

    def predict(self, params: float, tokens: float) -> Array:
        """Forecast a model's score, shape (1 + R,): first the undisturbed fit's, then the resamples'."""
        return np.clip(self.link.predict(self.predict_subset(params, tokens)), 0.0, 1.0)


def fit_through_subset(
    table: ItemTable,
    resamples: int = 0,
    seed: int = 0,
    *,
    analysis: ClusterAnalysis | None = None,
    anchors: tuple[Array, Array] | None = None,
) -> SubsetForecast:
    """Fit a task's predictable clusters and the map from them to its score.

    Args:
        table: the items with the task's scores.
        resamples: Bayesian bootstrap copies over the runs, moved by the noise of the curves.
        seed: of the clustering and the resampling.
        analysis: the clusters, where they are known.
        anchors: means of the predictable items and scores of other models, as much stronger ones, for the map.

    Raises:
        ForecastError: no cluster extrapolates.
    """
    found = analyse(table, seed=seed) if analysis is None else analysis
    kept = [one for one in found.clusters if one.kept]
    at = found.observations
    scored = np.isfinite(table.score[at])
    if not kept or not scored.any():
        why = found.verdict if not kept else "it was never scored"
        raise ForecastError(f"{table.task} cannot be forecast through its items: {why}", "score larger runs")
    size = np.array([one.size for one in kept], dtype=float)
    curves = np.stack([one.curve for one in kept])
    number = {name: i for i, name in enumerate(table.runs)}
    run = np.array([number[name] for name in table.run[at]])
    draws = make_draws(run, [f"{table.task} {one.number}" for one in kept], resamples, seed, "clusters")
    noise = np.array([one.shape.noise for one in kept])
    laws = fit_cluster_laws(table.flops[at] / found.reference, curves, noise, found.floor, draws)
    share = size / size.sum()
    link = fit_subset_map(
        (share @ curves)[scored],
        table.score[at][scored],
        subset_chance=found.floor,
        chance=table.chance,
        anchors=anchors,
        resamples=resamples,
        seed=seed,
    )
    return SubsetForecast(found, laws, share, link)

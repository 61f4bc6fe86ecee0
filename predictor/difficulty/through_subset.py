"""Forecast a task's score through its predictable items: their clusters' laws, then the map from them to the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty.clusters import LEFT_OUT, Cluster, ClusterAnalysis, analyse, fit_cluster_laws
from predictor.difficulty.items import ItemTable
from predictor.difficulty.mapping import SubsetMap, fit_subset_map
from predictor.errors import ForecastError
from predictor.fitting import LawBatch, make_draws, stable_generator

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SubsetForecast:
    """The laws of the clusters that extrapolate, and the map from their mean to the task's score; R resamples.

    Attributes:
        analysis: the clusters.
        laws: one for each kept cluster.
        share: each kept cluster's share of the predictable items.
        link: the map.
        error: what is added to the logit of each kept cluster's mean in each resample, shape (clusters, 1 + R): laws
            are wrong by as much as those of the smaller runs were about the largest ones, all in one direction, and
            by more the further they are from what they were fitted to.
        reached: each kept cluster's mean over the largest observations.
        tested: how far ahead those were, in e-folds of compute.
        largest: logarithm of the largest compute of the ladder.
    """

    analysis: ClusterAnalysis
    laws: LawBatch
    share: Array
    link: SubsetMap
    error: Array
    reached: Array
    tested: float
    largest: float

    def predict_subset(self, params: float, tokens: float) -> Array:
        """Forecast the predictable items' mean, shape (1 + R,)."""
        floor, flops = self.analysis.floor, 6.0 * params * tokens
        compute = np.array(flops / self.analysis.reference)
        means = self.laws.predict({"flops": compute, "chance": np.array(floor)})
        risen = np.clip((means - floor) / (1 - floor), 1e-6, 1 - 1e-6)
        ahead = max(1.0, (math.log(flops) - self.largest) / self.tested)
        moved = floor + (1 - floor) / (1 + (1 - risen) / risen * np.exp(-ahead * self.error))
        # These clusters rise: none falls below what the largest runs have reached, unless its law says so.
        return np.asarray(self.share @ np.maximum(moved, np.minimum(means, self.reached[:, None])))

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
    normal = np.concatenate([[0.0], stable_generator(seed, table.task, "error").standard_normal(resamples)])
    tested, reached, missed = _missed(found, kept)
    largest = float(np.log(table.flops[at]).max())
    return SubsetForecast(found, laws, share, link, missed[:, None] * normal, reached, tested, largest)


def _missed(found: ClusterAnalysis, kept: Sequence[Cluster]) -> tuple[float, Array, Array]:
    """Return how many e-folds ahead clusters were tested, their means there, and by how much logits were missed."""
    flops = np.log(found.table.flops[found.observations])
    order = np.argsort(flops, kind="stable")
    number = max(1, int(LEFT_OUT * order.size))
    ahead = float(flops[order[-number:]].mean() - flops[order[:-number]].max(initial=-np.inf))
    largest = np.array([one.curve[order[-number:]].mean() for one in kept])
    risen = np.clip((largest - found.floor) / (1 - found.floor), 0.01, 0.99)
    error = np.array([one.error for one in kept]) / (risen * (1 - risen) * (1 - found.floor))
    # Runs of one compute are no test of a way ahead.
    return float(np.clip(ahead, 0.5, 10.0)), largest, error

"""The clusters of a benchmark's items: their curves, their laws, and which of them can be extrapolated."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty import features
from predictor.difficulty.clustering import Clustering, cluster
from predictor.difficulty.items import LIKELIHOOD, ItemTable, item_table, tempered
from predictor.difficulty.nuisance import Nuisance, estimate_nuisance
from predictor.difficulty.shapes import CurveShape, curve_shape
from predictor.errors import InputError, StoreError
from predictor.fitting import Draws, LawBatch, Prior, fit_law_batch, make_draws
from predictor.fitting.units import geometric_mean
from predictor.laws import get_law
from predictor.results.readers import Results

Array = NDArray[np.float64]

LAW = get_law("difficulty_cluster")
# Priors on ln a at the middle of the observed compute, on ln b, and on c.
_PRIOR_MEAN = np.array([0.0, np.log(0.25), 0.0])
_PRIOR_SD = np.array([2.0, 0.8, 0.3])
_STARTS = np.array([[np.log(a), np.log(b), 0.02] for a, b in itertools.product((0.3, 2.0), (0.1, 0.5))])
# Share of the observations of largest compute that a cluster's fit has to foretell.
LEFT_OUT = 0.25
# Error allowed there beside the noise, as a share of what the curve changes by.
_ALLOWED = 0.35

KEEP = "extrapolates"
REASONS = {
    "flat": "flat",
    "at chance": "not yet emerged",
    "late emergence": "not yet emerged: its rise is seen in the largest runs only",
    "falling": "falling",
    "U": "U-shaped",
    "inverted U": "inverted U",
    "noisy": "noisy",
}


@dataclass(frozen=True)
class Cluster:
    """One group of items.

    Attributes:
        number: 0 is the easiest; -1 the outliers.
        size: items in it.
        difficulty: one minus the group's mean over the ladder.
        curve: its mean at each observation, shape (P,).
        shape: the curve's shape with its evidence.
        law: parameters of its law in compute relative to `ClusterAnalysis.reference`; None where none was fitted.
        verdict: `extrapolates`, or why it is left out.
        error: what laws of the smaller runs alone give for the largest observations, less what came.
    """

    number: int
    size: int
    difficulty: float
    curve: Array
    shape: CurveShape
    law: dict[str, float] | None
    verdict: str
    error: float = 0.0

    @property
    def kept(self) -> bool:
        """Whether it extrapolates."""
        return self.verdict == KEEP


@dataclass(frozen=True)
class ClusterAnalysis:
    """Clusters of one task's items.

    Attributes:
        table: the items.
        measure: what the curves are means of.
        floor: what a model that knows nothing would have.
        observations: numbers of the checkpoints behind the curves, shape (P,).
        reference: compute that laws are relative to.
        clustering: label of each item.
        clusters: the groups, the easiest first, outliers last.
        whole: shape of the whole task's curve.
        nuisance: what checkpoints share beside ability.
        batch: laws of the groups that have one, or None.
        verdict: what can be said of the task, in a few words.
    """

    table: ItemTable
    measure: str
    floor: float
    observations: NDArray[np.intp]
    reference: float
    clustering: Clustering
    clusters: tuple[Cluster, ...]
    whole: CurveShape
    nuisance: Nuisance
    batch: LawBatch | None
    verdict: str

    @property
    def predictable(self) -> NDArray[np.bool_]:
        """Which items lie in clusters that extrapolate, shape (K,)."""
        return np.isin(self.clustering.labels, [one.number for one in self.clusters if one.kept])


def analyse(
    table: ItemTable,
    method: str = "mean_shift",
    *,
    radius: float | None = None,
    least: int | None = None,
    seed: int = 0,
) -> ClusterAnalysis:
    """Cluster a task's items and judge each cluster.

    Args:
        table: the items.
        method: how to cluster, see `predictor.difficulty.clustering`.
        radius: bound on a cluster's radius.
        least: least size of a cluster.
        seed: of the clustering.
    """
    measure, progress = table.progress
    loss = measure == LIKELIHOOD
    # What checkpoints share is additive in losses, not in what is made of them.
    values = features.fill(table.measures["nats"] if loss else progress, table.run, table.tokens)
    nuisance = estimate_nuisance(values, table.run, table.tokens)
    cleaned = _clean(values, table, np.ones(table.run.size, dtype=bool), loss)
    smoothed = features.smooth(cleaned, table.run, table.tokens)
    group = functools.partial(cluster, method=method, radius=radius, least=least, seed=seed)
    clustering = group(smoothed.T)
    at = observations(table)
    floor, flops = table.progress_chance, table.flops[at]
    reference = geometric_mean(flops)
    labels = [*range(clustering.count), *([-1] if np.any(clustering.labels < 0) else [])]
    curves = np.stack([cleaned[:, clustering.labels == label].mean(axis=1) for label in labels])
    shapes = [curve_shape(flops, curve[at], floor) for curve in curves]
    fitted = [i for i, one in enumerate(shapes) if one.shape in ("rising", "saturated") and labels[i] >= 0]
    batch = _fit(flops, curves[fitted][:, at], floor, reference, shapes, fitted) if fitted else None
    test = _test(table, values, loss, at, group) if fitted else None
    clusters = []
    for i, label in enumerate(labels):
        verdict = "outliers" if label < 0 else REASONS.get(shapes[i].shape, KEEP)
        law, error = None, 0.0
        if batch is not None and i in fitted:
            row = LAW.outside(batch.coordinates[fitted.index(i), 0])
            law = dict(zip(LAW.parameter_names, map(float, row), strict=True))
            missed, error = _missed(clustering.labels == label, shapes[i], test)
            verdict = missed or verdict
        size = int(np.sum(clustering.labels == label))
        mean = float(curves[i].mean())
        clusters.append(Cluster(label, size, 1 - mean, curves[i][at], shapes[i], law, verdict, error))
    whole = curve_shape(flops, cleaned.mean(axis=1)[at], floor)
    return ClusterAnalysis(
        table, measure, floor, at, reference, clustering, tuple(clusters), whole, nuisance, batch,
        _of_the_task(table, clusters, whole),
    )  # fmt: skip


def analyse_tasks(
    results: Results, family: str | None = None, tasks: Iterable[str] | None = None
) -> dict[str, ClusterAnalysis]:
    """Cluster the items of all tasks, or of those named, that have kept some."""
    found = {}
    for task in results.tasks if tasks is None else tasks:
        try:
            table = item_table(results, task, family=family)
        except (InputError, StoreError):
            continue
        found[table.task] = analyse(table)
    return found


def observations(table: ItemTable, per_run: int = 8) -> NDArray[np.intp]:
    """Choose the checkpoints that a law may be fitted to: ends of schedules, up to `per_run` of a constant-rate run."""
    chosen: list[int] = []
    for name in table.runs:
        index = np.flatnonzero((table.run == name) & table.final)
        index = index[np.argsort(table.tokens[index], kind="stable")]
        if index.size > per_run:
            wanted = np.geomspace(table.tokens[index[0]], table.tokens[index[-1]], per_run)
            distance = np.abs(np.log(table.tokens[index][None, :] / wanted[:, None]))
            index = index[np.unique(distance.argmin(axis=1))]
        chosen += index.tolist()
    if not chosen:
        # Nothing has reached its end: the latest of each run understates it, and is all there is.
        chosen = [int(np.flatnonzero(table.run == name)[-1]) for name in table.runs]
    return np.array(chosen, dtype=np.intp)


def _fit(
    flops: Array, curves: Array, floor: float, reference: float, shapes: list[CurveShape], which: list[int]
) -> LawBatch:
    noise = np.array([shapes[i].noise for i in which])
    draws = make_draws(np.arange(flops.size), [str(i) for i in which], 0, 0, "clusters")
    return fit_cluster_laws(flops / reference, curves, noise, floor, draws)


def fit_cluster_laws(compute: Array, curves: Array, noise: Array, floor: float, draws: Draws) -> LawBatch:
    """Fit the law of each cluster.

    Args:
        compute: relative to the middle of the ladder's, shape (P,).
        curves: shape (T, P).
        noise: standard deviation of an observation of each cluster, shape (T,).
        floor: what a model that knows nothing would have.
        draws: the resamples.
    """
    count = curves.shape[0]
    bounds = LAW.inside(np.array([[p.lower for p in LAW.parameters], [p.upper for p in LAW.parameters]]))
    prior = Prior(*(np.tile(row, (count, 1)) for row in (_PRIOR_MEAN, _PRIOR_SD, bounds[0], bounds[1])))
    return fit_law_batch(
        LAW,
        {"flops": np.broadcast_to(compute, curves.shape), "chance": np.full(curves.shape, floor)},
        curves,
        np.broadcast_to(np.maximum(noise, 0.005)[:, None], curves.shape),
        np.tile(_STARTS, (count, 1, 1)),
        prior,
        draws,
    )


@dataclass(frozen=True)
class _Test:
    """How clusters that were found without the largest observations foretell them.

    Attributes:
        labels: their clusters of the items, shape (K,).
        error: cluster -> what its law gives less what came, mean over the largest observations.
    """

    labels: NDArray[np.intp]
    error: dict[int, float]


def _test(
    table: ItemTable, values: Array, loss: bool, at: NDArray[np.intp], clustering: Callable[[Array], Clustering]
) -> _Test | None:
    """Find clusters and their laws in the smaller observations alone; None where those are too few.

    Clusters that are found on the largest runs hold items that did alike there, by chance as well: a law would foretell
    them better than it foretells the next run.
    """
    order = at[np.argsort(table.flops[at], kind="stable")]
    number = max(1, int(LEFT_OUT * order.size))
    fit, test = order[:-number], order[-number:]
    if fit.size < 3:
        return None
    known = table.flops < table.flops[test].min()
    seen = np.flatnonzero(known)
    cleaned = _clean(values, table, known, loss)
    smoothed = features.smooth(cleaned[seen], table.run[seen], table.tokens[seen])
    labels = clustering(smoothed.T).labels
    names = np.unique(labels).tolist()
    curves = np.stack([cleaned[:, labels == name].mean(axis=1) for name in names])
    flops, floor = table.flops, table.progress_chance
    reference = geometric_mean(flops[fit])
    shapes = [curve_shape(flops[fit], curve[fit], floor) for curve in curves]
    law = _fit(flops[fit], curves[:, fit], floor, reference, shapes, list(range(len(names))))
    error = {}
    for row, name in enumerate(names):
        only = LawBatch(law.law, law.coordinates[[row]], law.misfit[[row]])
        foretold = [
            float(only.predict({"flops": np.array(value / reference), "chance": np.array(floor)})[0, 0])
            for value in flops[test]
        ]
        error[name] = float(np.mean(foretold) - curves[row, test].mean())
    return _Test(labels, error)


def _clean(values: Array, table: ItemTable, rows: NDArray[np.bool_], loss: bool) -> Array:
    """Take out what checkpoints share, learnt from some of them, and map losses to shares."""
    cleaned = estimate_nuisance(values[rows], table.run[rows], table.tokens[rows]).remove(values)
    return tempered(cleaned, float(values[rows].mean())) if loss else np.clip(cleaned, 0.0, 1.0)


def _missed(members: NDArray[np.bool_], shape: CurveShape, test: _Test | None) -> tuple[str | None, float]:
    """Judge one cluster by those that most of its items were in without the largest runs: a verdict, and the error."""
    if test is None:
        return "too few checkpoints to test its law", 0.0
    labels = test.labels[members]
    error = float(np.mean([test.error[label] for label in labels.tolist()]))
    allowed = max(3 * shape.noise, _ALLOWED * abs(shape.change), 0.05)
    if abs(error) > allowed:
        return f"noisy: without the largest runs its law misses them by {abs(error):.2f}", error
    return None, error


def _of_the_task(table: ItemTable, clusters: list[Cluster], whole: CurveShape) -> str:
    items = sum(one.size for one in clusters)
    kept = sum(one.size for one in clusters if one.kept)
    if whole.shape == "saturated" and kept == items:
        return "all items are solved: nothing is left to forecast"
    if kept == 0:
        reasons = sorted({one.verdict for one in clusters if one.number >= 0})
        return f"no cluster extrapolates ({'; '.join(reasons) or 'outliers only'})"
    return f"{kept} of {items} items lie in clusters that extrapolate"

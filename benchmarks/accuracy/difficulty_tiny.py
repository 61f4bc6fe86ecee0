"""On the tiny ladder, whose items carry a planted difficulty: do clusters find it, and do they forecast the target?

    predictor demo && python benchmarks/accuracy/difficulty_tiny.py --store demo/store

The first table gives, for each task, the rank correlation over items between the mean of an item's cluster over the
ladder and the planted difficulty, which neither the models nor the clustering see, and the same for the items' own
means. Beside it stand how much of the planted kinds the clusters hold apart (homogeneity, and the Rand index adjusted
for chance; both are 1 where clusters are kinds, 0 where they say nothing of them). The second forecasts the target's
full score from the ladder alone, through the items that extrapolate and by whole-task laws. Where no cluster
extrapolates there is no forecast through the items, and the task is left out of the means.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score, homogeneity_score

from predictor.difficulty import ClusterAnalysis, analyse, fit_through_subset, item_table
from predictor.forecast.methods import METHODS, Resampling
from predictor.forecast.panel import build_panel
from predictor.results import Results, read_results
from predictor.results.store import Store

ITEMS = Path(__file__).parents[1] / "tasks" / "tiny"
TARGET = "target"


def planted_difficulty(task: str) -> dict[int, float]:
    """Read the planted difficulty of each item, by its number."""
    lines = (ITEMS / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()
    return {number: float(json.loads(line)["difficulty"]) for number, line in enumerate(lines)}


def planted_kinds(task: str) -> dict[int, str]:
    """Read the planted kind of each item, by its number."""
    lines = (ITEMS / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()
    return {number: str(json.loads(line)["kind"]) for number, line in enumerate(lines)}


def agreement(found: ClusterAnalysis) -> tuple[float, float]:
    """Compare clusters with planted kinds: homogeneity and adjusted Rand index, outliers left out."""
    known = planted_kinds(found.table.task)
    inside = found.clustering.labels >= 0
    kinds = np.array([known[int(item)] for item in found.table.item])[inside]
    labels = found.clustering.labels[inside]
    return float(homogeneity_score(kinds, labels)), float(adjusted_rand_score(kinds, labels))


def recovery(found: ClusterAnalysis) -> tuple[float, float]:
    """Correlate planted difficulty with the difficulty of an item's cluster, and with its own; outliers left out."""
    known = planted_difficulty(found.table.task)
    planted = np.array([known[int(item)] for item in found.table.item])
    inside = found.clustering.labels >= 0
    mean = {one.number: one.difficulty for one in found.clusters}
    grouped = np.array([mean[int(label)] for label in found.clustering.labels])
    own = 1 - found.table.progress[1][found.observations].mean(axis=0)
    if np.ptp(planted) == 0 or np.ptp(grouped[inside]) == 0:
        return np.nan, np.nan
    return (
        float(spearmanr(planted[inside], grouped[inside]).statistic),
        float(spearmanr(planted[inside], own[inside]).statistic),
    )


def target_scores(store: Path, results: Results) -> tuple[float, float, dict[str, float]]:
    """Read the target's size, tokens and scores at its last checkpoint."""
    frame, _, _ = Store(store).read_scores(roles=("target",))
    last = frame[(frame["run"] == TARGET) & (frame["tokens"] == frame["tokens"].max())]
    scores = {
        str(row["task"]): float(row["value"])
        for row in last.to_dict("records")
        if row["task"] in results.tasks and row["metric"] == results.tasks[row["task"]].metric
    }
    return float(last["params"].iloc[0]), float(last["tokens"].iloc[0]), scores


@click.command()
@click.option("--store", type=click.Path(path_type=Path, exists=True), default=Path("demo/store"))
def main(store: Path) -> None:
    results = read_results(store)
    params, tokens, truth = target_scores(store, results)
    panel = build_panel(results, "tiny")
    whole: dict[str, dict[str, float]] = {}
    for method in METHODS.values():
        refused = method.refuse(panel)
        rows = np.array([i for i in range(len(panel.series)) if i not in refused], dtype=np.intp)
        if rows.size == 0:
            continue
        told = method.fit(panel.select(rows), Resampling(0, 0)).predict(params, tokens)[:, 0]
        whole[method.name] = {panel.series[i].task: float(one) for i, one in zip(rows, told, strict=True)}
    clusters = Table(title="clusters and planted difficulty", title_justify="left", box=None)
    for name in (
        "task",
        "clusters",
        "in clusters that extrapolate",
        "rank correlation",
        "of single items",
        "homogeneity",
        "Rand",
    ):
        clusters.add_column(name, justify="left" if name == "task" else "right")
    scores = Table(title="the target's score in percent, and errors in points", title_justify="left", box=None)
    for name in ("task", "truth", "through items", *whole):
        scores.add_column(name, justify="left" if name == "task" else "right")
    errors: list[list[float]] = []
    for task in truth:
        found = analyse(item_table(results, task))
        ours, single = recovery(found)
        shown = ["-" if np.isnan(one) else f"{one:.2f}" for one in (ours, single)]
        items = f"{int(found.predictable.sum())} of {found.table.item.size}"
        clusters.add_row(task, str(found.clustering.count), items, *shown, *(f"{one:.2f}" for one in agreement(found)))
        told = {name: values.get(task, np.nan) for name, values in whole.items()}
        if found.predictable.any():
            fit = fit_through_subset(found.table, analysis=found)
            through = float(fit.predict(params, tokens)[0])
            errors.append([abs(through - truth[task]), *(abs(one - truth[task]) for one in told.values())])
        else:
            through = np.nan
        numbers = ["-" if np.isnan(one) else f"{100 * one:.1f}" for one in (through, *told.values())]
        scores.add_row(task, f"{100 * truth[task]:.1f}", *numbers)
    table = np.array(errors)
    scores.add_row("mean error, tasks forecast through items", "", *_means(table))
    complete = np.isfinite(table).all(axis=1)
    scores.add_row("mean error, tasks that all methods forecast", "", *_means(table[complete]))
    console = Console(width=150)
    console.print(clusters)
    console.print(scores)


def _means(errors: np.ndarray) -> list[str]:
    return [f"{100 * own.mean():.1f}" if np.isfinite(own).all() else "-" for own in errors.T]


if __name__ == "__main__":
    main()

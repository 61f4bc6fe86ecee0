"""On the tiny ladder, whose items carry a planted difficulty: do clusters find it, and forecast what is held out?

    predictor demo && python benchmarks/accuracy/difficulty_tiny.py --store demo/store

The first table says how far clusters recover what was planted, which neither the models nor the clustering see. Kinds
are those of each task, as the depth of brackets; of three mixed benchmarks, each made of all tasks of one form, they
are the skills. Homogeneity is 1 where no cluster mixes kinds and 0 where clusters say nothing of them; the Rand index
is adjusted for chance. Two columns say what there is to be found: how much of the items' variance lies between the
kinds, beyond what shuffled kinds explain, and the homogeneity of a forest that is told the kinds of four fifths of the
items and guesses the rest from the same curves. The rank correlation is that of an item's planted difficulty with its
cluster's, and with its own mean.

The others forecast the full score of the target from the ladder, and of the ladder's largest run from the smaller
ones, through the items that extrapolate and by whole-task laws. Where no cluster extrapolates there is no forecast
through the items, and the task is left out of the means; so are the mixed benchmarks, made of the same items.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import adjusted_rand_score, homogeneity_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from predictor.difficulty import ClusterAnalysis, ItemTable, analyse, fit_through_subset, item_table
from predictor.difficulty.features import fill
from predictor.forecasting.methods import METHODS, Resampling
from predictor.forecasting.panel import Panel, build_panel
from predictor.results import Results, read_results
from predictor.results.store import Store

ITEMS = Path(__file__).parents[1] / "tasks" / "tiny"
TARGET = "target"
# All tasks that are asked in one form, pooled: each is a benchmark of skills that are learnt at different sizes.
MIXED = {
    "2 choices, all": ("tiny_agreement", "tiny_attraction", "tiny_compare", "tiny_parity", "tiny_past"),
    "4 choices, all": ("tiny_brackets", "tiny_facts", "tiny_recall"),
    "generated, all": ("tiny_addition", "tiny_reverse", "tiny_sort"),
}
FOLDS = 5
SHUFFLES = 50

Names = NDArray[np.str_]


@dataclass(frozen=True)
class Held:
    """A model whose scores are forecast: its size, tokens and true scores by task."""

    name: str
    params: float
    tokens: float
    truth: Mapping[str, float]


def planted(table: ItemTable) -> tuple[Names, NDArray[np.float64]]:
    """Read the planted kind and difficulty of a task's items."""
    lines = (ITEMS / f"{table.task}.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    kinds = np.array([str(records[item]["kind"]) for item in table.item])
    return kinds, np.array([float(records[item]["difficulty"]) for item in table.item])


def pooled(name: str, tables: list[ItemTable]) -> ItemTable:
    """Stand the items of several tasks, scored at the same checkpoints, beside each other as one benchmark."""
    first, size = tables[0], [table.item.size for table in tables]
    shared = [measure for measure in first.measures if all(measure in table.measures for table in tables)]
    return replace(
        first,
        task=name,
        chance=float(np.average([table.chance for table in tables], weights=size)),
        item=np.concatenate([table.item for table in tables]),
        subtask=np.repeat([table.task for table in tables], size),
        measures={measure: np.hstack([table.measures[measure] for table in tables]) for measure in shared},
        score=np.average([table.score for table in tables], axis=0, weights=size),
        score_stderr=np.full(first.score.shape, np.nan),
    )


def pooled_panel(panel: Panel, name: str, size: Mapping[str, int]) -> Panel:
    """Give the panel of one benchmark that pools the tasks named in `size`, by their items."""
    rows = np.array([i for i, one in enumerate(panel.series) if one.task in size], dtype=np.intp)
    items = [size[panel.series[i].task] for i in rows]
    share = np.array(items) / sum(items)
    chance = float(share @ np.array([panel.series[i].chance or 0.0 for i in rows]))
    series = replace(panel.series[int(rows[0])], task=name, chance=chance, n_items=sum(items))
    return replace(
        panel,
        series=(series,),
        score=(share @ panel.score[rows])[None, :],
        stderr=np.sqrt(share**2 @ panel.stderr[rows] ** 2)[None, :],
        task_loss=(share @ panel.task_loss[rows])[None, :],
        stretches=None,
    )


def between(table: ItemTable, kinds: Names) -> tuple[float, float]:
    """Say what there is of the kinds in the items' curves: their share of the variance, and what a forest finds."""
    curves = fill(table.progress[1], table.run, table.tokens).T
    around = curves - curves.mean(axis=0)
    _, kind, size = np.unique(kinds, return_inverse=True, return_counts=True)

    def share(of: NDArray[np.intp]) -> float:
        sums = np.zeros((size.size, around.shape[1]))
        np.add.at(sums, of, around)
        return float(np.sum(sums**2 / size[:, None]) / np.sum(around**2))

    generator = np.random.default_rng(0)
    by_chance = float(np.mean([share(generator.permutation(kind)) for _ in range(SHUFFLES)]))
    common = size[kind] >= FOLDS
    forest = RandomForestClassifier(300, min_samples_leaf=3, class_weight="balanced", random_state=0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    guessed = cross_val_predict(forest, curves[common], kind[common], cv=folds)
    return (share(kind) - by_chance) / (1 - by_chance), float(homogeneity_score(kind[common], guessed))


def agreement(found: ClusterAnalysis, kinds: Names) -> tuple[float, float]:
    """Compare clusters with planted kinds: homogeneity and adjusted Rand index, outliers left out."""
    inside = found.clustering.labels >= 0
    labels = found.clustering.labels[inside]
    return float(homogeneity_score(kinds[inside], labels)), float(adjusted_rand_score(kinds[inside], labels))


def recovery(found: ClusterAnalysis, difficulty: NDArray[np.float64]) -> tuple[float, float]:
    """Correlate planted difficulty with the difficulty of an item's cluster, and with its own; outliers left out."""
    inside = found.clustering.labels >= 0
    mean = {one.number: one.difficulty for one in found.clusters}
    grouped = np.array([mean[int(label)] for label in found.clustering.labels])
    own = 1 - found.table.progress[1][found.observations].mean(axis=0)
    if np.ptp(difficulty) == 0 or np.ptp(grouped[inside]) == 0:
        return np.nan, np.nan
    return (
        float(spearmanr(difficulty[inside], grouped[inside]).statistic),
        float(spearmanr(difficulty[inside], own[inside]).statistic),
    )


def target_of(store: Path, results: Results) -> Held:
    """Read the target's size, tokens and scores at its last checkpoint."""
    frame, _, _ = Store(store).read_scores(roles=("target",))
    last = frame[(frame["run"] == TARGET) & (frame["tokens"] == frame["tokens"].max())]
    scores = {
        str(row["task"]): float(row["value"])
        for row in last.to_dict("records")
        if row["task"] in results.tasks and row["metric"] == results.tasks[row["task"]].metric
    }
    return Held("the target", float(last["params"].iloc[0]), float(last["tokens"].iloc[0]), scores)


def largest_run(tables: Mapping[str, ItemTable]) -> Held:
    """Take the ladder's largest run at the end of its schedule."""
    name = next(iter(tables.values())).runs[-1]
    rows = {task: int(np.flatnonzero((one.run == name) & one.final)[-1]) for task, one in tables.items()}
    scores = {task: float(tables[task].score[row]) for task, row in rows.items()}
    task, row = next(iter(rows.items()))
    return Held(name, float(tables[task].params[row]), float(tables[task].tokens[row]), scores)


def by_whole_task(panel: Panel, held: Held) -> dict[str, dict[str, float]]:
    """Forecast every series of the panel with every method that does not refuse it: method -> task -> score."""
    whole: dict[str, dict[str, float]] = {}
    for method in METHODS.values():
        refused = method.refuse(panel)
        rows = np.array([i for i in range(len(panel.series)) if i not in refused], dtype=np.intp)
        if rows.size == 0:
            continue
        told = method.fit(panel.select(rows), Resampling(0, 0)).predict(held.params, held.tokens)[:, 0]
        whole[method.name] = {panel.series[i].task: float(one) for i, one in zip(rows, told, strict=True)}
    return whole


@click.command()
@click.option("--store", type=click.Path(path_type=Path, exists=True), default=Path("demo/store"))
def main(store: Path) -> None:
    results = read_results(store)
    target = target_of(store, results)
    single = {task: item_table(results, task) for task in sorted(target.truth)}
    tables = single | {name: pooled(name, [single[task] for task in tasks]) for name, tasks in MIXED.items()}
    console = Console(width=170)
    found = {task: analyse(table) for task, table in tables.items()}
    show_clusters(console, found)
    size = {task: table.item.size for task, table in single.items()}
    panel = build_panel(results, "tiny")
    for held in (target, largest_run(single)):
        smaller = {task: table.checkpoints(table.run != held.name) for task, table in tables.items()}
        left = panel.observations(np.array(panel.runs)[panel.run] != held.name).with_ends()
        analyses = found if held is target else {task: analyse(table) for task, table in smaller.items()}
        whole = by_whole_task(left, held)
        truth = dict(held.truth)
        for name, tasks in MIXED.items():
            of_tasks = {task: size[task] for task in tasks}
            truth[name] = float(np.average([held.truth[task] for task in tasks], weights=list(of_tasks.values())))
            for method, told in by_whole_task(pooled_panel(left, name, of_tasks), held).items():
                whole.setdefault(method, {}).update(told)
        show_forecasts(console, held, truth, analyses, whole)


def show_clusters(console: Console, found: Mapping[str, ClusterAnalysis]) -> None:
    """Print how far the clusters of each benchmark recover what was planted."""
    table = Table(title="clusters and what was planted", title_justify="left", box=None)
    for name in ("task", "clusters", "extrapolating", "rank correlation", "of items", "variance between kinds",
                 "homogeneity", "forest's", "Rand"):  # fmt: skip
        table.add_column(name, justify="left" if name == "task" else "right")
    for task, own in found.items():
        kinds, difficulty = (own.table.subtask, np.zeros(1)) if task in MIXED else planted(own.table)
        ranks = (np.nan, np.nan) if task in MIXED else recovery(own, difficulty)
        share, forest = between(own.table, kinds)
        homogeneity, rand = agreement(own, kinds)
        numbers = [*ranks, share, homogeneity, forest, rand]
        items = f"{int(own.predictable.sum())} of {own.table.item.size}"
        table.add_row(task, str(own.clustering.count), items, *("-" if np.isnan(n) else f"{n:.2f}" for n in numbers))
    console.print(table)


def show_forecasts(
    console: Console,
    held: Held,
    truth: Mapping[str, float],
    found: Mapping[str, ClusterAnalysis],
    whole: Mapping[str, Mapping[str, float]],
) -> None:
    """Print the scores of a model that was held out, as forecast, and the mean errors over the tasks."""
    table = Table(title=f"{held.name}: scores in percent, and errors in points", title_justify="left", box=None)
    for name in ("task", "truth", "through items", *whole):
        table.add_column(name, justify="left" if name == "task" else "right")
    errors: list[list[float]] = []
    for task, own in found.items():
        told = [values.get(task, np.nan) for values in whole.values()]
        through = np.nan
        if own.predictable.any():
            through = float(fit_through_subset(own.table, analysis=own).predict(held.params, held.tokens)[0])
            if task not in MIXED:
                errors.append([abs(one - truth[task]) for one in (through, *told)])
        numbers = ["-" if np.isnan(one) else f"{100 * one:.1f}" for one in (through, *told)]
        table.add_row(task, f"{100 * truth[task]:.1f}", *numbers)
    scores = np.array(errors)
    table.add_row(f"mean of {len(scores)}", "", *_means(scores))
    complete = scores[np.isfinite(scores).all(axis=1)]
    table.add_row(f"mean of {len(complete)} that all methods forecast", "", *_means(complete))
    console.print(table)


def _means(errors: NDArray[np.float64]) -> list[str]:
    return [f"{100 * own.mean():.1f}" if own.size and np.isfinite(own).all() else "-" for own in errors.T]


if __name__ == "__main__":
    main()

"""Whether the runs that `plan` chooses forecast better than other runs of the same cost, on published training runs.

    python benchmarks/accuracy/plan.py [--testbeds ../shared/testbeds] [--only gadre] [--processes 2]

In each family the run of most compute at the largest size, and that at the second largest, are targets in turn. The
pool are the runs that are smaller than the target and take at most half of its compute. A ladder has been begun with
the four cheapest of them; with a share of what the whole pool costs, further runs are chosen from the pool:

- plan: by `predictor.decisions`, from the scores of the runs begun with;
- plan, first: the same from published laws alone, nothing begun (no scores are looked at);
- uniform: six runs evenly spread over the logarithm of compute, up to as far as they fit;
- largest: the most costly that fits, again and again;
- random: runs in random order, as long as they fit (mean of several orders).

All but `plan, first` have the runs begun with too, which cost next to nothing. Then the whole forecaster is fitted to
what was chosen and forecasts the target. Prints the mean absolute error and the mean width of the 80 % interval over
all benchmarks, in points, and how many runs were bought. Under 15 minutes on two idle cores.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
from predictor.decisions.belief import Belief, Scale
from predictor.decisions.design import Limits, choose_runs
from predictor.decisions.planning import believe_panel, believe_published
from predictor.errors import ForecastError
from predictor.forecasting import fit_forecaster
from predictor.forecasting.backtest import without_runs
from predictor.forecasting.methods.method import distinct_runs
from predictor.forecasting.panel import Panel, binomial_error, build_panel, measurement_error
from predictor.results import read_results

FAMILIES = (("gadre", "c4_original"), ("gadre", "rpj"), ("gadre", "rw_original"), ("olmo_ladder", "olmo_ladder"))
SHARES = (0.05, 0.2)
BEGUN = 4
ORDERS = 2
LADDER = 6
WAYS = ("plan", "plan, first", "uniform", "largest", "random")


def last_checkpoints(panel: Panel) -> NDArray[np.intp]:
    """Number the last checkpoint of each run."""
    ends = [np.flatnonzero(panel.run == i) for i in range(len(panel.runs))]
    return np.array([one[np.argmax(panel.tokens[one])] for one in ends])


def by_plan(panel: Panel, pool: NDArray[np.intp], begun: NDArray[np.intp], target: int, budget: float) -> list[int]:
    ends = last_checkpoints(panel)
    known = without_runs(panel, np.setdiff1d(np.arange(len(panel.runs)), begun))
    rows = np.flatnonzero(distinct_runs(known, known.score) >= 3)
    points = scale(panel, ends, [target, *pool])
    believed = known.select(rows)
    belief = believe_panel(believed, points)
    floor = [measurement_error(believed, row, one) for row, one in enumerate(np.clip(belief.mean[:, 0], 0, 1))]
    return chosen(belief, points, pool, budget, np.array(floor))


def by_prior(panel: Panel, pool: NDArray[np.intp], target: int, budget: float) -> list[int]:
    points = scale(panel, last_checkpoints(panel), [target, *pool])
    belief = believe_published("besiroglu", points)
    return chosen(belief, points, pool, budget, binomial_error(belief.mean[:, 0], 1000))


def scale(panel: Panel, ends: NDArray[np.intp], runs: list[int]) -> Scale:
    place = ends[np.array(runs)]
    return Scale(panel.params[place], panel.tokens[place])


def chosen(
    belief: Belief, points: Scale, pool: NDArray[np.intp], budget: float, noise: NDArray[np.float64]
) -> list[int]:
    # A published run can be bought once.
    design = choose_runs(belief, Limits(points.flops, budget, runs=len(pool), seeds=1), noise**2)
    return [int(pool[i - 1]) for i in design.chosen]


def uniform(pool: NDArray[np.intp], cost: NDArray[np.float64], budget: float) -> list[int]:
    order = pool[np.argsort(cost[pool])]
    for top in order[::-1]:
        wanted = np.geomspace(cost[order[0]], cost[top], LADDER)
        near = np.abs(np.log(cost[order])[None] - np.log(wanted)[:, None]).argmin(axis=1)
        picked = [int(one) for one in np.unique(order[near])]
        if cost[picked].sum() <= budget:
            return picked
    return []


def fill(order: NDArray[np.intp], cost: NDArray[np.float64], budget: float) -> list[int]:
    picked: list[int] = []
    for one in order:
        if cost[picked].sum() + cost[one] <= budget:
            picked.append(int(one))
    return picked


def examine(testbed: str, family: str, folder: Path, which: int, share: float) -> list[dict]:
    """Try every way for one target and budget; one row per fit."""
    results = read_results(folder / testbed)
    results = replace(results, evals=results.evals[results.evals["family"] == family])
    panel = build_panel(results, family)
    ends = last_checkpoints(panel)
    cost, size = panel.flops[ends], panel.params[ends]
    sizes = np.unique(size)
    largest = np.flatnonzero(size == sizes[-1 - which])
    target = int(largest[np.argmax(cost[largest])])
    pool = np.flatnonzero((size < 0.95 * size[target]) & (cost <= cost[target] / 2))
    pool = pool[np.argsort(cost[pool], kind="stable")]
    begun, rest = pool[:BEGUN], pool[BEGUN:]
    budget = share * float(cost[pool].sum())
    generator = np.random.default_rng(0)
    choices = {
        "plan": [by_plan(panel, rest, begun, target, budget)],
        "plan, first": [by_prior(panel, pool, target, budget)],
        "uniform": [uniform(rest, cost, budget)],
        "largest": [fill(rest[::-1], cost, budget)],
        "random": [fill(generator.permutation(rest), cost, budget) for _ in range(ORDERS)],
    }
    rows = []
    for way, picks in choices.items():
        for pick in picks:
            runs = {panel.runs[i] for i in pick} | (set() if way == "plan, first" else {panel.runs[i] for i in begun})
            try:
                forecaster = fit_forecaster(
                    replace(results, evals=results.evals[results.evals["run"].isin(runs)]), resamples=10
                )
            except ForecastError:
                continue
            answer = forecaster.predict(size[target], panel.tokens[ends[target]])
            places = {series.key: row for row, series in enumerate(panel.series)}
            truth = np.array([panel.score[places[forecast.series], ends[target]] for forecast in answer.forecasts])
            error = np.abs(np.array([one.median for one in answer.forecasts]) - truth)
            width = np.array([one.intervals["80"][1] - one.intervals["80"][0] for one in answer.forecasts])
            rows.append(
                {
                    "family": family,
                    "target": panel.runs[target],
                    "share": share,
                    "way": way,
                    "runs": len(pick),
                    "error": 100 * float(np.nanmean(error)),
                    "width": 100 * float(width.mean()),
                    "inside": 100 * float(np.nanmean(error <= width / 2)),
                }
            )
    return rows


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--only", type=click.Choice(sorted({one for one, _ in FAMILIES})), multiple=True)
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True)
def main(testbeds: Path, only: tuple[str, ...], processes: int) -> None:
    jobs = [
        (testbed, family, testbeds, which, share)
        for testbed, family in FAMILIES
        if not only or testbed in only
        for which in (0, 1)
        for share in SHARES
    ]
    with ProcessPoolExecutor(processes) as pool:
        found = pd.DataFrame([row for rows in pool.map(examine, *zip(*jobs, strict=True)) for row in rows])
    cells = found.groupby(["family", "target", "share", "way"], sort=False)[["error", "width", "inside", "runs"]].mean()
    table = Table(title="error / width of 80 % (runs bought), in points", title_justify="left", box=None)
    for name in ("family", "target", "share of pool", *WAYS):
        table.add_column(name)
    for key, part in cells.groupby(["family", "target", "share"], sort=False):
        rows = part.droplevel(["family", "target", "share"])
        table.add_row(
            key[0],
            key[1],
            f"{key[2]:.0%}",
            *(
                f"{rows.loc[way, 'error']:.2f} / {rows.loc[way, 'width']:.1f} ({rows.loc[way, 'runs']:.0f})"
                if way in rows.index
                else "-"
                for way in WAYS
            ),
        )
    mean = cells.groupby("way").mean()
    table.add_row("mean", "", "", *(f"{mean.loc[way, 'error']:.2f} / {mean.loc[way, 'width']:.1f}" for way in WAYS))
    Console(width=180).print(table)


if __name__ == "__main__":
    main()

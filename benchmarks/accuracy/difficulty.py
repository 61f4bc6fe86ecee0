"""Forecasts through items beside the whole-task fits, on published runs with the loss of every item.

    python benchmarks/accuracy/difficulty.py [--testbeds ../shared/testbeds]

The largest runs are held out by number, and the largest checkpoints by compute; every held-out run's last score is
forecast from the rest. Parameters are counted once with embeddings and once without. Nothing is picked: the settings of
all methods are the same for every task and hold-out. Prints the mean absolute error in points over the nine tasks, and
for how many of them the items beat the two-step fit on the task's own loss. `in sight` is the error of the items' laws
when they are fitted to all runs, those held out among them: what no law of size and data of this form gets below,
because runs of one size differ by their shape, and single checkpoints by chance. `run known` is that fit's curve from
ability to score at the ability that the held-out run itself showed, which knows its shape; `noise` is the error of the
mean of the run's last five scores, which knows all but the last checkpoint's chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from predictor.difficulty.forecast import DifficultyForecast
from predictor.forecasting.backtest import run_order
from predictor.forecasting.methods import METHODS, Resampling
from predictor.forecasting.methods.difficulty import Difficulty, FittedDifficulty
from predictor.forecasting.panel import Panel, build_panel
from predictor.results import Results, read_results

RUNS = (1, 2, 4, 5, 6, 9)
SHARES = (0.1, 0.25, 0.5)
BASELINE = "two_step"
IN_SIGHT = "in sight"
RUN_KNOWN = "run known"
NOISE = "noise"
# Held-out scores are of one checkpoint; beside it stands the mean of the last so many, which has less noise.
LAST = 5


def hold_outs(panel: Panel) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name each hold-out and mark its observations."""
    order = run_order(panel)
    for count in RUNS:
        yield f"{count} largest run{'s' if count > 1 else ''}", np.isin(panel.run, order[-count:])
    for share in SHARES:
        yield f"largest {share:.0%} of compute", panel.flops > np.quantile(panel.flops, 1 - share)


def errors(results: Results, family: str) -> pd.DataFrame:
    """Forecast every hold-out with every method; one row per held-out run, task and method, errors in points."""
    panel = build_panel(results, family)
    difficulty = Difficulty.of(results, panel)
    methods = {**METHODS, "difficulty": difficulty}
    in_sight = difficulty.fit(panel, Resampling(0, 0))
    shown = scores_at_own_ability(difficulty, in_sight, panel)
    mean = _last_means(results, panel)
    rows = []
    for name, held in hold_outs(panel):
        left = panel.observations(~held)
        lasts = [
            int(index[np.argmax(panel.tokens[index])])
            for index in (np.flatnonzero(panel.run == run) for run in range(len(panel.runs)))
        ]
        fits = {method.name: method.fit(left, Resampling(0, 0)) for method in methods.values()}
        for method_name, fitted in {**fits, IN_SIGHT: in_sight}.items():
            for last in (one for one in lasts if held[one]):
                told = fitted.predict(panel.params[last], panel.tokens[last])[:, 0]
                rows += _rows(panel, mean, name, method_name, last, told)
        for last in (one for one in lasts if held[one]):
            run = panel.runs[panel.run[last]]
            rows += _rows(panel, mean, name, RUN_KNOWN, last, shown[run])
            steady = np.array([mean[run, series.task] for series in panel.series])
            rows += _rows(panel, mean, name, NOISE, last, steady)
    return pd.DataFrame(rows)


def scores_at_own_ability(
    difficulty: Difficulty, fitted: FittedDifficulty, panel: Panel
) -> dict[str, NDArray[np.float64]]:
    """Read each task's fitted curve at the ability that each run's last checkpoints show: run -> scores, shape (T,)."""
    table = difficulty.tables[panel.series[0].task]
    told = {}
    for run in panel.runs:
        rows = np.flatnonzero((table.run == run) & table.final)
        rows = rows[np.argsort(table.tokens[rows], kind="stable")][-LAST:]
        scores = []
        for fit in fitted.fits:
            assert isinstance(fit, DifficultyForecast)
            loss = (fit.ability.value[rows].mean() - fit.centre) / fit.scale
            scores.append(fit.link.predict({"loss": np.array(loss)})[0, 0])
        told[run] = np.array(scores)
    return told


def _rows(
    panel: Panel,
    mean: dict[tuple[str, str], float],
    hold_out: str,
    method: str,
    last: int,
    told: NDArray[np.float64],
) -> list[dict[str, str | float]]:
    run = panel.runs[panel.run[last]]
    return [
        {
            "hold-out": hold_out,
            "run": run,
            "task": series.task,
            "method": method,
            "error": 100 * abs(told[number] - panel.score[number, last]),
            "steady": 100 * abs(told[number] - mean[run, series.task]),
        }
        for number, series in enumerate(panel.series)
    ]


def _last_means(results: Results, panel: Panel) -> dict[tuple[str, str], float]:
    means = {}
    for series in panel.series:
        rows = results.evals[(results.evals["task"] == series.task) & (results.evals["metric"] == series.metric)]
        for run, own in rows.sort_values("tokens").groupby("run"):
            means[str(run), series.task] = float(own["value"].tail(LAST).mean())
    return means


def without_embeddings(results: Results) -> Results:
    """Count parameters without embeddings, of the ladder and of the target alike."""
    evals = results.evals.assign(params=results.evals["params_non_embedding"].astype("int64"))
    return replace(results, evals=evals)


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
def main(testbeds: Path) -> None:
    results = read_results(testbeds / "gemstones")
    for counted, table in (("with", results), ("without", without_embeddings(results))):
        show(errors(table, "gemstones"), f"gemstones, parameters counted {counted} embeddings")


def show(rows: pd.DataFrame, title: str) -> None:
    """Print the errors by hold-out, and by task over all of them."""
    console = Console(width=210)
    names = list(dict.fromkeys(rows["method"]))
    table = Table(title=f"{title}: mean absolute error in points", title_justify="left", box=None, pad_edge=False)
    for name in ("hold-out", *names, "tasks won", f"difficulty, mean of last {LAST}"):
        table.add_column(name, justify="left" if name == "hold-out" else "right")
    for name, own in rows.groupby("hold-out", sort=False):
        by_task = own.pivot_table(index="task", columns="method", values="error", aggfunc="mean")
        won = int((by_task["difficulty"] < by_task[BASELINE]).sum())
        shown = [f"{by_task[method].mean():.2f}" for method in names]
        steady = own.loc[own["method"] == "difficulty", "steady"].mean()
        table.add_row(str(name), *shown, f"{won} of {len(by_task)}", f"{steady:.2f}")
    console.print(table)
    means = rows.groupby(["hold-out", "task", "method"], as_index=False)["error"].mean()
    by_task = means.pivot_table(index="task", columns="method", values="error", aggfunc="mean")
    table = Table(title="mean over the hold-outs, by task", title_justify="left", box=None, pad_edge=False)
    for name in ("task", *names):
        table.add_column(name, justify="left" if name == "task" else "right")
    for task, own in by_task.iterrows():
        table.add_row(str(task), *(f"{own[name]:.2f}" for name in names))
    won = int((by_task["difficulty"] < by_task[BASELINE]).sum())
    table.add_row("all", *(f"{by_task[name].mean():.2f}" for name in names))
    console.print(table)
    console.print(f"the items beat {BASELINE} on {won} of {len(by_task)} tasks\n")


if __name__ == "__main__":
    main()

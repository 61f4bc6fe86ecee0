"""How right the forecasts are: hold out the largest runs of published ladders and forecast them from the others.

    python benchmarks/accuracy/holdout.py [--testbeds ../shared/testbeds] [--hold-out 1 --hold-out 3]

Prints, for each testbed and number of runs held out, the mean absolute error in points of the combination beside each
single method, the share of held-out scores inside the 80 % and the 95 % interval, and the width of the former. The fit
never sees the held-out runs, and weights and widths come from hold-outs among the runs that are left.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from predictor.errors import PredictorError
from predictor.forecast import METHODS, fit_forecaster
from predictor.forecast.backtest import run_order
from predictor.forecast.panel import build_panel
from predictor.results import Results, read_results

# Families with fewer runs leave too little to fit after a hold-out.
FEWEST_RUNS = 5


def holdout(results: Results, family: str, count: int) -> pd.DataFrame:
    """Forecast the `count` runs of the largest compute from the others; one row per held-out score."""
    panel = build_panel(results, family)
    order = run_order(panel)
    held = [panel.runs[number] for number in order[-count:]]
    left = replace(results, evals=results.evals[~results.evals["run"].isin(held)])
    forecaster = fit_forecaster(left, family=family)
    position = {(one.task, one.num_fewshot): row for row, one in enumerate(panel.series)}
    rows = []
    for number in order[-count:]:
        index = np.flatnonzero(panel.run == number)
        last = int(index[np.argmax(panel.tokens[index])])
        answer = forecaster.predict(panel.params[last], panel.tokens[last])
        for one in answer.forecasts:
            truth = float(panel.score[position[one.task, one.num_fewshot], last])
            if not np.isfinite(truth):
                continue
            row = {
                "run": panel.runs[number],
                "ratio": answer.record["compute_ratio"],
                "grade": one.grade,
                "auto": abs(one.median - truth),
                "in80": one.intervals["80"][0] <= truth <= one.intervals["80"][1],
                "in95": one.intervals["95"][0] <= truth <= one.intervals["95"][1],
                "width": one.intervals["80"][1] - one.intervals["80"][0],
            }
            rows.append({**row, **{name: abs(value - truth) for name, value in one.by_method.items()}})
    return pd.DataFrame(rows)


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--hold-out", "counts", type=int, multiple=True, default=(1, 3), help="Runs to hold out; repeatable.")
def main(testbeds: Path, counts: tuple[int, ...]) -> None:
    table = Table(title="held-out runs: mean absolute error in points", title_justify="left", box=None, pad_edge=False)
    for name in ("family", "held out", "compute", "scores", "auto", *METHODS, "in 80 %", "in 95 %", "80 % width"):
        table.add_column(name, justify="left" if name == "family" else "right", no_wrap=True)
    everything = []
    for folder in sorted(path for path in testbeds.iterdir() if (path / "evals.parquet").exists()):
        results = read_results(folder)
        for family, runs in results.evals.groupby("family")["run"].nunique().items():
            for count in counts:
                if runs - count < FEWEST_RUNS - 1 or not results.tasks:
                    continue
                try:
                    rows = holdout(results, str(family), count)
                except PredictorError as error:
                    Console(stderr=True).print(f"{folder.name}, {family}: {error}")
                    continue
                everything.append(rows)
                _add(table, f"{folder.name}: {family}", count, rows)
    _add(table, "all", "-", pd.concat(everything))
    Console(width=170).print(table)


def _add(table: Table, family: str, count: int | str, rows: pd.DataFrame) -> None:
    ratio = f"{rows['ratio'].min():.1f}-{rows['ratio'].max():.1f}x"
    # A method that refuses some of the scores has no mean that could be compared.
    complete = [name in rows and rows[name].notna().all() for name in ("auto", *METHODS)]
    errors = [
        f"{100 * rows[name].mean():.2f}" if whole else "-"
        for name, whole in zip(("auto", *METHODS), complete, strict=True)
    ]
    covered = [f"{100 * rows[name].mean():.0f} %" for name in ("in80", "in95")]
    table.add_row(family, str(count), ratio, str(len(rows)), *errors, *covered, f"{100 * rows['width'].mean():.1f}")


if __name__ == "__main__":
    main()

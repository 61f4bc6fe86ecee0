"""How right the forecasts of the mean over benchmarks are, and how often their intervals hold.

    python benchmarks/accuracy/suite.py [--testbeds ../shared/testbeds] [--only gadre] [--processes 2]

The hold-outs are those of `backtest.py`. Of each held-out run the mean score over all benchmarks that can be forecast
is forecast, by the mean of the forecasts, with an interval from the correlation of their errors that the remaining runs
show. Beside it: the error of taking the largest fitted run's mean as it is, and the coverage of intervals that take the
benchmarks' errors as independent, and as one and the same. Runs count alike within a hold-out, hold-outs alike within a
testbed. About 15 minutes on two idle cores with 40 resamples.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.accuracy.backtest import TESTBEDS, Testbed, families, hold_outs, marked, read
from predictor.errors import ForecastError
from predictor.forecasting.mean import SharedErrors
from predictor.forecasting.panel import build_panel
from predictor.forecasting.track_record import forecast_held_out, means_of

# Correlation that stands for each way of seeing the errors; None for the measured one.
WAYS = {"ours": None, "independent": 0.0, "one error": 0.999}


def forecast_means(testbed: Testbed, folder: Path, family: str, label: str, resamples: int) -> list[dict[str, object]]:
    """Forecast the means of one hold-out's runs, a row each."""
    results = read(testbed, folder)
    panel = build_panel(results, family)
    wanted = marked(testbed, folder, testbed.tasks) if isinstance(testbed.tasks, str) else list(testbed.tasks) or None
    try:
        answers = forecast_held_out(results, panel, hold_outs(testbed, panel)[label], tasks=wanted, resamples=resamples)
    except ForecastError:
        return []
    answers = [answer for answer in answers if testbed.shots in (None, answer.forecast.num_fewshot)]
    rows: dict[str, dict[str, object]] = {}
    for way, correlation in WAYS.items():
        seen = [
            answer if correlation is None else replace(answer, shared=SharedErrors(correlation)) for answer in answers
        ]
        for mean in means_of(seen):
            row = rows.setdefault(mean.run, {"testbed": testbed.name, "family": family, "hold_out": label})
            low, high = mean.forecast.intervals["80"]
            row |= {f"{way} {level}": mean.inside(level) for level in ("80", "95")} | {f"{way} width": high - low}
            if correlation is None:
                row["error"] = abs(mean.forecast.median - mean.truth)
                row["unchanged"] = abs((mean.forecast.largest or np.nan) - mean.truth)
                row["correlation"] = mean.forecast.shared.correlation
    return list(rows.values())


def show(table: pd.DataFrame) -> None:
    """Print a row per testbed and one for all of them."""
    shown = Table(title="mean over benchmarks, points", title_justify="left", box=None, pad_edge=False)
    columns = ["", "hold-outs", "means", "error", "unchanged", "correlation", "in 80%", "in 95%", "width"]
    for name in [*columns, "in 80% if independent", "in 80% if one error"]:
        shown.add_column(name, justify="right" if name else "left")
    for name, rows in [*table.groupby("testbed", sort=False), ("all", table)]:
        keys = [rows["testbed"], rows["family"], rows["hold_out"]]
        means = rows.select_dtypes(["number", "bool"]).astype(float).groupby(keys).mean()
        if name == "all":
            means = means.groupby("testbed").mean()
        value = means.mean()
        shown.add_row(
            str(name),
            str(rows.groupby(["testbed", "family", "hold_out"]).ngroups),
            str(len(rows)),
            *(f"{100 * value[column]:.2f}" for column in ("error", "unchanged")),
            f"{value['correlation']:.2f}",
            *(f"{100 * value[f'ours {level}']:.0f}%" for level in ("80", "95")),
            f"{100 * value['ours width']:.1f}",
            *(f"{100 * value[f'{way} 80']:.0f}%" for way in ("independent", "one error")),
        )
    Console(width=160).print(shown)


@click.command(help=__doc__)
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--only", multiple=True, help="Folder of a testbed; repeatable (default: all).")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True)
@click.option("--resamples", type=click.IntRange(1), default=40, show_default=True)
def main(testbeds: Path, only: tuple[str, ...], processes: int, resamples: int) -> None:
    began, progress, rows = time.monotonic(), Console(stderr=True), []
    with ProcessPoolExecutor(processes) as pool:
        jobs = {}
        for testbed in TESTBEDS:
            if only and testbed.folder not in only:
                continue
            results = read(testbed, testbeds)
            for family in families(testbed, results):
                for label in hold_outs(testbed, build_panel(results, family)):
                    jobs[pool.submit(forecast_means, testbed, testbeds, family, label, resamples)] = (family, label)
        for number, future in enumerate(as_completed(jobs), start=1):
            rows += future.result()
            progress.print(f"{number}/{len(jobs)} ({time.monotonic() - began:.0f} s): {jobs[future]}", highlight=False)
    order = {testbed.name: place for place, testbed in enumerate(TESTBEDS)}
    show(pd.DataFrame(rows).sort_values("testbed", key=lambda names: names.map(order), kind="stable"))


if __name__ == "__main__":
    main()

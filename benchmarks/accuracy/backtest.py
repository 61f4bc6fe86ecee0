"""How right the forecasts are on published training runs, beside the published ways of making them.

    python benchmarks/accuracy/backtest.py [--testbeds ../shared/testbeds] [--only gadre] [--processes 2]

Runs are held out, and everything is fitted on the others: each of our methods, the combination with its weights and
intervals, and plain reimplementations of published ways (`published.py`). One rule for all testbeds: the runs of most
compute (the largest, and about 10 %, 25 % and 50 % of them), and all runs above a size, for up to four sizes evenly
spread over those from the second smallest to the second largest; at least three runs remain, and families have at least
five.

Prints the mean absolute error in points (within each hold-out first, then over hold-outs), the error a perfect forecast
would be charged for noise alone, and coverage, width and interval score of the combination's 80% intervals (Winkler
1972: the width, and ten times what the truth lies outside; within hold-outs first). A way that cannot forecast all
of a testbed's scores has no mean that could be compared and shows a dash. The best published way is chosen by hindsight
on each testbed. Under 15 minutes on two idle cores.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.accuracy.published import PUBLISHED
from predictor.errors import ForecastError
from predictor.forecasting import METHODS
from predictor.forecasting.backtest import FEWEST_RUNS, without_runs
from predictor.forecasting.panel import Benchmark, Panel, build_panel
from predictor.forecasting.register.distribution import interval_score
from predictor.forecasting.track_record import choose_hold_outs, forecast_held_out, without_held_out
from predictor.results import Results, read_results

COMBINATION = "combination"
# A published way and one of our methods may have the same name.
PUBLISHED_PREFIX = "published:"
FEWEST_RUNS_OF_A_FAMILY = 5
MOST_SIZES = 4
CORPORA = ("c4", "commoncorpus", "dclm", "fineweb-edu", "hplt2", "nemotron-cc-hq", "pile", "slimpajama")
ZERO_SHOT = ("arc_challenge", "arc_easy", "lambada_openai", "piqa", "sciq", "winogrande")


@dataclass(frozen=True)
class Testbed:
    """Published runs, and which of their scores are looked at.

    Attributes:
        name: in the table.
        folder: below the testbeds.
        families: whose runs; all with enough of them where empty.
        tasks: benchmarks, or the column of tasks.parquet that marks them; all where empty.
        shots: number of few-shot examples, or None for any.
        lengths: endings of the names of the runs that are used; all where empty.
        average: column of tasks.parquet that marks the benchmarks whose mean error is looked at too.
        above: hold out the runs above this many parameters, in families of any number of runs; by the one rule where
            None.
    """

    name: str
    folder: str
    families: tuple[str, ...] = ()
    tasks: tuple[str, ...] | str = ()
    shots: int | None = None
    lengths: tuple[str, ...] = ()
    average: str | None = None
    above: float | None = None


TESTBEDS = (
    Testbed("olmo_ladder, 1xC to 10xC", "olmo_ladder", tasks="in_main_set", lengths=("-1xC", "-2xC", "-5xC", "-10xC")),
    Testbed("olmo_ladder", "olmo_ladder", tasks="in_main_set"),
    Testbed("pythia", "pythia", families=("pythia", "pythia-deduped"), tasks=ZERO_SHOT, shots=0),
    Testbed("gemstones", "gemstones"),
    Testbed("gadre", "gadre", average="in_subset17"),
    Testbed("exp_emergence", "exp_emergence"),
    Testbed("open_sci_ref", "open_sci_ref", families=tuple(f"osr-{corpus}" for corpus in CORPORA), above=1e9),
)


def read(testbed: Testbed, folder: Path) -> Results:
    """Read a testbed's scores, of the runs that are used."""
    results = read_results(folder / testbed.folder)
    if testbed.lengths:
        results = replace(results, evals=results.evals[results.evals["run"].str.endswith(testbed.lengths)])
    return results


def families(testbed: Testbed, results: Results) -> list[str]:
    """Name the families that leave enough runs to fit."""
    counts = results.evals.groupby("family")["run"].nunique()
    enough = counts[counts >= (FEWEST_RUNS_OF_A_FAMILY if testbed.above is None else 1)].index
    return [str(one) for one in enough if not testbed.families or one in testbed.families]


def marked(testbed: Testbed, folder: Path, column: str) -> list[str]:
    """Name the benchmarks that a column of tasks.parquet marks."""
    tasks = pd.read_parquet(folder / testbed.folder / "tasks.parquet")
    return list(tasks.loc[tasks[column].fillna(False).astype(bool), "task"].unique())


def hold_outs(testbed: Testbed, panel: Panel) -> dict[str, tuple[str, ...]]:
    """Choose the runs that each hold-out leaves out, by compute and by size; no two leave out the same."""
    size = np.array([panel.params[panel.run == number].max() for number in range(len(panel.runs))])
    if testbed.above is not None:
        held = tuple(panel.runs[number] for number in np.flatnonzero(size > testbed.above))
        return {f"above {testbed.above / 1e6:.0f}M": held}
    chosen = {f"largest {len(held)}": held for held in choose_hold_outs(panel)}
    sizes = np.unique(size)[1:-1]
    for limit in sizes[np.unique(np.linspace(0, sizes.size - 1, MOST_SIZES).round().astype(int))] if sizes.size else []:
        # Sizes within five percent count as one.
        larger = np.flatnonzero(size > 1.05 * limit)
        held = tuple(panel.runs[number] for number in larger)
        known = {frozenset(one) for one in chosen.values()}
        if 0 < larger.size <= len(panel.runs) - FEWEST_RUNS and frozenset(held) not in known:
            chosen[f"above {limit / 1e6:.0f}M"] = held
    return chosen


def forecast_all(testbed: Testbed, folder: Path, family: str, label: str, resamples: int) -> pd.DataFrame:
    """Forecast the runs of one hold-out by everything there is.

    Returns:
        one row per (run, series): testbed, family, hold_out, run, task, ratio, truth, floor, inside80, inside95,
        width80, interval_score, and the forecast of the combination, of each of our methods and of each published way.
    """
    results = read(testbed, folder)
    panel = build_panel(results, family)
    held = hold_outs(testbed, panel)[label]
    wanted = marked(testbed, folder, testbed.tasks) if isinstance(testbed.tasks, str) else list(testbed.tasks) or None
    try:
        answers = forecast_held_out(results, panel, held, tasks=wanted, resamples=resamples)
    except ForecastError as error:
        Console(stderr=True).print(f"{testbed.name}, {family}, {label}: {error}")
        return pd.DataFrame()
    rows = [
        {
            "testbed": testbed.name,
            "family": family,
            "hold_out": label,
            "run": one.run,
            "task": one.forecast.task,
            "num_fewshot": one.forecast.num_fewshot,
            "ratio": one.ratio,
            "truth": one.truth,
            "floor": one.noise_floor,
            "inside80": one.inside("80"),
            "inside95": one.inside("95"),
            "width80": one.forecast.intervals["80"][1] - one.forecast.intervals["80"][0],
            "interval_score": interval_score(one.truth, *one.forecast.intervals["80"], "80"),
            COMBINATION: one.forecast.median,
            **one.forecast.by_method,
        }
        for one in answers
        if testbed.shots is None or one.forecast.num_fewshot == testbed.shots
    ]
    table = pd.DataFrame(rows)
    left = without_held_out(results, panel, held)
    published = _published(build_panel(left, family), panel, held, set(table["task"]))
    return table.merge(published, on=["run", "task", "num_fewshot"], how="left")


def _published(fitted: Panel, panel: Panel, held: tuple[str, ...], tasks: set[str]) -> pd.DataFrame:
    """Let the published ways forecast the held-out runs from exactly the observations that ours are fitted to."""
    fitted = fitted.select(np.array([i for i, one in enumerate(fitted.series) if one.task in tasks], dtype=np.intp))
    last = []
    for run in held:
        index = np.flatnonzero(panel.run == panel.runs.index(run))
        last.append(int(index[np.argmax(panel.tokens[index])]))
    keys = [(run, one.task, one.num_fewshot) for one in fitted.series for run in held]
    table = pd.DataFrame(keys, columns=["run", "task", "num_fewshot"])
    for name, way in PUBLISHED.items():
        table[PUBLISHED_PREFIX + name] = way(fitted, panel.params[last], panel.tokens[last]).ravel()
    return table


def mean_errors(table: pd.DataFrame) -> dict[str, float]:
    """Mean absolute error of each way in points, within hold-outs first; NaN for one that misses any score."""
    errors = {}
    for name in [COMBINATION, *METHODS, *(PUBLISHED_PREFIX + way for way in PUBLISHED)]:
        miss = (table[name] - table["truth"]).abs() if name in table else pd.Series(np.nan, table.index)
        errors[name] = _over_hold_outs(table, miss) if miss.notna().all() else np.nan
    return errors


def mean_scores(testbed: Testbed, folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Give the mean score over the benchmarks that `Testbed.average` marks, one row per held-out run.

    Ours is the mean of our forecasts. The published ways are fitted to the mean score itself, as Gadre et al. do.
    """
    tasks = marked(testbed, folder, testbed.average or "")
    rows = table[table["testbed"].eq(testbed.name) & table["task"].isin(tasks)]
    ours = ["truth", COMBINATION, *(name for name in METHODS if name in table)]
    keys = ["family", "hold_out", "run"]
    # skipna=False: a mean over the benchmarks that a way happens to forecast is another mean.
    means = rows.groupby(keys, sort=False)[ours].agg(lambda values: values.mean(skipna=False)).reset_index()
    results = read(testbed, folder)
    for (family, _), held in means.groupby(["family", "hold_out"], sort=False)["run"]:  # type: ignore[misc]
        panel = build_panel(results, str(family))
        series = [i for i, one in enumerate(panel.series) if one.task in tasks]
        chances = [panel.series[i].chance or 0.0 for i in series]
        mean = replace(
            panel,
            series=(Benchmark("mean", "acc", None, float(np.mean(chances)), None),),
            score=panel.score[series].mean(axis=0, keepdims=True),
            stderr=np.sqrt((panel.stderr[series] ** 2).sum(axis=0, keepdims=True)) / len(series),
            task_loss=np.full((1, panel.params.size), np.nan),
            stretches=None,
        )
        out = np.array([panel.runs.index(run) for run in held])
        last = [int(np.flatnonzero(panel.run == number)[panel.tokens[panel.run == number].argmax()]) for number in out]
        for name, way in PUBLISHED.items():
            forecasts = way(without_runs(mean, out), panel.params[last], panel.tokens[last])[0]
            means.loc[held.index, PUBLISHED_PREFIX + name] = forecasts
    return means


def relative_errors(means: pd.DataFrame) -> dict[str, float]:
    """Error of one minus the mean score, relative to it, in percent; within hold-outs first."""
    ways = [COMBINATION, *METHODS, *(PUBLISHED_PREFIX + way for way in PUBLISHED)]
    return {
        name: _over_hold_outs(means, ((means["truth"] - means[name]) / (1 - means["truth"])).abs())
        if name in means and means[name].notna().all()
        else np.nan
        for name in ways
    }


def _over_hold_outs(table: pd.DataFrame, values: pd.Series) -> float:
    return 100 * float(values.astype(float).groupby([table["family"], table["hold_out"]]).mean().mean())


def lead(table: pd.DataFrame, errors: dict[str, float]) -> str:
    """Name the best single way by hindsight, ours or published, and how far the combination is ahead of it in points.

    The standard error is that of the mean of the differences over hold-outs, as if these were independent.
    """
    others = {name: error for name, error in errors.items() if name != COMBINATION and np.isfinite(error)}
    best = min(others, key=lambda name: others[name])
    ours, theirs = ((table[name] - table["truth"]).abs() for name in (COMBINATION, best))
    ahead = 100 * (theirs - ours).astype(float).groupby([table["family"], table["hold_out"]]).mean()
    return f"{best.removeprefix(PUBLISHED_PREFIX)} {ahead.mean():+.2f} ± {ahead.std(ddof=1) / np.sqrt(ahead.size):.2f}"


def best_published(errors: dict[str, float]) -> tuple[str, float]:
    """Name the published way of least error and give that error."""
    known = {name.removeprefix(PUBLISHED_PREFIX): errors[name] for name in errors if name.startswith(PUBLISHED_PREFIX)}
    best = min((name for name in known if np.isfinite(known[name])), key=lambda name: known[name])
    return best, known[best]


def show(table: pd.DataFrame, averages: dict[str, pd.DataFrame]) -> None:
    """Print the two tables: what we and others miss by, and what the combination's intervals hold."""
    columns = {str(name): mean_errors(rows) for name, rows in table.groupby("testbed", sort=False)}
    columns |= {f"{name}, mean error, relative %": relative_errors(means) for name, means in averages.items()}
    errors = Table(title="mean absolute error, points", title_justify="left", box=None, pad_edge=False)
    errors.add_column("")
    for name in columns:
        errors.add_column(name.replace(", ", ",\n"), justify="right")
    for way in next(iter(columns.values())):
        shown = ["-" if np.isnan(one[way]) else f"{one[way]:.2f}" for one in columns.values()]
        errors.add_row(way.replace(PUBLISHED_PREFIX, "published: "), *shown)
    held = Table(title="the combination", title_justify="left", box=None, pad_edge=False)
    for name in ("", "hold-outs", "scores", "compute", "error", "noise floor", "in 80%", "in 95%", "width", "score"):
        held.add_column(name, justify="right" if name else "left", no_wrap=True)
    for name in ("best published", "its error", "ratio", "ahead of the best single way"):
        held.add_column(name, justify="right", no_wrap=True)
    ratios = []
    for name, one in columns.items():
        best, least = best_published(one)
        ratios.append(one[COMBINATION] / least)
        end: tuple[str, ...] = (best, f"{least:.2f}", f"{ratios[-1]:.2f}")
        if name in set(table["testbed"]):
            rows = table[table["testbed"] == name]
            held.add_row(name, *_intervals(rows, f"{one[COMBINATION]:.2f}"), *end, lead(rows, one))
        else:
            held.add_row(name, *["", "", "", f"{one[COMBINATION]:.2f}", "", "", "", "", ""], *end)
    mean = float(np.exp(np.mean(np.log(ratios))))
    held.add_row("all (ratios: geometric mean)", *_intervals(table, ""), "", "", f"{mean:.2f}")
    console = Console(width=200)
    console.print(errors)
    console.print()
    console.print(held)


def _intervals(rows: pd.DataFrame, error: str) -> list[str]:
    return [
        str(rows.groupby(["testbed", "family", "hold_out"]).ngroups),
        str(len(rows)),
        f"{rows['ratio'].min():.2g}-{rows['ratio'].max():.2g}x",
        error,
        f"{_over_hold_outs(rows, rows['floor']):.2f}",
        *(f"{_over_hold_outs(rows, rows[name]):.0f}%" for name in ("inside80", "inside95")),
        *(f"{_over_hold_outs(rows, rows[name]):.1f}" for name in ("width80", "interval_score")),
    ]


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--only", multiple=True, help="Folder of a testbed; repeatable (default: all).")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True)
@click.option("--resamples", type=click.IntRange(1), default=200, show_default=True, help="Of each forecaster.")
@click.option("--rows", type=click.Path(path_type=Path), help="Write every forecast to this Parquet file.")
def main(testbeds: Path, only: tuple[str, ...], processes: int, resamples: int, rows: Path | None) -> None:
    """Print the backtest of every method and published way on the published testbeds."""
    began, progress = time.monotonic(), Console(stderr=True)
    chosen = [one for one in TESTBEDS if not only or one.folder in only]
    jobs = []
    for testbed in chosen:
        results = read(testbed, testbeds)
        for family in families(testbed, results):
            jobs += [(testbed, family, label) for label in hold_outs(testbed, build_panel(results, family))]
    with ProcessPoolExecutor(processes) as pool:
        waiting = {pool.submit(forecast_all, one, testbeds, *rest, resamples): n for n, (one, *rest) in enumerate(jobs)}
        done = {}
        for future in as_completed(waiting):
            number = waiting[future]
            done[number] = future.result()
            where = ", ".join((jobs[number][0].name, *jobs[number][1:]))
            progress.print(f"{len(done)}/{len(jobs)} ({time.monotonic() - began:.0f} s): {where}", highlight=False)
    table = pd.concat([done[number] for number in sorted(done)], ignore_index=True)
    if rows is not None:
        table.to_parquet(rows)
    averages = {one.name: mean_scores(one, testbeds, table) for one in chosen if one.average}
    show(table, averages)
    progress.print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

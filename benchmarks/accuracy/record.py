"""Whether `predictor record` says of registered forecasts what the backtest says of them.

    python benchmarks/accuracy/record.py [--testbeds ../shared/testbeds] [--each 10] [--resamples 20] [--store STORE]

From each of four published ladders the runs of most compute are cut out of the table's files, as if they had not been
trained. Runs that were cut are forecast from what is left and registered in one store, ten from each ladder; then every
forecast is resolved by the whole tables. Beside the record stand the same runs in the backtest, which cuts them out in
memory and reads the truth by itself. Four minutes of processor time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.accuracy.backtest import TESTBEDS, Testbed, families, marked, read
from predictor.forecasting import HeldOutForecast, TrackRecord, fit_forecaster
from predictor.forecasting.panel import Panel, build_panel
from predictor.forecasting.register import TeamRecord, read_entries, register, resolve, team_record
from predictor.forecasting.track_record import choose_hold_outs, forecast_held_out, without_held_out
from predictor.results import Results, read_results

LADDERS = ("olmo_ladder", "pythia", "gemstones", "gadre")


def chosen(panel: Panel, most: int) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Choose hold-outs and the runs of each that are forecast, at most so many, evenly along their compute."""
    held_out = choose_hold_outs(panel)
    for place, held in enumerate(held_out):
        count = min(len(held), max(1, round(most / (len(held_out) - place))))
        most -= count
        picked = np.unique(np.linspace(0, len(held) - 1, count).round().astype(int))
        if count > 0:
            yield held, [held[number] for number in picked]


def write_cut(results: Results, source: Path, folder: Path) -> Results:
    """Write a table without the held-out runs into a folder, and read it as a user would."""
    folder.mkdir()
    results.evals.to_parquet(folder / "evals.parquet")
    for name in ("tasks.parquet", "items"):
        # Items are found by their run: those of runs that were cut out are not asked for.
        if (source / name).exists():
            (folder / name).symlink_to((source / name).absolute())
    return read_results(folder)


def registered(
    testbed: Testbed, source: Path, store: Path, each: int, resamples: int, work: Path
) -> tuple[list[HeldOutForecast], Results]:
    """Register forecasts of one ladder's runs; returns the backtest of the same runs, and the whole table."""
    results = read(testbed, source.parent)
    tasks = marked(testbed, source.parent, testbed.tasks) if isinstance(testbed.tasks, str) else list(testbed.tasks)
    if testbed.shots is not None:
        results = replace(results, evals=results.evals[results.evals["num_fewshot"].fillna(-1) == testbed.shots])
    backtest: list[HeldOutForecast] = []
    names = families(testbed, results)[:2]
    for family in names:
        panel = build_panel(results, family)
        for held, runs in chosen(panel, each // len(names)):
            left = without_held_out(results, panel, held)
            cut = write_cut(left, source, work / f"{testbed.name}-{family}-{len(held)}")
            forecaster = fit_forecaster(cut, family=family, tasks=tasks or None, resamples=resamples)
            for run in runs:
                last = max(panel.last_scored(panel.runs.index(run)))
                forecast = forecaster.predict(panel.params[last], panel.tokens[last])
                register(store, forecast, f"{run} without {len(held)}", run=run, scores=cut)
            found = forecast_held_out(results, panel, held, tasks=tasks or None, resamples=resamples)
            backtest += [answer for answer in found if answer.run in runs]
            click.echo(f"{testbed.name} {family}: {len(runs)} of {len(held)} held-out runs registered", err=True)
    return backtest, results


def compare(record: TeamRecord, backtest: list[HeldOutForecast], ladders: dict[str, set[str]]) -> Table:
    """Put the record beside the backtest, by ladder and over all."""
    table = Table(title="record of registered forecasts | backtest of the same runs", title_justify="left", box=None)
    for name in ("ladder", "forecasts", "scores", "in 80%", "in 95%", "error", "width 80%"):
        table.add_column(name, justify="left" if name == "ladder" else "right", no_wrap=True)
    theirs = TrackRecord("", tuple(backtest), {})
    for name, own in {**ladders, "all": set().union(*ladders.values())}.items():
        rows = record.frame[[entry.forecast.target.family in own for entry, _ in record.judged]]
        other = theirs.frame()[[name == "all" or answer.run in _runs(record, own) for answer in backtest]]
        registered_ones = len({entry.number for entry, _ in record.judged if entry.forecast.target.family in own})
        cells = [f"{len(rows)} | {len(other)}"]
        for column in ("inside80", "inside95", "combination", "width80"):
            cells.append(f"{100 * rows[column].mean():.1f} | {100 * other[column].mean():.1f}")
        table.add_row(name, str(registered_ones), *cells)
    return table


def _runs(record: TeamRecord, own: set[str]) -> set[str | None]:
    return {entry.run for entry in record.entries.registrations if entry.forecast.target.family in own}


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path), default=Path("../shared/testbeds"), show_default=True)
@click.option("--each", default=10, show_default=True, help="Forecasts registered from each ladder.")
@click.option("--resamples", default=20, show_default=True)
@click.option("--only", type=click.Choice(LADDERS), multiple=True, help="This ladder; may be given again.")
@click.option("--store", type=click.Path(path_type=Path), help="Keep the registered forecasts here.")
def main(testbeds: Path, each: int, resamples: int, only: tuple[str, ...], store: Path | None) -> None:
    ladders: dict[str, set[str]] = {}
    backtest: list[HeldOutForecast] = []
    with tempfile.TemporaryDirectory() as folder:
        home = store or Path(folder) / "store"
        for testbed in (found for found in TESTBEDS if found.name in (only or LADDERS)):
            own, results = registered(testbed, testbeds / testbed.folder, home, each, resamples, Path(folder))
            backtest += own
            found = resolve(home, results)
            ladders[testbed.name] = {entry.forecast.target.family for entry, _ in found.resolutions}
        record = team_record(read_entries(home))
    Console(width=120).print(compare(record, backtest, ladders))
    Console().print(record.check().sentence)
    curve = ", ".join(f"{100 * point['level']:.0f}%: {100 * point['inside']:.0f}%" for point in record.calibration())
    Console().print(f"calibration curve: {curve}")


if __name__ == "__main__":
    main()

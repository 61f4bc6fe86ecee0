"""How well the alarms of `predictor track` tell bad runs from good ones.

    python benchmarks/accuracy/track_alarms.py [--testbeds ../shared/testbeds] [--only pythia,gemstones] [--quick]

Each run that `track_runs.py` holds out is followed as it is, and with a defect planted at 30% and 60% of its
checkpoints. "spike": the loss jumps by 10% and comes back within some checkpoints; benchmarks lose 30% of what they
are above chance. "defect": over the next 30% of the run the loss rises by 3% and benchmarks lose 15% of what they are
above chance. A defect shows at the first checkpoint at which the benchmarks of 1,000 items and more have moved, on
average over them, by two standard deviations of one checkpoint's noise; it may well be flagged before. Alarms from
before it was planted do not count.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.accuracy.track_runs import FAMILIES, HoldOut, hold_outs
from predictor.forecasting.trajectory.alarm import DRIFT, JUMP, Signal
from predictor.forecasting.trajectory.paths import Paths
from predictor.forecasting.trajectory.tracker import hold

Array = NDArray[np.float64]

MANY_ITEMS = 1000
ONSETS = (0.3, 0.6)


def plant(paths: Paths, kind: str, onset: float) -> tuple[Paths, NDArray[np.intp], Array]:
    """Plant a defect; also gives the run's checkpoints and by how much each series was moved there, shape (T, K)."""
    trajectories = paths.trajectories
    index = trajectories.checkpoints(paths.run)
    start = int(onset * index.size)
    grown = np.zeros(index.size)
    if kind == "spike":
        grown[start:] = np.exp(-np.arange(index.size - start) / 1.5)
        fall, rise = 0.30, 0.10
    else:
        grown[start:] = np.minimum(np.arange(1, index.size - start + 1) / (0.3 * index.size), 1.0)
        fall, rise = 0.15, 0.03
    value = trajectories.value.copy()
    for row, series in enumerate(trajectories.series):
        if series.is_loss:
            value[row, index] += np.log1p(rise) * grown
        else:
            score = series.unscale(value[row, index])
            fallen = score - fall * grown * np.maximum(score - (series.chance or 0.0), 0.0)
            value[row, index] = np.where(fallen < score, series.scale(fallen), value[row, index])
    moved = value[:, index] - trajectories.value[:, index]
    return replace(paths, trajectories=replace(trajectories, value=value)), index, moved


def alarms(held: HoldOut) -> list[dict[str, object]]:
    """Follow a run as it is and with each defect; one row per case."""
    paths, ends = held.paths()
    trajectories, end = paths.trajectories, held.end
    tokens = trajectories.tokens[trajectories.checkpoints(paths.run)]
    clean = hold(paths, end, ends=ends)
    place = {float(at): number for number, at in enumerate(tokens)}
    case = {"folder": held.folder, "run": held.name}
    why = "; ".join(alarm.describe() for alarm in clean.alarms)
    rows: list[dict[str, object]] = [{**case, "kind": "as it is", "flagged": bool(clean.alarms), "why": why}]
    for kind in ("spike", "defect"):
        for onset in ONSETS:
            planted, index, moved = plant(paths, kind, onset)
            shift = _in_noise(paths, moved)
            shown = np.flatnonzero(shift > 2) if shift is not None else np.array([])
            first = int(onset * index.size)
            # What was flagged before the defect says nothing of it.
            raised = [_all_raised(signal, place) for signal in hold(planted, end, ends=ends).signals]
            after = [at for at in np.concatenate(raised) if at >= first]
            rows.append(
                {
                    **case,
                    "kind": kind,
                    "shows": int(shown[0]) if shown.size else None,
                    "flagged": int(min(after)) if after else None,
                }
            )
    return rows


def _in_noise(paths: Paths, moved: Array) -> Array | None:
    """Return by how many standard deviations of noise the large benchmarks moved on average, shape (K,)."""
    shift = [
        np.abs(moved[row]) / np.sqrt(max(float(paths.scatter.white[row]), 0.1 * float(paths.scatter.item[row])))
        for row in paths.processes
        if (paths.trajectories.series[row].n_items or 0) >= MANY_ITEMS and not paths.trajectories.series[row].is_loss
        if np.isfinite(paths.scatter.white[row])
    ]
    return np.asarray(np.nanmean(shift, axis=0)) if shift else None


def _all_raised(signal: Signal, place: dict[float, int]) -> Array:
    out = (signal.worse > JUMP[signal.name]) | (signal.drift > DRIFT[signal.name])
    return np.array([place[float(tokens)] for tokens in signal.tokens[out]], dtype=float)


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--only", default=",".join(FAMILIES), show_default=True, help="Testbeds, separated by commas.")
@click.option("--quick", is_flag=True, help="Every fourth run of a family of more than four.")
def main(testbeds: Path, only: str, quick: bool) -> None:
    cases: list[dict[str, object]] = []
    for held in hold_outs(testbeds, tuple(only.split(",")), quick):
        cases += alarms(held)
        click.echo(f"{held.folder}: {held.name}", err=True)
    print_alarms(pd.DataFrame(cases))


def print_alarms(cases: pd.DataFrame) -> None:
    clean = cases[cases["kind"] == "as it is"]
    flagged = clean[clean["flagged"].astype(bool)]
    count, total = len(flagged), len(clean)
    # Clopper and Pearson (1934): exact, were runs independent.
    low, high = binomtest(count, total).proportion_ci(0.95)
    share = f"{100 * count / total:.1f}%, 95% interval {100 * low:.1f} to {100 * high:.1f}%"
    click.echo(f"\nundisturbed runs flagged: {count} of {total} ({share})")
    for row in flagged.itertuples():
        click.echo(f"  {row.run}: {row.why}")
    table = Table(title="planted defects", title_justify="left", box=None)
    for name in (
        "testbed",
        "kind",
        "planted",
        "show",
        "within 2 of showing",
        "later",
        "missed",
        "median delay",
        "caught without showing",
    ):
        table.add_column(name, justify="left" if name in ("testbed", "kind") else "right")
    for (folder, kind), group in cases[cases["kind"] != "as it is"].groupby(["folder", "kind"], sort=False):
        shows, flags = group["shows"].astype(float), group["flagged"].astype(float)
        shown = shows.notna()
        delay = (flags - shows)[shown]
        table.add_row(
            str(folder),
            str(kind),
            str(len(group)),
            str(int(shown.sum())),
            str(int((delay <= 2).sum())),
            str(int((delay > 2).sum())),
            str(int((shown & flags.isna()).sum())),
            f"{delay.median():.0f}" if delay.notna().any() else "-",
            str(int((~shown & flags.notna()).sum())),
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()

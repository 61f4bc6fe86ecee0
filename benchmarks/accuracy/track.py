"""How right the end of a run is forecast from its beginning, after each share of its tokens.

    python benchmarks/accuracy/track.py [--testbeds ../shared/testbeds] [--only pythia,gemstones] [--quick] [--peers]

Which runs are held out, and what stays to hold them against, is in `track_runs.py`. The end is the score of the run's
last checkpoint. Printed is the mean absolute error in points after 0, 20, 50, 80, 90 and 100% of the run's tokens, the
share of ends inside the 80% and 95% intervals and the mean width of the former, beside

- last value: the last score seen,
- power law: score = a - b · tokens^-c, fitted to what was seen of the run itself,
- logistic: score = chance + (top - chance) / (1 + exp(slope · (loss - middle))), fitted to the other runs and what was
  seen, where the loss at the end is forecast by E + A · params^-α + B · tokens^-β,
- forecast: what `predictor forecast` says without any checkpoint of the run.

At 100% the error is that of a repetition of what was measured, so nought. Forecasts are kept in the user's cache by
their inputs and the code, so a second call is faster.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import least_squares

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.accuracy.track_runs import FAMILIES, FEWEST_CHECKPOINTS, HoldOut, hold_outs
from predictor.forecasting.trajectory.observations import TrackedSeries
from predictor.forecasting.trajectory.tracker import SeriesTrack, hold

Array = NDArray[np.float64]

SHARES = (0.0, 0.2, 0.5, 0.8, 0.9, 1.0)
BASELINES = ("last value", "power law", "logistic", "forecast")


def judge(held: HoldOut) -> list[dict[str, object]]:
    """Follow a run; one row per benchmark and share seen."""
    paths, ends = held.paths()
    found = hold(paths, held.end, ends=ends)
    rows = {series.label: row for row, series in enumerate(held.trajectories.series)}
    loss = _loss_of(held)
    lines = []
    for tracked in found.series:
        if not tracked.series.is_loss and tracked.tokens.size >= FEWEST_CHECKPOINTS and tracked.series.share.is_share:
            row = rows[tracked.series.label]
            alone = ends[row].forecast.median if row in ends else np.nan
            lines += [_line(held, tracked, row, share, loss, alone) for share in SHARES]
    return lines


def _line(
    held: HoldOut, tracked: SeriesTrack, row: int, share: float, loss: Array | None, alone: float
) -> dict[str, object]:
    truth = float(tracked.observed[-1])
    count = int((tracked.tokens <= 1.0001 * share * held.end).sum())
    final = tracked.final
    inside = {level: bool(final.lower[level][count] <= truth <= final.upper[level][count]) for level in ("80", "95")}
    seen, score = tracked.tokens[:count], tracked.observed[:count]
    others = {"last value": np.nan, "power law": np.nan, "logistic": np.nan, "forecast": alone}
    if count:
        others["last value"] = float(score[-1])
        others["power law"] = float(_power_law(seen, score, np.array([held.end]))[0])
        if loss is not None and count < tracked.tokens.size:
            others["logistic"] = _through_loss(held, row, count, tracked.series, loss)
    return {
        "folder": held.folder,
        "run": held.name,
        "series": tracked.series.label,
        "share": share,
        "predictor": abs(float(final.median[count]) - truth),
        "in 80": inside["80"],
        "in 95": inside["95"],
        "width": float(final.upper["80"][count] - final.lower["80"][count]),
        **{name: abs(value - truth) for name, value in others.items()},
    }


def _loss_of(held: HoldOut) -> Array | None:
    """Return a language-model loss of every checkpoint, None where there is none.

    It is the first held-out loss; Pythia and BigScience have none, there it is the loss on LAMBADA's last words.
    """
    trajectories = held.trajectories
    row = next((number for number, series in enumerate(trajectories.series) if series.is_loss), None)
    if row is not None:
        return np.exp(trajectories.value[row])
    evals = held.results.evals
    evals = evals[(evals["task"] == "lambada_openai") & (evals["metric"] == "ppl") & (evals["num_fewshot"] == 0)]
    table = np.log(evals.groupby(["family", "run", "tokens"])["value"].mean())
    if table.empty:
        return None
    keys = [
        (trajectories.families[trajectories.family[run]], trajectories.runs[run], int(tokens))
        for run, tokens in zip(trajectories.run, trajectories.tokens, strict=True)
    ]
    return np.array([table.get(key, np.nan) for key in keys])


def _through_loss(held: HoldOut, row: int, count: int, series: TrackedSeries, loss: Array) -> float:
    """Forecast the end by a logistic law in a forecast loss."""
    trajectories = held.trajectories
    index = trajectories.checkpoints(held.run)
    index = index[np.isfinite(trajectories.value[row, index])]
    others = np.isin(trajectories.run, held.others)
    known = np.concatenate(
        [np.flatnonzero(others & np.isfinite(loss)), index[:count][np.isfinite(loss[index[:count]])]]
    )
    # Steps before 1% of the longest run follow no law yet.
    late = known[trajectories.tokens[known] >= 0.01 * trajectories.tokens.max()]
    known = late if late.size > 8 else known
    recent = index[:count][np.isfinite(loss[index[:count]])][-5:]
    if known.size < 5 or not recent.size:
        return float("nan")
    law = _loss_law(trajectories.params, trajectories.tokens, loss, known)
    at_end = np.array([law[index[-1]] * float(np.median((loss / law)[recent]))])
    usable = known[np.isfinite(trajectories.value[row, known])]
    usable = usable[:: max(1, usable.size // 300)]
    score = series.unscale(trajectories.value[row, usable])
    return float(_logistic(loss[usable], score, series.chance or 0.0, at_end)[0])


def _power_law(tokens: Array, score: Array, later: Array) -> Array:
    """Fit a - b · (tokens / first)^-c to a run's own beginning; too few checkpoints give the last value."""
    if np.unique(score).size < 3:
        return np.full(later.size, score[-1])
    scale = tokens[-1]

    def curve(at: Array, values: Array) -> Array:
        return values[0] - values[1] * (at / scale) ** -values[2]

    start = [score[-1] + 0.05, 0.05, 0.3]
    found = least_squares(
        lambda values: curve(tokens, values) - score,
        start,
        bounds=([0.0, 0.0, 0.01], [1.0, 2.0, 2.0]),
        loss="soft_l1",
        f_scale=0.02,
    )
    return curve(later, found.x)


def _logistic(loss: Array, score: Array, chance: float, later: Array) -> Array:
    def curve(at: Array, values: Array) -> Array:
        return chance + (values[0] - chance) / (1 + np.exp(np.clip(values[1] * (at - values[2]), -40, 40)))

    start = [min(max(score.max() + 0.1, chance + 0.2), 0.99), 3.0, float(np.median(loss))]
    bounds = ([chance + 1e-3, 0.01, 0.0], [1.0, 50.0, 15.0])
    found = least_squares(lambda values: curve(loss, values) - score, start, bounds=bounds)
    return curve(later, found.x)


def _loss_law(params: Array, tokens: Array, loss: Array, known: NDArray[np.intp]) -> Array:
    def law(values: Array) -> Array:
        floor, size, data, alpha, beta = np.exp(values)
        return floor + size * (params / 1e8) ** -alpha + data * (np.maximum(tokens, 1e6) / 1e10) ** -beta

    start = np.log([1.8, 0.6, 0.4, 0.34, 0.3])
    limits = (np.log([0.1, 1e-3, 1e-3, 0.05, 0.05]), np.log([6.0, 20.0, 20.0, 1.5, 1.5]))
    found = least_squares(
        lambda values: np.log(law(values)[known] / loss[known]), start, bounds=limits, loss="soft_l1", f_scale=0.02
    )
    return law(found.x)


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--only", default=",".join(FAMILIES), show_default=True, help="Testbeds, separated by commas.")
@click.option("--quick", is_flag=True, help="Every fourth run of a family of more than four.")
@click.option("--peers", is_flag=True, help="Leave all other runs in, those of as much compute too.")
def main(testbeds: Path, only: str, quick: bool, peers: bool) -> None:
    for folder in only.split(","):
        lines: list[dict[str, object]] = []
        began = time.process_time()
        for held in hold_outs(testbeds, (folder,), quick, peers):
            lines += judge(held)
            click.echo(f"{folder}: {held.name}, {time.process_time() - began:.0f} s of processor time", err=True)
        print_errors(pd.DataFrame(lines))


def print_errors(lines: pd.DataFrame) -> None:
    """Print a line for each testbed and share: means over all benchmarks of all runs."""
    table = Table(title="the end of held-out runs: mean absolute error in points", title_justify="left", box=None)
    for name in ("testbed", "seen", "ends", "predictor", *BASELINES, "in 80%", "in 95%", "width of 80%"):
        table.add_column(name, justify="left" if name == "testbed" else "right", no_wrap=True)
    for (folder, share), group in lines.groupby(["folder", "share"], sort=False):
        mean = group[["predictor", *BASELINES, "in 80", "in 95", "width"]].astype(float).mean()
        errors = [f"{100 * mean[name]:.2f}" if np.isfinite(mean[name]) else "-" for name in ("predictor", *BASELINES)]
        inside = [f"{100 * mean[name]:.0f}%" for name in ("in 80", "in 95")]
        seen = f"{100 * float(str(share)):.0f}%"
        table.add_row(str(folder), seen, str(len(group)), *errors, *inside, f"{100 * mean['width']:.1f}")
    Console(width=130).print(table)


if __name__ == "__main__":
    main()

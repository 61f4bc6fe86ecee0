"""How right the path of a run is forecast from its beginning, and how well alarms tell bad runs from good ones.

    python benchmarks/accuracy/track.py [--testbeds ../shared/testbeds] [--no-accuracy] [--no-alarms]

Every run of a published family that has at least three runs of less compute is held out in turn, nothing picked. From
its first 20 % and 50 % of checkpoints and those smaller runs the rest of its checkpoints is forecast. Printed is the
mean absolute error in points beside

- last value: the last score seen, to the end,
- power law: score = a - b · tokens^-c, fitted to what was seen of the run itself,
- logistic: score = chance + (top - chance) / (1 + exp(slope · (loss - middle))), fitted to the smaller runs and what
  was seen, where the loss of later checkpoints is forecast by E + A · params^-α + B · tokens^-β, and with the loss as
  it was measured later, which nobody has at the time.

"noise" is the part of the error that no forecast can remove: the mean absolute deviation of single checkpoints from a
smooth path through all of them. Benchmarks of fewer than 1,000 items have more of it, so they are also left out.

"twins" are runs that were trained twice: each size of Pythia on two versions of its corpus, some of the OLMo ladder
with the same settings. The twin's later score at the same tokens, which nobody has at the time, is taken for the run's.

Alarms: each of these runs is followed as it is, and with a defect planted at 30 % and 60 % of it. "spike": the loss
jumps by 10 % and comes back within some checkpoints; benchmarks lose 30 % of what they are above chance. "defect": over
the next 30 % of the run the loss rises by 3 % and benchmarks lose 15 % of what they are above chance. A defect shows at
the first checkpoint at which the benchmarks of 1,000 items and more have moved, on average over them, by two standard
deviations of one checkpoint's noise; it may well be flagged before. Alarms from before it was planted do not count.
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
from scipy.optimize import least_squares
from scipy.stats import binomtest

from predictor.forecast.trajectory.observations import Trajectories, read_trajectories
from predictor.forecast.trajectory.paths import Paths, fit_paths
from predictor.forecast.trajectory.tracker import hold
from predictor.results import read_results

Array = NDArray[np.float64]

FAMILIES = (
    ("pythia", "pythia"),
    ("pythia", "pythia-deduped"),
    ("olmo_ladder", "olmo_ladder"),
    ("gemstones", "gemstones"),
)
SHARES = (0.2, 0.5)
FEWEST_SMALLER = 3
MANY_ITEMS = 1000
METHODS = ("predictor", "last value", "power law", "logistic", "logistic, true loss")
ONSETS = (0.3, 0.6)
# By what the names of a run and of its twin differ, and the families that such twins are in.
TWIN_ENDINGS = ("-deduped", "-rerun")
TWIN_FAMILIES = {"pythia": "pythia-deduped", "pythia-deduped": "pythia"}


def held_out(trajectories: Trajectories) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Give every run with the runs of less compute, where there are enough."""
    flops = trajectories.params * trajectories.tokens
    most = np.array([flops[trajectories.run == run].max() for run in range(len(trajectories.runs))])
    for run in np.argsort(most, kind="stable"):
        # Runs of the same plan differ by a rounding of their tokens.
        smaller = tuple(int(other) for other in np.flatnonzero(most < 0.99 * most[run]))
        if len(smaller) >= FEWEST_SMALLER:
            yield int(run), smaller


def accuracy(
    paths: Paths, share: float, losses: tuple[Array, Array] | None, items: dict[str, float], twin: Array
) -> pd.DataFrame:
    """Forecast the rest of a run from the share of it that is seen; one row per benchmark."""
    trajectories = paths.trajectories
    rows = []
    seen, rest = {}, {}
    for row in paths.processes:
        index = paths.measured(row)
        # A run with hardly any checkpoints has no rest.
        if not trajectories.series[row].is_loss and index.size >= 5:
            count = max(1, int(share * index.size))
            seen[row], rest[row] = index[:count], index[count:]
    everything = trajectories.checkpoints(paths.run)
    column = {int(one): place for place, one in enumerate(everything)}
    followed = paths.follow(seen, paths.points.select(everything))
    whole = paths.follow({row: paths.measured(row) for row in seen}, paths.points.select(everything))
    for row, one in followed.items():
        places = [column[int(at)] for at in rest[row]]
        truth, median, spread = trajectories.value[row, rest[row]], one.median[-1][places], one.spread[-1][places]
        repeated = np.isfinite(twin[row, rest[row]])
        error = {
            name: np.abs(values - truth).mean() for name, values in _baselines(paths, row, seen[row], rest[row], losses)
        }
        rows.append(
            {
                "share": share,
                "run": trajectories.runs[paths.run],
                "many": items.get(trajectories.series[row].task, 0) >= MANY_ITEMS,
                "count": truth.size,
                "predictor": np.abs(median - truth).mean(),
                "in80": (np.abs(median - truth) <= 1.2816 * spread).mean(),
                "noise": np.abs(whole[row].median[-1][places] - truth).mean(),
                "repeated": repeated.sum(),
                "twin": np.abs(twin[row, rest[row]] - truth)[repeated].mean() if repeated.any() else np.nan,
                "beside twin": np.abs(median - truth)[repeated].mean() if repeated.any() else np.nan,
                **error,
            }
        )
    return pd.DataFrame(rows)


def twin_scores(trajectories: Trajectories, run: int, everything: dict[str, Trajectories]) -> Array:
    """Give what the run's twin scored at the same tokens, shape (T, M), NaN where it has none."""
    name = trajectories.runs[run]
    theirs = everything[TWIN_FAMILIES.get(trajectories.family, trajectories.family)]
    scores = np.full(trajectories.value.shape, np.nan)
    names = [*(name + ending for ending in TWIN_ENDINGS), *(name.removesuffix(ending) for ending in TWIN_ENDINGS)]
    twin = next((one for one in names if one in theirs.runs and one != name), None)
    if twin is None:
        return scores
    at = {float(theirs.tokens[index]): index for index in theirs.checkpoints(theirs.runs.index(twin))}
    rows = {one.label: row for row, one in enumerate(theirs.series)}
    for row, one in enumerate(trajectories.series):
        for index in trajectories.checkpoints(run):
            place = at.get(float(trajectories.tokens[index]))
            if place is not None and one.label in rows:
                scores[row, index] = theirs.value[rows[one.label], place]
    return scores


def _baselines(
    paths: Paths, row: int, seen: NDArray[np.intp], rest: NDArray[np.intp], losses: tuple[Array, Array] | None
) -> Iterator[tuple[str, Array]]:
    trajectories = paths.trajectories
    score, tokens = trajectories.value[row], trajectories.tokens
    yield "last value", np.full(rest.size, score[seen[-1]])
    yield "power law", _power_law(tokens[seen], score[seen], tokens[rest])
    if losses is None:
        return
    known = np.flatnonzero(np.isin(trajectories.run, paths.others) & np.isfinite(score))
    known = np.concatenate([known, seen])
    for name, loss in zip(METHODS[3:], losses, strict=True):
        # Fitted to losses as measured; where the later ones are forecast, the forecast meets what was seen.
        usable = known[np.isfinite(losses[1][known])]
        usable = usable[:: max(1, usable.size // 500)]
        yield name, _logistic(losses[1][usable], score[usable], trajectories.series[row].chance or 0.0, loss[rest])


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


def family_losses(paths: Paths, folder: Path) -> dict[float, tuple[Array, Array]] | None:
    """Give, per share seen, a language-model loss of every checkpoint: as forecast for the run's rest, and as measured.

    It is the first held-out loss of the family; Pythia has none, there it is the loss on LAMBADA's last words.
    """
    trajectories = paths.trajectories
    row = next((number for number, one in enumerate(trajectories.series) if one.is_loss), None)
    if row is not None:
        loss = np.exp(trajectories.value[row])
    else:
        evals = read_results(folder).evals
        evals = evals[
            (evals["task"] == "lambada_openai") & (evals["metric"] == "nll_answer") & (evals["num_fewshot"] == 0)
        ]
        table = evals.groupby(["run", "tokens"])["value"].mean()
        keys = zip(trajectories.run, trajectories.tokens, strict=True)
        loss = np.array([table.get((trajectories.runs[run], int(tokens)), np.nan) for run, tokens in keys])
    index = trajectories.checkpoints(paths.run)
    own = index[np.isfinite(loss[index])]
    if own.size < 5:
        return None
    given = {}
    for share in SHARES:
        seen = own[: max(1, int(share * own.size))]
        known = np.concatenate([np.flatnonzero(np.isin(trajectories.run, paths.others) & np.isfinite(loss)), seen])
        # Steps before 1 % of the longest run follow no law yet.
        late = known[trajectories.tokens[known] >= 0.01 * trajectories.tokens.max()]
        forecast = _loss_law(trajectories.params, trajectories.tokens, loss, late if late.size > 8 else known)
        # The law's error on the run itself so far is carried on.
        shift = float(np.median((loss / forecast)[seen[-5:]]))
        given[share] = (np.where(np.isin(np.arange(loss.size), index), forecast * shift, loss), loss)
    return given


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
            value[row, index] -= fall * grown * np.maximum(value[row, index] - (series.chance or 0.0), 0.0)
    moved = value[:, index] - trajectories.value[:, index]
    return replace(paths, trajectories=replace(trajectories, value=value)), index, moved


def alarms(paths: Paths, items: dict[str, float]) -> list[dict[str, object]]:
    """Follow a run as it is and with each defect; one row per case."""
    trajectories = paths.trajectories
    tokens = trajectories.tokens[trajectories.checkpoints(paths.run)]
    end = float(np.nanmax([tokens[-1], np.nan_to_num(trajectories.planned[trajectories.checkpoints(paths.run)][0])]))
    clean = hold(paths, end)
    place = {float(one): number for number, one in enumerate(tokens)}
    run = {"family": trajectories.family, "run": trajectories.runs[paths.run]}
    told = "; ".join(alarm.describe() for alarm in clean.alarms)
    rows: list[dict[str, object]] = [{**run, "kind": "as it is", "flagged": bool(clean.alarms), "told": told}]
    followed = paths.follow({row: paths.measured(row) for row in paths.processes}, paths.place(tokens))
    for kind in ("spike", "defect"):
        for onset in ONSETS:
            planted, index, moved = plant(paths, kind, onset)
            shift = []
            for row, one in followed.items():
                if items.get(trajectories.series[row].task, 0) >= MANY_ITEMS:
                    noise = float(np.median(one.error * np.sqrt(1 - one.certain)))
                    shift.append(np.abs(moved[row]) / noise)
            shown = np.flatnonzero(np.nanmean(shift, axis=0) > 2)
            first = int(onset * index.size)
            # What was flagged before the defect says nothing of it.
            raised = [_all_raised(signal, place) for signal in hold(planted, end).signals]
            after = [at for at in np.concatenate(raised) if at >= first]
            rows.append(
                {
                    **run,
                    "kind": kind,
                    "shows": int(shown[0]) if shown.size else None,
                    "flagged": int(min(after)) if after else None,
                    "onset": first,
                }
            )
    return rows


def _all_raised(signal: object, place: dict[float, int]) -> Array:
    from predictor.forecast.trajectory.alarm import DRIFT, JUMP, Signal

    assert isinstance(signal, Signal)
    out = (signal.worse > JUMP[signal.name]) | (signal.drift > DRIFT[signal.name])
    return np.array([place[float(tokens)] for tokens in signal.tokens[out]], dtype=float)


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--alarms/--no-alarms", "with_alarms", default=True, help="Also plant defects.")
@click.option("--accuracy/--no-accuracy", "with_accuracy", default=True, help="Also forecast with every method.")
def main(testbeds: Path, with_alarms: bool, with_accuracy: bool) -> None:
    frames, cases = [], []
    everything = {family: read_trajectories(read_results(testbeds / folder), family) for folder, family in FAMILIES}
    for folder, family in FAMILIES:
        trajectories = everything[family]
        described = pd.read_parquet(testbeds / folder / "tasks.parquet")
        column = "n_items_acc" if "n_items_acc" in described else "n_items"
        counts = described.set_index("task")[column].astype("Float64").fillna(0).astype(float).to_dict()
        for run, smaller in held_out(trajectories):
            paths = fit_paths(trajectories, run, smaller)
            losses = family_losses(paths, testbeds / folder) if with_accuracy else None
            twin = twin_scores(trajectories, run, everything)
            for share in SHARES if with_accuracy else ():
                found = accuracy(paths, share, losses[share] if losses else None, counts, twin)
                frames.append(found.assign(family=family))
            if with_alarms:
                cases += alarms(paths, counts)
            click.echo(f"{family}: {trajectories.runs[run]}", err=True)
    if with_accuracy:
        print_accuracy(pd.concat(frames))
        print_twins(pd.concat(frames))
    if with_alarms:
        print_alarms(pd.DataFrame(cases))


def print_accuracy(rows: pd.DataFrame) -> None:
    names = ("family", "seen", "benchmarks", "runs", *METHODS, "worst run", "noise", "in 80 %")
    table = Table(title="the rest of held-out runs: mean absolute error in points", title_justify="left", box=None)
    for name in names:
        table.add_column(name, justify="left" if name == "family" else "right")
    for (family, share), group in rows.groupby(["family", "share"], sort=False):
        for label, part in (("all", group), (f"{MANY_ITEMS}+ items", group[group["many"]])):
            numbers = [*METHODS, "noise", "in80"]
            # Mean over the checkpoints of a run, then over runs.
            means = part.groupby("run").apply(
                lambda one, numbers=numbers: pd.Series(
                    {name: np.average(one[name], weights=one["count"]) for name in numbers if name in one}
                )
            )
            average = means.mean()
            errors = [
                f"{100 * average[name]:.2f}" if name in average and np.isfinite(average[name]) else "-"
                for name in METHODS
            ]
            table.add_row(
                str(family),
                f"{100 * share:.0f} %",
                label,
                str(len(means)),
                *errors,
                f"{100 * means['predictor'].max():.2f}",
                f"{100 * average['noise']:.2f}",
                f"{100 * average['in80']:.0f} %",
            )
    Console(width=170).print(table)


def print_twins(rows: pd.DataFrame) -> None:
    """Print errors where the run has a twin, means over the checkpoints of a run, then over runs."""
    table = Table(
        title="\nwhere a run was trained twice: mean absolute error in points", title_justify="left", box=None
    )
    for name in ("family", "seen", "benchmarks", "runs", "predictor", "twin's score"):
        table.add_column(name, justify="left" if name == "family" else "right")
    for (family, share), group in rows[rows["repeated"] > 0].groupby(["family", "share"], sort=False):
        for label, part in (("all", group), (f"{MANY_ITEMS}+ items", group[group["many"]])):
            means = part.groupby("run").apply(
                lambda one: pd.Series(
                    {name: np.average(one[name], weights=one["repeated"]) for name in ("beside twin", "twin")}
                )
            )
            errors = [f"{100 * means[name].mean():.2f}" for name in ("beside twin", "twin")]
            table.add_row(str(family), f"{100 * share:.0f} %", label, str(len(means)), *errors)
    Console(width=170).print(table)


def print_alarms(cases: pd.DataFrame) -> None:
    clean = cases[cases["kind"] == "as it is"]
    flagged = clean[clean["flagged"].astype(bool)]
    count, total = len(flagged), len(clean)
    # Clopper and Pearson (1934): exact, were runs independent.
    low, high = binomtest(count, total).proportion_ci(0.95)
    told = f"{100 * count / total:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    click.echo(f"\nundisturbed runs flagged: {count} of {total} ({told})")
    for row in flagged.itertuples():
        click.echo(f"  {row.run}: {row.told}")
    table = Table(title="planted defects", title_justify="left", box=None)
    for name in (
        "family",
        "kind",
        "planted",
        "show",
        "within 2 of showing",
        "later",
        "missed",
        "median delay",
        "caught without showing",
    ):
        table.add_column(name, justify="left" if name in ("family", "kind") else "right")
    for (family, kind), group in cases[cases["kind"] != "as it is"].groupby(["family", "kind"], sort=False):
        shows, flags = group["shows"].astype(float), group["flagged"].astype(float)
        shown = shows.notna()
        delay = (flags - shows)[shown]
        table.add_row(
            str(family),
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

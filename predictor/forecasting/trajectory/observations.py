"""Every checkpoint of every related run, as arrays; laws look at the ends of runs, a path needs all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import ForecastError
from predictor.forecasting.trajectory.schedule import Schedule, read_schedules
from predictor.results import Results
from predictor.results.scales import SHARE, Scale
from predictor.results.series import LOSS_PREFIX, SERIES_COLUMNS, Series, fill_shots

Array = NDArray[np.float64]

# Scores of 0 and 1 have no logit: they are taken for half an item more, of this many where the number is not stated.
_ASSUMED_ITEMS = 100
_MOST_ITEMS = 1000


@dataclass(frozen=True)
class TrackedSeries(Series):
    """One benchmark, or one held-out loss, as it was measured along training.

    Attributes:
        chance: score of random guessing in the metric's unit, or None.
        n_items: items behind a score, or None.
        share: range and direction of the metric.
    """

    chance: float | None = None
    n_items: int | None = None
    share: Scale = SHARE

    @property
    def label(self) -> str:
        """Name it in tables, as `arc_easy (5-shot)`, or `loss:c4, bpb`, as a text may have several losses."""
        return f"{self.task}, {self.metric}" if self.is_loss else super().label

    @property
    def lower_is_better(self) -> bool:
        """The direction of the metric in its own unit."""
        return self.is_loss or not self.share.higher_is_better

    def scale(self, value: Array) -> Array:
        """Bring values to the scale of the model: logarithms of losses, logits of shares, which rise with quality."""
        if self.is_loss:
            return np.log(value)
        least = 0.5 / min(self.n_items or _ASSUMED_ITEMS, _MOST_ITEMS)
        kept = np.clip(self.share.to_share(value), least, 1 - least)
        return np.asarray(np.log(kept / (1 - kept)))

    def unscale(self, value: Array) -> Array:
        """Undo `scale`."""
        return np.exp(value) if self.is_loss else self.share.from_share(1 / (1 + np.exp(-value)))

    def item_error(self, value: Array) -> Array:
        """Return the standard error on this scale that the items alone leave; zero for losses."""
        if self.is_loss:
            return np.zeros_like(value)
        share = np.clip(1 / (1 + np.exp(-value)), 0.02, 0.98)
        return np.asarray(1 / np.sqrt((self.n_items or _ASSUMED_ITEMS) * share * (1 - share)))


@dataclass(frozen=True)
class Trajectories:
    """All checkpoints of a family and of its relatives. M checkpoints, T series.

    Attributes:
        families: names of the families, the first that of the run that is followed.
        runs: names of the runs.
        family: number of each run's family, shape (runs,).
        schedules: how each run's learning rate falls.
        run: number of each checkpoint's run, shape (M,).
        params: parameters N, shape (M,).
        tokens: training tokens D, shape (M,).
        planned: tokens at which the run's schedule ends, shape (M,), NaN where unknown.
        step: optimizer step, shape (M,), NaN where unknown.
        series: the T benchmarks and losses.
        value: shape (T, M) on the scale of `TrackedSeries.scale`, NaN where not measured.
    """

    families: tuple[str, ...]
    runs: tuple[str, ...]
    family: NDArray[np.intp]
    schedules: tuple[Schedule | None, ...]
    run: NDArray[np.intp]
    params: Array
    tokens: Array
    planned: Array
    step: Array
    series: tuple[TrackedSeries, ...]
    value: Array

    def checkpoints(self, run: int) -> NDArray[np.intp]:
        """Number a run's checkpoints in the order of training."""
        index = np.flatnonzero(self.run == run)
        return index[np.argsort(self.tokens[index], kind="stable")]

    def find(self, run: str) -> int | None:
        """Number a run of the first family by its name."""
        return next((n for n, name in enumerate(self.runs) if name == run and self.family[n] == 0), None)

    def compute(self) -> Array:
        """Return the most compute of each run, parameters times tokens, shape (runs,)."""
        flops = self.params * self.tokens
        return np.array([flops[self.run == run].max() for run in range(len(self.runs))])

    def name(self, run: int) -> str:
        """Name a run, with its family where that is another one."""
        return self.runs[run] if self.family[run] == 0 else f"{self.families[self.family[run]]}/{self.runs[run]}"


def read_trajectories(results: Results, family: str, relatives: Sequence[str] = ()) -> Trajectories:
    """Collect the headline scores and held-out losses of a family and its relatives along training.

    Args:
        results: the table.
        family: that of the run that is followed; the series are those that it was measured on.
        relatives: further families.

    Raises:
        ForecastError: the family has neither scores nor losses.
    """
    families = (family, *relatives)
    rows = _rows_of(results, families)
    own = rows["family"] == family
    if not own.any():
        raise ForecastError(
            f"family {family} of {results.path} has neither a benchmark score that can be forecast nor a held-out loss",
            "score its checkpoints with 'predictor evaluate'",
        )
    keys = pd.MultiIndex.from_frame(rows[SERIES_COLUMNS])
    rows = rows[keys.isin(keys[own])]
    rows = rows.assign(family=pd.Categorical(rows["family"], families, ordered=True))
    groups = rows.groupby(["family", "run", "tokens"], sort=True, observed=True)
    where = groups.agg(params=("params", "first"), step=("step", "max"))
    stated = rows.groupby(["family", "run"], observed=True)["tokens_planned"].max().astype("Float64")
    planned = dict(zip(stated.index, stated.to_numpy(dtype=float, na_value=np.nan), strict=True))
    table = rows.pivot_table(
        index=SERIES_COLUMNS,
        columns=["family", "run", "tokens"],
        values="value",
        aggfunc="mean",
        sort=True,
        observed=True,
    ).reindex(columns=where.index)
    items = rows.groupby(SERIES_COLUMNS)["n_items"].max()
    pairs = pd.MultiIndex.from_frame(where.reset_index()[["family", "run"]].astype(str))
    runs = [(str(name), str(run)) for name, run in dict.fromkeys(pairs)]
    number = {pair: place for place, pair in enumerate(runs)}
    series = tuple(_series(results, key, items.loc[key]) for key in table.index)
    raw = table.to_numpy(float)
    return Trajectories(
        families=families,
        runs=tuple(run for _, run in runs),
        family=np.array([families.index(name) for name, _ in runs], dtype=np.intp),
        schedules=read_schedules(rows, runs),
        run=np.array([number[pair] for pair in pairs], dtype=np.intp),
        params=where["params"].to_numpy(float),
        tokens=where.index.get_level_values("tokens").to_numpy(float),
        planned=np.array([planned[pair] for pair in pairs], dtype=float),
        step=np.asarray(where["step"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)),
        series=series,
        value=np.array([line.scale(values) for line, values in zip(series, raw, strict=True)]),
    )


def _rows_of(results: Results, families: Sequence[str]) -> pd.DataFrame:
    """Choose trained checkpoints: headline scores and held-out losses; `num_fewshot` is -1 where it is not stated."""
    evals = results.evals
    rows = evals[evals["family"].isin(families) & (evals["tokens"] > 0)]
    is_loss = rows["task"].str.startswith(LOSS_PREFIX) & rows["metric"].isin(("nll", "bpb")) & (rows["value"] > 0)
    return fill_shots(rows[is_loss | results.is_headline(rows)])


def _series(results: Results, columns: tuple[str, str, int], items: object) -> TrackedSeries:
    key = Series.from_columns(columns)
    if key.is_loss:
        return TrackedSeries(key.task, key.metric, key.num_fewshot)
    info = results.tasks[key.task]
    counted = info.n_items if pd.isna(items) else int(items)  # type: ignore[call-overload]
    return TrackedSeries(key.task, key.metric, key.num_fewshot, info.chance, counted, info.scale or SHARE)

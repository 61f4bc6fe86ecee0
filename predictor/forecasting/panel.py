"""The observations of one family, as arrays: which checkpoints a law may be fitted to, and their scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import ForecastError, UnknownNameError
from predictor.results.ends import SUMS, Stretches, annealed_checkpoints, last_stretches
from predictor.results.readers import Results
from predictor.results.scales import SHARE, Scale
from predictor.results.series import LOSS_PREFIX, SERIES_COLUMNS, Series, fill_shots
from predictor.results.task_info import TaskInfo

Array = NDArray[np.float64]

# Part of a score's sampling error that averaging checkpoints leaves. All runs answer the same items: most of the error
# is theirs in common and moves no forecast.
SHARED_ERROR = 0.3

# Losses of the right answers, the first that was scored is used.
TASK_LOSSES = ("bpb", "nll_answer", "soft_nll")


@dataclass(frozen=True)
class Benchmark(Series):
    """One benchmark as it was scored, with what a forecast needs to know of it.

    Attributes:
        chance: share that random guessing scores, or None where unknown.
        n_items: number of items, or None where unknown.
        scale: what the panel's shares are of, in the metric's own unit.
        noise_assumed: whether neither standard errors nor the number of items are known.
    """

    chance: float | None = None
    n_items: int | None = None
    scale: Scale = SHARE
    noise_assumed: bool = False


@dataclass(frozen=True)
class Panel:
    """Scores of one family's checkpoints. M observations (checkpoints), T series, K held-out losses.

    Attributes:
        family: its name.
        runs: names of the runs.
        run: number of each observation's run, shape (M,).
        params: parameters N, shape (M,).
        tokens: training tokens D, shape (M,).
        series: the T benchmarks.
        score: shape (T, M), NaN where not scored.
        stderr: standard error of each score, shape (T, M); from the item count where the table has none.
        task_loss: loss of the right answers, shape (T, M), NaN where there is none.
        heldout: names of the K held-out losses.
        heldout_loss: shape (K, M).
        stretches: what the scores of finished runs were estimated from, None where scores are as measured.
    """

    family: str
    runs: tuple[str, ...]
    run: NDArray[np.intp]
    params: Array
    tokens: Array
    series: tuple[Benchmark, ...]
    score: Array
    stderr: Array
    task_loss: Array
    heldout: tuple[str, ...]
    heldout_loss: Array
    stretches: Stretches | None = None

    @property
    def flops(self) -> Array:
        """Training compute 6·N·D, shape (M,), also where a source counts otherwise: the target is counted so too."""
        return 6.0 * self.params * self.tokens

    def observations(self, keep: NDArray[np.bool_]) -> Panel:
        """Keep some of the checkpoints."""
        return replace(
            self,
            run=self.run[keep],
            params=self.params[keep],
            tokens=self.tokens[keep],
            score=self.score[:, keep],
            stderr=self.stderr[:, keep],
            task_loss=self.task_loss[:, keep],
            heldout_loss=self.heldout_loss[:, keep],
            stretches=self.stretches and self.stretches.select(slice(None), keep),
        )

    def select(self, rows: NDArray[np.intp]) -> Panel:
        """Keep some of the series."""
        return replace(
            self,
            series=tuple(self.series[i] for i in rows),
            score=self.score[rows],
            stderr=self.stderr[rows],
            task_loss=self.task_loss[rows],
            stretches=self.stretches and self.stretches.select(rows, slice(None)),
        )

    def last_scored(self, run: int) -> dict[int, NDArray[np.intp]]:
        """Return the newest observations of a run: number of the observation -> numbers of the series it ends.

        While a new checkpoint is half scored, the series that it lacks end at an older one.
        """
        index = np.flatnonzero(self.run == run)
        index = index[np.argsort(self.tokens[index], kind="stable")]
        seen = np.isfinite(self.score[:, index])
        last = index[index.size - 1 - seen[:, ::-1].argmax(axis=1)]
        rows = np.flatnonzero(seen.any(axis=1))
        return {int(number): rows[last[rows] == number] for number in np.unique(last[rows])}

    def own_values(self, row: int) -> tuple[Array, Array]:
        """Return a series' scores and their standard errors in the metric's own unit, each of shape (M,)."""
        scale = self.series[row].scale
        if scale.is_share:
            return self.score[row], self.stderr[row]
        low, high = (scale.from_share(self.score[row] + sign * self.stderr[row] / 2) for sign in (-1, 1))
        return scale.from_share(self.score[row]), np.abs(high - low)

    def with_ends(self) -> Panel:
        """Estimate the scores of finished runs from the runs that are here, and their standard errors."""
        if self.stretches is None:
            return self
        end, noise = self.stretches.ends()
        items = [binomial_error(score, series.n_items) for score, series in zip(end, self.series, strict=True)]
        error = np.where(np.isfinite(self.stretches.stderr), self.stretches.stderr, np.array(items))
        return replace(
            self,
            score=np.where(np.isfinite(end), end, self.score),
            stderr=np.where(np.isfinite(end), np.fmax(noise, SHARED_ERROR * error), self.stderr),
        )


def choose_family(results: Results, family: str | None) -> tuple[str, str | None]:
    """Pick the family to forecast: the one asked for, else the one with the most runs, then the most compute.

    Returns:
        the family and, if it was chosen among several, a note that says so.

    Raises:
        UnknownNameError: the family asked for is not in the table.
    """
    evals = results.evals
    families = list(evals["family"].unique())
    if family is not None:
        if family not in families:
            raise UnknownNameError("family", family, families, str(results.path))
        return family, None
    if len(families) == 1:
        return str(families[0]), None
    compute = evals["params"].astype(float) * evals["tokens"].astype(float)
    ranked = pd.DataFrame({"family": evals["family"], "run": evals["run"], "compute": compute}).groupby("family")
    table = ranked.agg(runs=("run", "nunique"), compute=("compute", "max")).reset_index()
    table = table.sort_values(["runs", "compute", "family"], ascending=[False, False, True], kind="stable")
    chosen = str(table["family"].iloc[0])
    return chosen, f"family {chosen} was chosen of {', '.join(sorted(families))}; name another with --family"


def build_panel(results: Results, family: str, *, fewest_computes: int = 2) -> Panel:
    """Collect a family's observations.

    Runs with a planned end of their learning-rate schedule give one observation, estimated from their last stretch
    (`predictor.results.ends`); runs without one give several, evenly in log tokens.

    Args:
        results: the table.
        family: whose runs.
        fewest_computes: 2 where a law is to be fitted to this family alone, 1 where other families help.

    Raises:
        ForecastError: no benchmark was scored on that many runs of different compute.
    """
    rows = _rows_of(results, family)
    chosen = annealed_checkpoints(rows)
    if fewest_computes > 1:
        _refuse_one_compute(chosen, f"family {family} of {results.path}")
    grid = _Grid.of(chosen, last_stretches(rows[results.is_headline(rows)]))
    series, score, stderr, loss = [], [], [], []
    sums: dict[str, list[Array]] = {name: [] for name in (*SUMS, "stderr")}
    for key in sorted(grid.place, key=lambda key: key.columns):
        if results.headline.get(key.task) != key.metric:
            continue
        info = results.tasks[key.task]
        n_items = grid.most_items(key) or info.n_items
        series.append(_describe(key, info, n_items, bool(np.isfinite(grid.spread("stderr", key)).any())))
        score.append(grid.spread("value", key))
        stderr.append(grid.errors(key, n_items))
        for name, values in sums.items():
            values.append(grid.spread(name, key))
        losses = [Series(key.task, metric, key.num_fewshot) for metric in TASK_LOSSES]
        loss.append(grid.spread("value", next((own for own in losses if own in grid.place), losses[0])))
    heldout: dict[str, Array] = {}
    # Bits per byte compare across tokenizers, and are what results of others have.
    for key in sorted(grid.place, key=lambda key: (key.task, key.metric != "bpb")):
        if key.is_loss:
            heldout.setdefault(key.task, grid.spread("value", key))
    runs = tuple(dict.fromkeys(grid.runs))
    number = {run: i for i, run in enumerate(runs)}
    return Panel(
        family=family,
        runs=runs,
        run=np.array([number[run] for run in grid.runs], dtype=np.intp),
        params=grid.params,
        tokens=grid.tokens,
        series=tuple(series),
        score=np.array(score),
        stderr=np.array(stderr),
        task_loss=_positive(np.array(loss)),
        heldout=tuple(heldout),
        heldout_loss=_positive(np.array(list(heldout.values())).reshape(len(heldout), grid.params.size)),
        stretches=Stretches(**{name: np.array(values) for name, values in sums.items()}),
    ).with_ends()


def _describe(key: Series, info: TaskInfo, n_items: int | None, has_errors: bool) -> Benchmark:
    scale = info.scale or SHARE
    chance = None if info.chance is None else float(scale.to_share(info.chance))
    # Without its standard error, the noise of a score that is not a mean of right answers is not known from its items.
    assumed = not has_errors and (n_items is None or not scale.is_share)
    return Benchmark(key.task, key.metric, key.num_fewshot, chance, n_items, scale, assumed)


def _rows_of(results: Results, family: str) -> pd.DataFrame:
    """Choose a family's trained checkpoints: headline scores, losses of right answers, held-out losses.

    Returns:
        rows of the results table, headline scores as shares, `num_fewshot` filled by `fill_shots`.

    Raises:
        ForecastError: there is no trained checkpoint or no headline score.
    """
    evals = results.evals
    rows = evals[(evals["family"] == family) & (evals["tokens"] > 0)]
    if rows.empty:
        raise ForecastError(f"family {family} of {results.path} has no trained checkpoint", "tokens are 0 in every row")
    wanted = results.is_headline(rows)
    if not wanted.any():
        raise ForecastError(
            f"family {family} of {results.path} has no benchmark score that can be forecast",
            "score it with 'predictor evaluate', or fit its losses with 'predictor laws fit'",
        )
    is_loss = rows["task"].str.startswith(LOSS_PREFIX)
    task_loss = rows["metric"].isin(TASK_LOSSES) & ~is_loss
    rows = rows[wanted | task_loss | (is_loss & rows["metric"].isin(("nll", "bpb")))]
    return fill_shots(results.as_shares(rows))


def _refuse_one_compute(rows: pd.DataFrame, who: str) -> None:
    enough = (
        "score runs of different compute, better five or more, or add scores of other families' models to the table"
    )
    if rows["run"].nunique() < 2:
        raise ForecastError(f"{who} has only one run ({rows['run'].iloc[0]})", enough)
    compute = rows["params"].astype(float) * rows["tokens"].astype(float)
    if compute.max() < 1.01 * compute.min():
        raise ForecastError(f"all runs of {who} have the same compute", enough)


@dataclass(frozen=True)
class _Grid:
    """What was measured of M observations, as means over the checkpoints that make up each.

    Attributes:
        runs: name of each observation's run, M of them.
        params: shape (M,).
        tokens: shape (M,), of the last of its checkpoints.
        cells: one row per observation and (task, metric, num_fewshot): value, stderr, n_items, and
            at the end of a schedule the sums of its last stretch.
        column: observation of each cell.
        place: series -> numbers of its cells.
    """

    runs: tuple[str, ...]
    params: Array
    tokens: Array
    cells: pd.DataFrame
    column: NDArray[np.intp]
    place: dict[Series, NDArray[np.intp]]

    @classmethod
    def of(cls, rows: pd.DataFrame, stretches: pd.DataFrame) -> _Grid:
        """Average chosen checkpoints over the slots of their runs; `stretches` are from `last_stretches`."""
        # The standard error of sampled items does not shrink by repeating them.
        cells = rows.groupby(["run", "slot", *SERIES_COLUMNS], sort=True).agg(
            value=("value", "mean"), stderr=("stderr", "mean"), n_items=("n_items", "max")
        )
        # The end of a schedule is slot 0; other checkpoints stay as they were scored.
        cells = cells.reset_index().merge(stretches.assign(slot=0), on=["run", "slot", *SERIES_COLUMNS], how="left")
        where = rows.groupby(["run", "slot"], sort=True).agg(params=("params", "max"), tokens=("tokens", "max"))
        position = {key: number for number, key in enumerate(where.index)}
        column = [position[key] for key in zip(cells["run"], cells["slot"], strict=True)]
        place = {
            Series.from_columns(key): np.asarray(index)  # type: ignore[arg-type]
            for key, index in cells.groupby(SERIES_COLUMNS).indices.items()
        }
        runs = tuple(where.index.get_level_values("run").astype(str))
        params, tokens = where["params"].to_numpy(float), where["tokens"].to_numpy(float)
        return cls(runs, params, tokens, cells, np.array(column, dtype=np.intp), place)

    def spread(self, name: str, key: Series) -> Array:
        """Return a column of the cells by observation, shape (M,), NaN where nothing was measured."""
        values = np.full(len(self.runs), np.nan)
        if key in self.place:
            values[self.column[self.place[key]]] = self.cells[name].to_numpy(float)[self.place[key]]
        return values

    def most_items(self, key: Series) -> int | None:
        """Return the number of items that a benchmark was scored on, None where no row states it."""
        stated = self.cells["n_items"].iloc[self.place[key]].dropna()
        return int(stated.max()) if len(stated) else None

    def errors(self, key: Series, n_items: int | None) -> Array:
        """Return the standard errors of a benchmark's scores by its items, shape (M,)."""
        error = self.spread("stderr", key)
        return np.where(np.isfinite(error), error, binomial_error(self.spread("value", key), n_items))


def _positive(losses: Array) -> Array:
    """Take losses of zero for missing: a law of a loss is fitted to logarithms."""
    return np.where(losses > 0, losses, np.nan)


def binomial_error(score: Array, n_items: int | None) -> Array:
    """Return the standard error of a share measured on n items, shape of `score`; 100 where unknown."""
    items = n_items or 100
    # Kept from vanishing at 0 and 1 as by one item more of each kind (Agresti and Coull 1998).
    smoothed = (score * items + 1) / (items + 2)
    return np.asarray(np.sqrt(smoothed * (1 - smoothed) / items))


def measurement_error(panel: Panel, row: int, score: Array) -> Array:
    """Return the standard error that scores of new runs will have, by the errors that the panel's scores have.

    All runs answer the same items, and ends of runs are means of checkpoints: both take out part of a binomial error.

    Args:
        panel: the observations.
        row: number of the series.
        score: what the new runs score, of any shape.
    """
    items = _items_of(panel, row)
    seen = np.isfinite(panel.score[row])
    share = float(np.median(panel.stderr[row, seen] / binomial_error(panel.score[row, seen], items)))
    return share * binomial_error(score, items)


def _items_of(panel: Panel, row: int) -> int | None:
    """Return the number of items, recovered from the standard errors of shares where the table does not state it."""
    if panel.series[row].n_items:
        return panel.series[row].n_items
    score, error = panel.score[row], panel.stderr[row]
    seen = np.isfinite(score) & (error > 0) & (score > 0) & (score < 1)
    return round(float(np.median(score[seen] * (1 - score[seen]) / error[seen] ** 2))) if seen.any() else None


def full_noise(panel: Panel, row: int) -> float:
    """Return the standard error of one run's score on a series with all of its items' share, also for means of ends."""
    seen = np.isfinite(panel.score[row])
    stated = float(np.median(panel.stderr[row, seen]))
    items = panel.series[row].n_items
    if not items:
        return stated
    return max(stated, float(np.median(binomial_error(np.clip(panel.score[row, seen], 0.0, 1.0), items))))


def scores_by_run(panel: Panel, row: int) -> tuple[Array, Array, Array]:
    """Return one series' last score of each run, its standard error and its compute in FLOPs, each of shape (runs,)."""
    last = []
    for run in range(len(panel.runs)):
        index = np.flatnonzero((panel.run == run) & np.isfinite(panel.score[row]))
        if index.size:
            last.append(int(index[np.argmax(panel.tokens[index])]))
    return panel.score[row, last], panel.stderr[row, last], panel.flops[last]

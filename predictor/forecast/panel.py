"""The observations of one family, as arrays: which checkpoints a law may be fitted to, and their scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecast.annealed import SERIES, annealed_checkpoints, end_scores
from predictor.results.readers import LOSS_PREFIX, Results
from predictor.results.schema import is_share

Array = NDArray[np.float64]

# Part of a score's sampling error that averaging checkpoints leaves. All runs answer the same items: most of the error
# is theirs in common and moves no forecast.
SHARED_ERROR = 0.3

# Losses of the right answers, the first that was scored is used.
TASK_LOSSES = ("bpb", "nll_answer", "soft_nll")


@dataclass(frozen=True)
class Series:
    """One benchmark as it was scored: what one forecast is made for."""

    task: str
    metric: str
    num_fewshot: int | None
    chance: float | None
    n_items: int | None

    @property
    def label(self) -> str:
        """Name the series in messages, as `arc_easy (5-shot)`."""
        return self.task if self.num_fewshot is None else f"{self.task} ({self.num_fewshot}-shot)"


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
    """

    family: str
    runs: tuple[str, ...]
    run: NDArray[np.intp]
    params: Array
    tokens: Array
    series: tuple[Series, ...]
    score: Array
    stderr: Array
    task_loss: Array
    heldout: tuple[str, ...]
    heldout_loss: Array

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
        )

    def select(self, rows: NDArray[np.intp]) -> Panel:
        """Keep some of the series."""
        return replace(
            self,
            series=tuple(self.series[i] for i in rows),
            score=self.score[rows],
            stderr=self.stderr[rows],
            task_loss=self.task_loss[rows],
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


def build_panel(results: Results, family: str) -> Panel:
    """Collect a family's observations.

    Runs with a planned end of their learning-rate schedule give one observation, estimated from their last stretch
    (`annealed`); runs without one give several, evenly in log tokens.

    Raises:
        ForecastError: no benchmark was scored on at least two runs of different compute.
    """
    evals = results.evals
    rows = evals[(evals["family"] == family) & (evals["tokens"] > 0)]
    if rows.empty:
        raise ForecastError(f"family {family} of {results.path} has no trained checkpoint", "tokens are 0 in every row")
    headline = {name: info.metric for name, info in results.tasks.items() if is_share(info.metric)}
    is_loss = rows["task"].str.startswith(LOSS_PREFIX)
    wanted = rows["metric"].eq(rows["task"].map(headline)) & ~is_loss
    if not wanted.any():
        raise ForecastError(
            f"family {family} of {results.path} has no benchmark score in [0, 1]",
            "score it with 'predictor evaluate', or fit its losses with 'predictor laws fit'",
        )
    task_loss = rows["metric"].isin(TASK_LOSSES) & ~is_loss
    rows = rows[wanted | task_loss | (is_loss & rows["metric"].isin(("nll", "bpb")))]
    rows = rows.assign(num_fewshot=rows["num_fewshot"].fillna(-1).astype(int))
    everything, rows = rows, annealed_checkpoints(rows)
    if rows["run"].nunique() < 2:
        raise ForecastError(
            f"family {family} of {results.path} has only one run ({rows['run'].iloc[0]})",
            "a forecast needs at least two runs of different compute, better five or more",
        )
    compute = rows["params"].astype(float) * rows["tokens"].astype(float)
    if compute.max() < 1.01 * compute.min():
        raise ForecastError(
            f"all runs of family {family} of {results.path} have the same compute",
            "a forecast needs at least two runs of different compute, better five or more",
        )
    # Means over a run's annealed checkpoints; the standard error of sampled items does not shrink by repeating them.
    cells = rows.groupby(["run", "slot", *SERIES], sort=True).agg(
        value=("value", "mean"), stderr=("stderr", "mean"), n_items=("n_items", "max")
    )
    where = rows.groupby(["run", "slot"], sort=True).agg(params=("params", "max"), tokens=("tokens", "max"))
    position = {key: number for number, key in enumerate(where.index)}
    names = where.index.get_level_values("run").astype(str)
    runs = tuple(dict.fromkeys(names))
    number = {run: i for i, run in enumerate(runs)}
    count = len(position)
    cells = cells.reset_index()
    scores = everything["metric"].eq(everything["task"].map(headline)) & ~everything["task"].str.startswith(LOSS_PREFIX)
    cells = cells.merge(end_scores(everything[scores]), on=["run", *SERIES], how="left")
    # The end of a schedule is slot 0; other checkpoints stay as they were scored.
    at_end = cells["end"].notna() & cells["slot"].eq(0)
    cells["value"] = cells["value"].where(~at_end, cells["end"].clip(0.0, 1.0))
    cells["end_noise"] = cells["end_noise"].where(at_end)
    column = np.array([position[key] for key in zip(cells["run"], cells["slot"], strict=True)])
    indices = cells.groupby(["task", "metric", "num_fewshot"]).indices
    by_name: dict[tuple[str, str, int], NDArray[np.intp]] = {
        (str(key[0]), str(key[1]), int(key[2])): np.asarray(index)  # type: ignore[index]
        for key, index in indices.items()
    }

    def spread(name: str, key: tuple[str, str, int]) -> Array:
        values = np.full(count, np.nan)
        if key in by_name:
            values[column[by_name[key]]] = cells[name].to_numpy(float)[by_name[key]]
        return values

    series, score, stderr, loss = [], [], [], []
    for task, metric, shots in sorted(by_name):
        if task.startswith(LOSS_PREFIX) or headline.get(task) != metric:
            continue
        values, errors = (spread(name, (task, metric, shots)) for name in ("value", "stderr"))
        seen = cells["n_items"].iloc[by_name[task, metric, shots]].dropna()
        n_items = int(seen.max()) if len(seen) else results.tasks[task].n_items
        series.append(Series(task, metric, shots if shots >= 0 else None, results.tasks[task].chance, n_items))
        score.append(values)
        errors = np.where(np.isfinite(errors), errors, binomial_error(values, n_items))
        noise = spread("end_noise", (task, metric, shots))
        stderr.append(np.where(np.isfinite(noise), np.fmax(noise, SHARED_ERROR * errors), errors))
        own = next((name for name in TASK_LOSSES if (task, name, shots) in by_name), None)
        loss.append(spread("value", (task, own, shots)) if own else np.full(count, np.nan))
    heldout: list[str] = []
    heldout_loss: list[Array] = []
    for task, metric, shots in sorted(by_name, key=lambda key: (key[0], key[1] != "nll")):
        if task.startswith(LOSS_PREFIX) and task not in heldout:
            heldout.append(task)
            heldout_loss.append(spread("value", (task, metric, shots)))
    return Panel(
        family=family,
        runs=runs,
        run=np.array([number[run] for run in names], dtype=np.intp),
        params=where["params"].to_numpy(float),
        tokens=where["tokens"].to_numpy(float),
        series=tuple(series),
        score=np.array(score),
        stderr=np.array(stderr),
        task_loss=_positive(np.array(loss)),
        heldout=tuple(heldout),
        heldout_loss=_positive(np.array(heldout_loss).reshape(len(heldout), count)),
    )


def _positive(losses: Array) -> Array:
    """Take losses of zero for missing: a law of a loss is fitted to logarithms."""
    return np.where(losses > 0, losses, np.nan)


def binomial_error(score: Array, n_items: int | None) -> Array:
    """Give the standard error of a share measured on n items, shape of `score`; 100 items are assumed where unknown."""
    items = n_items or 100
    # Kept from vanishing at 0 and 1 as by one item more of each kind (Agresti and Coull 1998).
    smoothed = (score * items + 1) / (items + 2)
    return np.asarray(np.sqrt(smoothed * (1 - smoothed) / items))


def measurement_error(panel: Panel, row: int, score: Array) -> Array:
    """Give the standard error that scores of new runs will have, by the errors that the panel's scores have.

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
    """Give the number of items, recovered from the standard errors of shares where the table does not state it."""
    if panel.series[row].n_items:
        return panel.series[row].n_items
    score, error = panel.score[row], panel.stderr[row]
    seen = np.isfinite(score) & (error > 0) & (score > 0) & (score < 1)
    return round(float(np.median(score[seen] * (1 - score[seen]) / error[seen] ** 2))) if seen.any() else None

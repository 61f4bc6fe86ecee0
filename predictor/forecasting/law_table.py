"""Fit a law of the library to a results table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import ForecastError, InputError, UnknownNameError
from predictor.fitting import LawFit, fit_law
from predictor.forecasting.law_columns import as_output, column
from predictor.forecasting.panel import TASK_LOSSES, choose_family
from predictor.laws import Constraints, Law, complete_inputs, constrain
from predictor.results.ends import annealed_checkpoints
from predictor.results.readers import Results
from predictor.results.series import LOSS_PREFIX, fill_shots, main_shots, with_shots

Array = NDArray[np.float64]

# Inputs that the rows of a results table give, whatever further columns it has.
_HELD = {"params", "tokens", "flops", "tokens_per_param", "chance", "loss"}
# What `_observations` makes of a task beside the columns.
_MADE = ("run", "slot", "value")
# Columns that move along a run: its checkpoints are averaged at the end of a schedule all the same.
_ALONG_RUNS = ("params", "tokens", "flops", "step", "unique_tokens")


def fit_law_to_results(
    law: Law,
    results: Results,
    *,
    task: str,
    metric: str | None = None,
    loss: str | None = None,
    family: str | None = None,
    inputs: Mapping[str, str] | None = None,
    constraints: Constraints | None = None,
) -> LawFit:
    """Fit a law to one task of one family, over the checkpoints that a law may be fitted to.

    Args:
        law: the law.
        results: the table.
        task: a benchmark, or a held-out loss (`loss:…`).
        metric: its metric; the headline metric of a benchmark and `nll` or `bpb` of a loss where None.
        loss: for laws in loss, which one: a held-out loss, or the task's own right answers where None.
        family: the family; that with the most runs where None.
        inputs: input -> column of the table that holds it, as `samples` -> `finetuning_examples`. A column that has the
            name of an input is read without being named.
        constraints: parameters that are fixed or tied.

    Raises:
        UnknownNameError: the task, metric, loss, family, an input or a column is not in the table.
        InputError: the law reads what the table does not hold, or gives another kind of quantity than the task has.
        ForecastError: nothing can be fitted. What is too little to determine the law is told by the fit.
    """
    chosen, _ = choose_family(results, family)
    rows = results.evals[(results.evals["family"] == chosen) & (results.evals["tokens"] > 0)]
    columns = _columns(law, rows, inputs or {}, str(results.path))
    scores, reads = _observations(law, results, rows, task, metric, loss, columns)
    if scores.empty:
        raise ForecastError(
            f"{task} of family {chosen} has no observation with all that {law.name} reads", "score more runs"
        )
    value = as_output(law, scores["value"].to_numpy(float), str(scores["metric"].iloc[0]))
    if law.fit_scale == "log" and (value <= 0).any():
        raise ForecastError(
            f"{law.name} is fitted to logarithms, {task} has values that are not positive",
            "choose a loss:… task" if law.gives == "loss" else "fit a law that is not",
        )
    fit = fit_law(constrain(law, constraints or Constraints()), reads, value, run=scores["run"].to_numpy(str))
    if fit.status == "failed":
        raise ForecastError(f"{law.name} has no finite value on {task} of family {chosen}", "check the table's numbers")
    return fit


def _columns(law: Law, rows: pd.DataFrame, inputs: Mapping[str, str], source: str) -> dict[str, str]:
    """Return the column of each input that is read from one: those named, and those that bear an input's name."""
    for name in inputs:
        if name not in {*law.input_names, "params", "tokens"}:
            raise UnknownNameError("input", name, law.input_names, f"law {law.name}")
    for where in inputs.values():
        column(rows, where, source)
    free = [name for name in (*law.input_names, "params_active") if name not in ("params", "tokens", *_MADE)]
    own = {name: name for name in free if name in rows.columns and rows[name].notna().any()}
    found = {**own, **inputs}
    if unread := [name for name in law.input_names if name not in {*_HELD, *found}]:
        raise InputError(
            f"{law.name} reads {', '.join(unread)}, which {source} does not hold",
            f"name columns with --inputs {','.join(f'{name}=COLUMN' for name in unread)}, or fit it with --table",
        )
    return found


def _observations(
    law: Law,
    results: Results,
    rows: pd.DataFrame,
    task: str,
    metric: str | None,
    loss: str | None,
    columns: Mapping[str, str],
) -> tuple[pd.DataFrame, dict[str, Array]]:
    """Return a task's scores as `_scores` does, and the inputs that the law reads beside them."""
    # One checkpoint may be scored at several points of another axis, as samples at inference.
    apart = tuple(dict.fromkeys(where for where in columns.values() if where not in _ALONG_RUNS))
    scores = _scores(rows, results, task, metric, tuple(columns.values()), apart)
    reads = set(law.input_names)
    chance = (results.task(task).chance or 0.0) if "chance" in reads else 0.0
    if "loss" in reads and "loss" not in columns:
        losses = _scores(rows, results, loss or task, None if loss else _own_loss(rows, task))
        scores = scores.merge(losses[["run", "tokens", "value"]], on=["run", "tokens"], suffixes=("", "_loss"))
    given = {"params": scores["params"].to_numpy(float), "tokens": scores["tokens"].to_numpy(float)}
    given |= {name: column(scores, where, str(results.path)) for name, where in columns.items()}
    if "flops" in given:
        # Where a source does not state the compute of a run it follows from size and data.
        usual = complete_inputs({name: value for name, value in given.items() if name != "flops"})["flops"]
        given["flops"] = np.where(np.isfinite(given["flops"]), given["flops"], usual)
    known = complete_inputs(given)
    known.setdefault("chance", np.full(len(scores), chance))
    if "loss" in reads and "loss" not in columns:
        known["loss"] = scores["value_loss"].to_numpy(float)
    return scores, {name: known[name] for name in law.input_names}


def _scores(
    rows: pd.DataFrame,
    results: Results,
    task: str,
    metric: str | None,
    columns: tuple[str, ...] = (),
    apart: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Return one row per observation: run, slot, params, tokens, value and `columns`; rows differ in `apart`, too."""
    found = rows[rows["task"] == task]
    if found.empty:
        raise UnknownNameError("task", task, rows["task"].unique(), str(results.path))
    metrics = list(found["metric"].unique())
    if metric is None:
        known = [name for name in ("nll", "bpb") if name in metrics]
        metric = known[0] if task.startswith(LOSS_PREFIX) and known else results.task(task).metric
    if metric not in metrics:
        raise UnknownNameError("metric", metric, metrics, f"{task} of {results.path}")
    found = found[found["metric"] == metric]
    # One prompt format at a time.
    found = with_shots(found, main_shots(found))
    found = annealed_checkpoints(fill_shots(found))
    more = {name: (name, "max") for name in {*columns} - {"params", "tokens", *apart, *_MADE}}
    means = found.groupby(["run", "slot", *apart], as_index=False).agg(
        params=("params", "max"), tokens=("tokens", "max"), value=("value", "mean"), **more
    )
    return means.assign(metric=metric)


def _own_loss(rows: pd.DataFrame, task: str) -> str:
    metrics = set(rows.loc[rows["task"] == task, "metric"])
    for name in TASK_LOSSES:
        if name in metrics:
            return name
    raise InputError(
        f"{task} has no loss of its right answers ({', '.join(TASK_LOSSES)})",
        "name a loss with --loss, in 'laws solve' with --loss-task",
    )

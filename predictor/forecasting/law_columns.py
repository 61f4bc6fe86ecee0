"""Fit a law of the library to any table, its inputs and output named by column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.benchmarks import known_metric
from predictor.errors import ForecastError, InputError, UnknownNameError
from predictor.fitting import LawFit, fit_law
from predictor.laws import Constraints, Law, complete_inputs, constrain
from predictor.laws.law import Kind

Array = NDArray[np.float64]

_NAMES: dict[Kind, frozenset[str]] = {
    "score": frozenset({"accuracy", "score"}),
    "error": frozenset({"error", "error_rate", "top1_error"}),
    "loss": frozenset({"loss", "val_loss", "train_loss"}),
    "learning rate": frozenset({"lr", "learning_rate", "peak_lr", "eta"}),
    "batch size": frozenset({"batch", "batch_size"}),
}
_OPPOSITE = {("error", "score"), ("score", "error")}


def kind_of(name: str) -> Kind | None:
    """Return the kind of quantity that a metric or column of this name holds, None where the name does not tell."""
    lower = name.lower()
    for kind, names in _NAMES.items():
        if lower in names:
            return kind
    known = known_metric(lower)
    if known is None:
        return "loss" if lower.startswith("loss") else None
    if known.kind == "loss":
        return "loss"
    if (known.kind, known.low, known.high) != ("score", 0.0, 1.0):
        return None
    return "score" if known.higher_is_better else "error"


def as_output(law: Law, values: Array, name: str) -> Array:
    """Return values as the law gives them; scores become errors, or the reverse, where the law gives the other.

    Args:
        law: the law.
        values: shape (observations,).
        name: of the metric or column that holds them.

    Raises:
        InputError: they are another kind of quantity than the law gives.
    """
    kind = kind_of(name)
    if law.gives == "error or loss" and kind in ("score", "error", "loss"):
        return 1.0 - values if kind == "score" else values
    if kind and law.gives != "other" and kind != law.gives and (kind, law.gives) not in _OPPOSITE:
        raise InputError(
            f"{law.name} gives a {law.gives}, and {name} is a {kind}",
            f"name a {law.gives}" + (", as the task loss:…" if law.gives == "loss" else ""),
        )
    seen = values[np.isfinite(values)]
    if law.gives in ("score", "error", "share") and ((seen < 0) | (seen > 1)).any():
        raise InputError(f"{law.name} gives a {law.gives} in [0, 1], and {name} lies outside", "divide percents by 100")
    if law.gives == "learning rate" and (seen > 1).any():
        raise InputError(f"{law.name} gives a learning rate, and {name} exceeds 1", "name the column of learning rates")
    if law.gives in ("batch size", "model size", "tokens") and (seen < 1).any():
        raise InputError(f"{law.name} gives a {law.gives}, and {name} has values below 1", "give whole counts")
    return 1.0 - values if (kind, law.gives) in _OPPOSITE else values


def fit_law_to_table(
    law: Law,
    table: pd.DataFrame,
    output: str,
    *,
    inputs: Mapping[str, str] | None = None,
    constraints: Constraints | None = None,
    stderr: str | None = None,
    source: str = "the table",
) -> LawFit:
    """Fit a law to the rows of a table.

    Args:
        law: the law.
        table: one row per observation; a column `run`, if there, names the training run of each for resampling.
        output: column of what the law gives.
        inputs: input -> its column. An input that is not named is read from the column of its own name, or follows from
            `params`, `tokens` and `params_active` as in `complete_inputs`.
        constraints: parameters that are fixed or tied.
        stderr: column of the standard errors of the output, in its unit; equal errors where None.
        source: what to call the table in errors.

    Returns:
        the fit, in the free parameters only.

    Raises:
        UnknownNameError: a column, an input or a parameter that is not there.
        InputError: an input is missing, or the output is another kind of quantity than the law gives.
        ForecastError: no finite value of the law was found.
    """
    reads = read_inputs(law, table, inputs or {}, source)
    values = as_output(law, column(table, output, source), output)
    sigma = None
    if stderr is not None:
        sigma = column(table, stderr, source)
        sigma = sigma / values if law.fit_scale == "log" else sigma
    run = table["run"].to_numpy(str) if "run" in table.columns else None
    fit = fit_law(constrain(law, constraints or Constraints()), reads, values, sigma=sigma, run=run)
    if fit.status == "failed":
        raise ForecastError(f"{law.name} has no finite value on {output} of {source}", "check the table's numbers")
    return fit


def column(table: pd.DataFrame, name: str, source: str) -> Array:
    """Read a column of numbers, shape (rows,); missing ones are NaN.

    Raises:
        UnknownNameError: there is no such column.
        InputError: it holds something else than numbers.
    """
    if name not in table.columns:
        raise UnknownNameError("column", name, map(str, table.columns), source)
    try:
        return pd.to_numeric(table[name]).to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError):
        raise InputError(f"column {name} of {source} holds no numbers", "name a column of numbers") from None


def read_inputs(law: Law, table: pd.DataFrame, inputs: Mapping[str, str], source: str) -> dict[str, Array]:
    """Read what a law reads from the columns of a table; arguments and errors as in `fit_law_to_table`.

    Returns:
        input -> shape (rows,), every input of the law.
    """
    for name in inputs:
        if name not in {*law.input_names, "params", "tokens", "params_active"}:
            raise UnknownNameError("input", name, law.input_names, f"law {law.name}")
    given = {name: column(table, where, source) for name, where in inputs.items()}
    for name in {*law.input_names, "params", "tokens", "params_active"} - set(given):
        if name in table.columns and not table[name].isna().all():
            given[name] = column(table, name, source)
    known = complete_inputs(given)
    if missing := [name for name in law.input_names if name not in known]:
        raise InputError(
            f"{law.name} reads {', '.join(missing)}, which {source} does not hold",
            f"name columns with --inputs {','.join(f'{name}=COLUMN' for name in missing)}",
        )
    return {name: known[name] for name in law.input_names}

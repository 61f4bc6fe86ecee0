"""The results table: one row per (checkpoint, task, metric), checked at the border and trusted inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from predictor.errors import InputError

# Column -> pandas type, in the order in which tables are written. Units: params and tokens are counts, flops are
# training FLOPs, value and stderr are in the metric's unit (accuracies in [0, 1], losses in nats or bits).
COLUMNS: dict[str, str] = {
    "family": "str",
    "run": "str",
    "params": "int64",
    "params_non_embedding": "Int64",
    "step": "Int64",
    "tokens": "int64",
    "tokens_planned": "Int64",
    "flops": "float64",
    "task": "str",
    "metric": "str",
    "value": "float64",
    "stderr": "float64",
    "n_items": "Int64",
    "num_fewshot": "Int64",
}
# Of 64-bit integers, with room for their sums.
_LARGEST = 4e18
REQUIRED = ("run", "params", "tokens", "task", "metric", "value")

# Headline metric of a task when no task table names one: the first of these that the task has.
HEADLINE_ORDER = ("acc_norm", "acc", "exact_match", "pass@1", "f1", "score", "acc_raw", "nll", "bpb")

# Scores that live in [0, 1], higher is better: what forecasts are made of.
SHARE_METRICS = frozenset({"acc", "acc_norm", "acc_raw", "acc_bytes", "exact_match", "em", "f1", "pct_stereotype"})

# Losses: positive, lower is better.
LOSS_METRICS = frozenset({"nll", "nll_answer", "bpb", "soft_nll", "ce", "brier", "brier_raw"})


def is_share(metric: str) -> bool:
    """Tell whether a metric is a share in [0, 1] (accuracies, exact match, pass@k)."""
    return metric in SHARE_METRICS or metric.startswith(("pass@", "exact_match", "acc"))


def require(frame: pd.DataFrame, columns: Sequence[str], source: str) -> None:
    """See that a table has columns and at least one row.

    Args:
        frame: the table.
        columns: what it needs.
        source: what to call it in errors, as its path.

    Raises:
        InputError: a column is missing, or there is no row.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InputError(
            f"{source} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            f"a table needs {', '.join(columns)}; it has {', '.join(map(str, frame.columns)) or 'no columns'}",
        )
    if frame.empty:
        raise InputError(f"{source} has no rows", "write at least one score")


def validate(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Bring a table into the schema; further columns are kept behind the known ones.

    Args:
        frame: a table with at least the required columns.
        source: what to call it in errors, as its path.

    Returns:
        a new frame with the schema's columns and types, without the rows whose value is missing.

    Raises:
        InputError: a required column is missing, a column has the wrong type, a number is impossible, or nothing is
        left.
    """
    require(frame, REQUIRED, source)
    table = frame.copy()
    if "family" not in table.columns:
        table["family"] = "default"
    for name, kind in COLUMNS.items():
        if name not in table.columns:
            table[name] = pd.NA if kind == "Int64" else np.nan
        table[name] = _typed(table[name], name, kind, source)
    table = table[table["value"].notna()]
    if table.empty:
        raise InputError(f"{source} has no score: every value is missing or NaN", "score the checkpoints again")
    _refuse(table, ~np.isfinite(table["value"]), "an infinite value", source)
    _refuse(table, table["params"] <= 0, "params that are not positive", source)
    _refuse(table, table["tokens"] < 0, "negative tokens", source)
    share = table["metric"].isin([name for name in table["metric"].unique() if is_share(name)])
    _refuse(
        table, share & ~table["value"].between(0.0, 1.0), "a score outside [0, 1]", source, "divide percents by 100"
    )
    _refuse(table, table["metric"].isin(LOSS_METRICS) & (table["value"] < 0), "a negative loss", source)
    _refuse(table, table["stderr"] < 0, "a negative stderr", source)
    _refuse(table, table["n_items"] <= 0, "n_items that are not positive", source)
    named = table[["family", "run", "params"]].drop_duplicates()
    twice = named[named.duplicated(["family", "run"])]
    if len(twice):
        name = twice["run"].iloc[0]
        raise InputError(f"{source} has one run name, {name}, for two sizes", "give each training run its own name")
    rest = [name for name in table.columns if name not in COLUMNS]
    return table[[*COLUMNS, *rest]].reset_index(drop=True)


def _typed(column: pd.Series, name: str, kind: str, source: str) -> pd.Series:
    if kind == "str":
        if name != "family" and column.isna().any():
            raise InputError(f"{source}: column {name} is empty in row {_first(column.isna())}", "fill it in")
        return column if column.dtype == "str" and name != "family" else column.fillna("default").astype(str)
    if column.dtype == kind:
        # Already typed, as in tables that this package wrote: only missing values are left to look for.
        return column
    numbers = pd.to_numeric(column, errors="coerce").astype("Float64")
    broken = numbers.isna() & column.notna()
    if broken.any():
        # NaN is a missing score, a word is a mistake.
        broken &= ~column.astype(str).str.strip().str.lower().isin(["", "nan", "none", "null", "na", "<na>"])
    if broken.any():
        row = _first(broken)
        raise InputError(
            f"{source}: column {name} is not a number in row {row} ('{column.iloc[row - 1]}')", "write a number"
        )
    if kind == "int64" and numbers.isna().any():
        raise InputError(f"{source}: column {name} is empty in row {_first(numbers.isna())}", "fill it in")
    if kind == "float64":
        return numbers.astype("float64")
    huge = ~numbers.fillna(0.0).abs().le(_LARGEST)
    if huge.any():
        row = _first(huge)
        raise InputError(
            f"{source}: column {name} is {column.iloc[row - 1]} in row {row}", f"no count here exceeds {_LARGEST:.0e}"
        )
    return numbers.round().astype(kind)  # type: ignore[call-overload]


def _refuse(table: pd.DataFrame, bad: pd.Series, what: str, source: str, remedy: str = "correct the row") -> None:
    bad = bad.fillna(False).astype(bool)
    if bad.any():
        row = table[bad].iloc[0]
        raise InputError(f"{source} has {what} (run {row['run']}, task {row['task']}, metric {row['metric']})", remedy)


def _first(mask: Iterable[bool]) -> int:
    """Number the first row that is marked, the one below a table's header being row 1."""
    return 1 + int(np.argmax(np.asarray(mask, dtype=bool)))

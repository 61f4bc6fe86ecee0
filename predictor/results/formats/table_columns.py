"""Recognise the columns of tables as people publish them: other names, units in the header, a column per benchmark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from predictor.benchmarks import known_benchmark, known_metric
from predictor.errors import InputError

_ALIASES = {
    "run": ("run", "run_name", "run_id"),
    "model": ("model", "name", "model_name", "model_id", "model_name_or_path", "checkpoint", "fullname", "model_path"),
    "revision": ("revision", "model_revision"),
    "family": ("family", "model_family"),
    "task": ("task", "tasks", "task_name", "benchmark", "dataset", "eval_task", "evaluation"),
    "metric": ("metric", "metrics", "metric_name"),
    "filter": ("filter", "filter_name"),
    "value": ("value", "score", "performance", "result", "metric_value"),
    "stderr": ("stderr", "std_err", "standard_error", "stderr_value", "se"),
    "num_fewshot": (
        "num_fewshot",
        "n_shot",
        "nshot",
        "n_shots",
        "shots",
        "num_shots",
        "fewshot",
        "few_shot",
        "num_few_shot",
        "k_shot",
    ),
    "n_items": ("n_items", "n_samples", "num_samples", "num_instances", "n_examples", "num_examples", "n_effective"),
    "params": (
        "params",
        "n_params",
        "num_params",
        "nparams",
        "parameters",
        "n_parameters",
        "num_parameters",
        "total_params",
        "model_size",
        "model_params",
        "model_num_parameters",
    ),
    "params_non_embedding": ("params_non_embedding", "non_embedding_params", "non_embedding_parameters"),
    "tokens": (
        "tokens",
        "n_tokens",
        "num_tokens",
        "tokens_seen",
        "train_tokens",
        "training_tokens",
        "pretraining_tokens",
        "pretraining_data_size",
        "training_data_size",
        "num_train_tokens",
    ),
    "tokens_planned": ("tokens_planned", "total_tokens", "planned_tokens"),
    "step": ("step", "steps", "global_step", "train_step", "training_step", "iteration", "iter"),
    "higher_is_better": ("higher_is_better",),
    "flops": ("flops", "training_flops", "train_flops", "compute"),
    "date": ("date", "evaluated_at", "eval_date", "timestamp"),
}
# Names that are clear only beside a unit, as `Size (B)` or `data_T`.
_WITH_UNIT = {"size": "params", "n": "params", "data": "tokens", "data_size": "tokens", "d": "tokens"}
_KNOWN = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_UNIT = re.compile(r"^(.*?)[\s_]*[(\[]\s*(?:in\s+)?([^()\[\]]+?)\s*[)\]]\s*$")
_SHOTS = re.compile(r"[\s_,(\[/-]*\b(\d+)[\s_-]?shots?\b[)\]]?", re.IGNORECASE)
_COUNTED = frozenset({"params", "params_non_embedding", "tokens", "tokens_planned", "flops"})
NAMES = tuple(_ALIASES)
"""Names of the columns that are read."""


@dataclass(frozen=True)
class Column:
    """What one column of a table is.

    Attributes:
        header: as it stands in the table.
        name: one of `NAMES`; or `score`, the scores of one task or one metric.
        scale: what its numbers are multiplied with, by the unit in the header.
        task: of a column of scores the task, None where another column names it.
        metric: likewise its metric, None where it is not named.
        num_fewshot: likewise the number of examples.
    """

    header: str
    name: str
    scale: float = 1.0
    task: str | None = None
    metric: str | None = None
    num_fewshot: int | None = None


def recognise(headers: Sequence[str], mapping: Mapping[str, str], source: str) -> tuple[list[Column], list[str]]:
    """Recognise the columns of a table.

    Args:
        headers: its header.
        mapping: column -> name, by the user: one of `NAMES`, `task:NAME` for the scores of a task, `-` to leave it out.
        source: what to call the table in errors.

    Returns:
        the columns that mean something; the headers of those that do not.

    Raises:
        InputError: the mapping names a column that is not there or a name that does not exist, or two columns are one.
    """
    absent = [header for header in mapping if header not in headers]
    if absent:
        raise InputError(f"{source} has no column '{absent[0]}' to map", f"it has {', '.join(headers)}")
    asked = [_mapped(header, mapping[header]) for header in headers if header in mapping]
    taken = {column.name for column in asked if column is not None}
    columns = [column for column in asked if column is not None]
    unknown = []
    rest = [header for header in headers if header not in mapping]
    for header in rest:
        column = _by_name(header)
        if column is not None and column.name not in taken:
            columns.append(column)
        elif column is None:
            unknown.append(header)
    _refuse_doubles(columns, source)
    names = {column.name for column in columns}
    if "value" not in names:
        scored = {header: _scores_of(header, "task" in names) for header in unknown}
        columns += [column for column in scored.values() if column is not None]
        unknown = [header for header, column in scored.items() if column is None]
    return columns, unknown


def _mapped(header: str, wanted: str) -> Column | None:
    if wanted == "-":
        return None
    if wanted.startswith("task:"):
        return Column(header, "score", task=wanted.removeprefix("task:"))
    if wanted not in _ALIASES:
        raise InputError(
            f"--map {header}={wanted}: there is no column {wanted}",
            f"known are {', '.join(NAMES)}, task:NAME, -",
        )
    column = _by_name(header)
    scale = _with_unit(header)[1] if column is None or column.name != wanted else column.scale
    return Column(header, wanted, scale if wanted in _COUNTED else 1.0)


def _by_name(header: str) -> Column | None:
    text, scale = _with_unit(header)
    name = _KNOWN.get(_spelled(header)) or _KNOWN.get(_spelled(text))
    if name is None and text != header:
        name = _WITH_UNIT.get(_spelled(text))
    if name is None and text == header:
        # `params_b`, `tokens_T`: the unit as the last part.
        stem, _, unit = header.replace(" ", "_").rpartition("_")
        known = _KNOWN.get(_spelled(stem)) or _WITH_UNIT.get(_spelled(stem))
        if unit.lower() in _UNITS and known in _COUNTED:
            return Column(header, known, _UNITS[unit.lower()])
    if name is None:
        return None
    return Column(header, name, scale if name in _COUNTED else 1.0)


def _with_unit(header: str) -> tuple[str, float]:
    """Part `Model Size (B)` into its name and 1e9; `FLOPs (1E21)` likewise."""
    match = _UNIT.match(header)
    if match is None:
        return header, 1.0
    unit = match[2].lower().removesuffix("tokens").removesuffix("params").strip()
    if unit in _UNITS:
        return match[1], _UNITS[unit]
    try:
        return match[1], float(unit)
    except ValueError:
        return header, 1.0


def _spelled(header: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", header.strip().lower().replace("#", "n_")).strip("_")


def _refuse_doubles(columns: Sequence[Column], source: str) -> None:
    for index, column in enumerate(columns):
        other = next((before for before in columns[:index] if before.name == column.name != "score"), None)
        if other is not None:
            raise InputError(
                f"{source} has two columns of {column.name}, {other.header} and {column.header}",
                f"leave one out with --map '{column.header}=-'",
            )


def _scores_of(header: str, has_tasks: bool) -> Column | None:
    """Read the header of a column of scores: a metric beside a column of tasks, else a benchmark of the catalogue."""
    if has_tasks:
        metric = header.strip()
        return Column(header, "score", metric=metric) if known_metric(metric) is not None else None
    shots = _SHOTS.search(header)
    text = _SHOTS.sub("", header).strip(" _,/") if shots else header.strip()
    number = int(shots[1]) if shots else None
    for cut in (len(text), *(match.start() for match in reversed(list(re.finditer(r"[\s/_:|.,-]", text))))):
        task = known_benchmark(text[:cut])
        rest = text[cut:].strip(" /_:|.,-") or None
        if task is not None and (rest is None or known_metric(rest) is not None):
            return Column(header, "score", task=task.name, metric=rest, num_fewshot=number)
    return None

"""Bring scores of others into a store: tables, and the result files of lm-eval, new and old, and of lighteval."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import pandas as pd

from predictor.errors import InputError
from predictor.results.lighteval import read_lighteval
from predictor.results.readers import LOSS_PREFIX, read_table, sha256_of
from predictor.results.schema import is_share, require, validate
from predictor.results.store import Store

_NEEDED = ("task", "metric", "value")


@dataclass(frozen=True)
class Origin:
    """Which checkpoint the scores are of; what is None must be in the file itself.

    Attributes:
        run: the run.
        params: trainable parameters, embeddings included.
        tokens: training tokens seen.
        family: the run's family.
    """

    run: str | None = None
    params: float | None = None
    tokens: float | None = None
    family: str | None = None


@dataclass(frozen=True)
class Imported:
    """What an import wrote.

    Attributes:
        path: the file in the store.
        rows: number of scores.
        tasks: names of the tasks.
        notes: what was left out, and why.
    """

    path: Path
    rows: int
    tasks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def import_table(path: str | Path, store: str | Path, origin: Origin = Origin()) -> Imported:
    """Import a CSV or Parquet table with at least the columns task, metric and value.

    Columns run, params, tokens and family of the table count; where they are absent or empty, `origin` fills them in.

    Raises:
        InputError: the table is not readable, lacks a column that `origin` does not give, or has an impossible number.
        StoreError: the store cannot be written to.
    """
    path = Path(path)
    frame = read_table(path)
    require(frame, _NEEDED, str(path))
    return _keep(frame, path, store, origin, "table")


def import_lm_eval(path: str | Path, store: str | Path, origin: Origin) -> Imported:
    """Import a results file of lm-eval (`results_*.json`), or a folder with such files of one checkpoint.

    Both layouts are read: `"acc,none"` with `"acc_stderr,none"`, and the older `"acc"` with `"acc_stderr"`. Of a folder
    with several files the latest counts for each task. A task that reports bits_per_byte is kept as `loss:<task>` with
    the metric `bpb`, like our own.

    Raises:
        InputError: nothing readable is there, or `origin` lacks the run, params or tokens.
        StoreError: the store cannot be written to.
    """
    path = Path(path)
    files = sorted(path.rglob("results*.json"), key=lambda file: file.name) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no results_*.json", "give the folder that 'lm_eval --output_path' wrote")
    tasks: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        by_task: dict[str, list[dict[str, Any]]] = {}
        for row in _rows_of(file):
            by_task.setdefault(str(row["task"]), []).append(row)
        tasks |= by_task
    rows = [row for one in tasks.values() for row in one]
    if not rows:
        raise InputError(f"{path} holds no score", "give a results file of lm-eval in which tasks were scored")
    return _keep_possible(rows, path, store, origin, "lm-eval")


def import_lighteval(path: str | Path, store: str | Path, origin: Origin) -> Imported:
    """Import a results file of lighteval (`results_*.json`), or the output folder of one checkpoint.

    The number of items is taken from the details beside it, where they were saved.

    Raises:
        InputError: nothing readable is there, or `origin` lacks the run, params or tokens.
        StoreError: the store cannot be written to.
    """
    path = Path(path)
    rows = read_lighteval(path)
    if not rows:
        raise InputError(f"{path} holds no score", "give a results file of lighteval in which tasks were scored")
    return _keep_possible(rows, path, store, origin, "lighteval")


def _keep_possible(rows: list[dict[str, Any]], path: Path, store: str | Path, origin: Origin, form: str) -> Imported:
    """Keep the scores of a results file, without those that are no shares though their metric is one.

    Some tasks report f1 or exact match in percent; the file has other scores that are as they should be.
    """
    possible = [row for row in rows if not is_share(str(row["metric"])) or 0 <= row["value"] <= 1]
    left_out = [row for row in rows if row not in possible]
    notes = tuple(
        f"{row['task']}, {row['metric']} left out: {row['value']:g} is no share in [0, 1]" for row in left_out
    )
    if not possible:
        raise InputError(f"{path} holds no score in [0, 1]", "divide percents by 100")
    return replace(_keep(pd.DataFrame(possible), path, store, origin, form), notes=notes)


def _keep(frame: pd.DataFrame, path: Path, store: str | Path, origin: Origin, form: str) -> Imported:
    options = {"run": "--run", "params": "--params", "tokens": "--tokens", "family": "--family"}
    frame = frame.copy()
    for column, option in options.items():
        given = getattr(origin, column)
        if column not in frame.columns:
            if given is None and column != "family":
                raise InputError(f"{path} does not say its {column}", f"give {option}")
            frame[column] = "default" if given is None else given
        elif given is not None:
            frame[column] = frame[column].where(frame[column].notna(), given)
    scores = validate(frame, str(path))
    _refuse_other_sizes(scores, path, Store(store))
    source = {"form": form, "file": path.name}
    if path.is_file():
        source["sha256"] = sha256_of(path)
    written = Store(store).write_imported(scores, source)
    return Imported(written, len(scores), tuple(sorted(scores["task"].unique())))


def _refuse_other_sizes(scores: pd.DataFrame, path: Path, store: Store) -> None:
    """Refuse a run that the store knows with other params: it would be one name for two models."""
    known = store.sizes()
    for run, params in scores[["run", "params"]].drop_duplicates().itertuples(index=False):
        if run in known and known[run] != params:
            raise InputError(
                f"{path} says that run {run} has {params} params, the store {store.path} says {known[run]}",
                "correct --params, or import it under another --run",
            )


def _rows_of(file: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file} does not exist", "check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as JSON ({error})", "give a results file of lm-eval") from None
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, dict) or not all(isinstance(metrics, dict) for metrics in results.values()):
        raise InputError(f"{file} has no `results` by task", "give a results file of lm-eval")
    rows = []
    for task, metrics in results.items():
        place = {"num_fewshot": _shots(content, task), "n_items": _items(content, task)}
        scores = _scores(metrics)
        name = LOSS_PREFIX + task if "bits_per_byte" in scores else task
        if "bits_per_byte" in scores:
            scores["bpb"] = scores["bits_per_byte"]
        for metric, (value, stderr) in scores.items():
            rows.append({"task": name, "metric": metric, "value": value, "stderr": stderr, **place})
    return rows


def _scores(metrics: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Read metric -> (value, stderr) in either layout; of several filters the first one loses its name."""
    new = any("," in key for key in metrics)
    scores: dict[str, tuple[float, float]] = {}
    for key, value in metrics.items():
        metric, comma, of_filter = key.partition(",")
        if metric.endswith("_stderr") or (new and not comma) or not _is_number(value):
            continue
        stderr = metrics.get(f"{metric}_stderr,{of_filter}" if new else f"{metric}_stderr")
        name = metric if metric not in scores else key
        scores[name] = (float(value), float(stderr) if _is_number(stderr) else math.nan)
    return scores


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _shots(content: dict[str, Any], task: str) -> int | None:
    per_task = content.get("n-shot")
    config = content.get("config")
    value = per_task.get(task) if isinstance(per_task, dict) else None
    if value is None and isinstance(config, dict):
        value = config.get("num_fewshot")
    return int(value) if _is_number(value) else None


def _items(content: dict[str, Any], task: str) -> int | None:
    counts = content.get("n-samples")
    count = counts.get(task) if isinstance(counts, dict) else None
    value = count.get("effective") if isinstance(count, dict) else None
    return int(value) if _is_number(value) else None

"""Read the result files of lighteval.

    results/<org>/<model>/results_<date>.json              {"config_general": ..., "results": {"suite|task|5|0": {...}}}
    details/<org>/<model>/<date>/details_<task>_<date>.parquet    a row per item, written with --save-details

Tasks are named as lm-eval names them where both have them: `arc:challenge` is `arc_challenge`, `mmlu:_average` is mmlu.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from predictor.errors import InputError

_REMEDY = "give the results_*.json that lighteval wrote, or its output folder"


def read_lighteval(path: Path) -> list[dict[str, Any]]:
    """Read scores as rows: task, metric, value, stderr, num_fewshot, n_items.

    Args:
        path: a results file, or the output folder of one model; of several files the latest counts for each task.

    Raises:
        InputError: nothing readable is there.
    """
    files = sorted(path.rglob("results_*.json"), key=lambda file: file.name) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no results_*.json", _REMEDY)
    by_task: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for file in files:
        content = _read(file)
        sizes = _sizes(file, path)
        for name, metrics in content["results"].items():
            place = _place(str(name))
            if place is not None and isinstance(metrics, dict):
                rows = [{**row, "n_items": sizes.get(str(name))} for row in _rows(*place, metrics)]
                by_task[place] = rows
    return [row for rows in by_task.values() for row in rows]


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file} does not exist", "check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as JSON ({error})", _REMEDY) from None
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        raise InputError(f"{file} has no `results` by task", _REMEDY)
    return content


def _place(name: str) -> tuple[str, int] | None:
    """Task and number of examples of `suite|task|5|0`, `suite|task|5` or `task|5`; None for the mean over all tasks."""
    parts = name.split("|")
    if len(parts) == 1:
        return None
    task, shots = (parts[0], parts[1]) if len(parts) == 2 else (parts[1], parts[2])
    if not shots.isdigit():
        return None
    return task.removesuffix(":_average").replace(":", "_"), int(shots)


def _rows(task: str, shots: int, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for metric, value in metrics.items():
        if metric.endswith("_stderr") or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        stderr = metrics.get(f"{metric}_stderr")
        known = isinstance(stderr, int | float) and not isinstance(stderr, bool)
        error = float(stderr) if known and stderr is not None else float("nan")
        rows.append({"task": task, "metric": metric, "value": float(value), "stderr": error, "num_fewshot": shots})
    return rows


def _sizes(file: Path, root: Path) -> dict[str, int]:
    """Number of items by task, from the details of the same date, where they were saved."""
    date = file.stem.removeprefix("results_")
    top = root if root.is_dir() else next((folder for folder in file.parents if (folder / "details").is_dir()), None)
    if top is None:
        return {}
    sizes = {}
    for details in top.rglob(f"details_*_{date}.parquet"):
        try:
            count = pq.read_metadata(details).num_rows
        except (pa.ArrowInvalid, OSError):
            continue
        sizes[details.stem.removeprefix("details_").removesuffix(f"_{date}")] = count
    return sizes

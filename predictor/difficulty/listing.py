"""Item tables and item lists as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from predictor.difficulty import features
from predictor.difficulty.clusters import ClusterAnalysis
from predictor.difficulty.items import ItemTable
from predictor.difficulty.short_list import ShortList
from predictor.errors import InputError
from predictor.results.files import write_text_atomically


def item_rows(found: ClusterAnalysis) -> pd.DataFrame:
    """Describe each item: its cluster, whether that extrapolates, its difficulty, and its mean at the largest compute.

    Columns: doc_id, subtask, cluster, extrapolates, difficulty, last.
    """
    table = found.table
    values = features.fill(table.progress[1], table.run, table.tokens)
    largest = found.observations[np.argsort(table.flops[found.observations])[-max(1, found.observations.size // 3) :]]
    return pd.DataFrame(
        {
            "doc_id": table.item,
            "subtask": table.subtask,
            "cluster": found.clustering.labels,
            "extrapolates": found.predictable,
            "difficulty": 1 - values[found.observations].mean(axis=0),
            "last": values[largest].mean(axis=0),
        }
    )


def write_items(found: ClusterAnalysis, path: Path) -> None:
    """Write the item table as Parquet or CSV.

    Raises:
        InputError: the file's name ends otherwise, or it cannot be written.
    """
    rows = item_rows(found)
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"{path} is neither Parquet nor CSV", "give a name that ends in .parquet or .csv")
    try:
        if path.suffix == ".csv":
            rows.to_csv(path, index=False)
        else:
            rows.to_parquet(path, index=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})", "check the folder") from None


def write_short_list(found: ShortList, table: ItemTable, path: Path) -> Path:
    """Write the items as a list that a suite's `items:` reads, and the weights as JSON beside it.

    Returns:
        the file of the weights.

    Raises:
        InputError: the task has sub-tasks, whose items a suite cannot choose; or a file cannot be written.
    """
    if np.unique(table.subtask).size > 1:
        raise InputError(
            f"{table.task} is a group of tasks, and a suite can choose the items of a single one only",
            "choose from one of its tasks",
        )
    items = table.item[found.items]
    weights = path.with_suffix(".json")
    said = {
        "task": table.task,
        "items": [int(one) for one in items],
        "weights": [float(one) for one in found.weights],
        "offset": found.offset,
        "error": found.error,
        "error_of_random_items": found.plain_error,
        "runs": table.runs,
    }
    write_text_atomically(path, "".join(f"{one}\n" for one in items))
    write_text_atomically(weights, json.dumps(said, indent=1) + "\n")
    return weights

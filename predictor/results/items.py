"""Read the items of one task: from a store, or from the `items` folder beside a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from predictor.errors import InputError, PredictorError
from predictor.results.item_rows import read_item_rows
from predictor.results.store import Store
from predictor.results.tables import read_table


def read_items(
    path: Path,
    *names: str,
    roles: Sequence[str] = ("ladder",),
    runs: Sequence[str] | None = None,
    lean: bool = False,
) -> pd.DataFrame:
    """Read one task's items as they were kept.

    Args:
        path: a store, a folder with `items/<task>.parquet`, or a table with such a folder beside it.
        names: the names under which the task's items may be kept.
        roles: which runs of a store to read.
        runs: read the items of these runs alone; of all where None.
        lean: of a store, read only what measures are made from, see `predictor.results.item_rows`; of all runs.

    Returns:
        from a store one row per (checkpoint, item), see `predictor.evaluation.measures`; from a folder one row per
        checkpoint whose column `values` lists the nats of every item's right answer, the same items in every row.

    Raises:
        StoreError: the store has no items of that task.
        InputError: there is no file of items, or it lacks a column.
    """
    frames: list[pd.DataFrame] = []
    missing: PredictorError | None = None
    for name in names:
        try:
            if not Store.looks_like(path):
                frames.append(_of_folder(path, name, runs))
            elif lean:
                frames.append(read_item_rows(Store(path), name, roles))
            else:
                frames.append(Store(path).read_items(name, roles, runs))
        except PredictorError as error:
            missing = error
    if not frames and missing is not None:
        raise missing
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def _of_folder(path: Path, name: str, runs: Sequence[str] | None) -> pd.DataFrame:
    file = (path if path.is_dir() else path.parent) / "items" / f"{name}.parquet"
    if not file.is_file():
        raise InputError(
            f"{path} has no items of {name}", f"score it with 'predictor evaluate', or write its items to {file}"
        )
    frame = read_table(file)
    missing = [column for column in ("run", "params", "tokens", "values") if column not in frame.columns]
    if missing:
        raise InputError(f"{file} lacks the column {missing[0]}", "items need run, params, tokens and values")
    return frame if runs is None else frame[frame["run"].isin(runs)].reset_index(drop=True)

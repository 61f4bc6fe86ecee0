"""A task's items: with all that was kept, or as measures are made from them, a million rows in little memory.

In the latter, what is the same for all items of a checkpoint is judged once for the checkpoint, lists stay in Arrow's
memory, and text is kept once. The same rows count in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from predictor.errors import StoreError
from predictor.results.current import current, latest
from predictor.results.standing import sort_by_standing
from predictor.results.table_file import IMPORTED

if TYPE_CHECKING:
    from predictor.results.store import Store

# What decides whether rows count, and which of several.
_STANDING = ("protocol", "scored_at", "limited", "dated", "n_items", "source")
_PLACE = ("family", "run", "params", "step", "tokens", "task", "num_fewshot")
_KEY = ["family", "run", "tokens", "num_fewshot"]
_LISTS = ("log_likelihoods", "byte_lengths")
_SAMPLED = ("samples", "passes", "until_passes")
_OF_ITEM = ("doc_id", "subtask", *_LISTS, "gold", "correct", *_SAMPLED)
COLUMNS = (*_PLACE, *_STANDING, *_OF_ITEM)


def read_item_rows(store: Store, task: str, roles: Sequence[str] = ("ladder",)) -> pd.DataFrame:
    """Read the items of one task that count now.

    Args:
        store: the store.
        task: the task.
        roles: which runs count.

    Returns:
        one row per (checkpoint, item) with the columns family, run, params, step, tokens, task, num_fewshot, doc_id,
        subtask, log_likelihoods, byte_lengths, gold, correct and, where answers were sampled, samples, passes,
        until_passes; text as categories in the order of the alphabet, lists in Arrow's type.

    Raises:
        StoreError: there are none.
    """
    parts, notes = store.tables("items", store.item_files(task), COLUMNS, _split)
    if not parts:
        raise _without_items(store, task, notes)
    places = pd.concat([part[0] for part in parts], ignore_index=True)
    first = np.cumsum([0, *(len(part[0]) for part in parts[:-1])])
    of_row = np.concatenate([start + part[2] for start, part in zip(first, parts, strict=True)])
    items = pa.concat_tables([part[1] for part in parts], promote_options="permissive").unify_dictionaries()
    repeats = any(part[3] for part in parts)
    del parts
    kept = places[places["task"] == task]
    if kept.empty:
        raise _without_items(store, task, notes)
    kept = current(kept, store.read_tasks(), store.read_runs(), roles, notes, store.path)
    new = np.full(len(places), -1)
    new[kept.index] = np.arange(len(kept))
    rows = np.flatnonzero(new[of_row] >= 0)
    of_row = new[of_row[rows]]
    if repeats or kept.duplicated(_KEY).any():
        counting = _counting(kept, of_row, items, rows)
        rows, of_row = rows[counting], of_row[counting]
    return _frame(kept, of_row, items if rows.size == items.num_rows else items.take(pa.array(rows)))


def read_whole_items(
    store: Store, task: str, roles: Sequence[str] = ("ladder",), runs: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read the items of one task that count now with all their columns, see `Store.read_items`."""
    tables, notes = store.tables("items", store.item_files(task, runs))
    frame = pd.DataFrame()
    if tables:
        frame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
    if runs is not None and tables:
        frame = frame[frame["run"].isin(runs)]
    if frame.empty:
        raise _without_items(store, task, notes)
    frame = current(frame[frame["task"] == task], store.read_tasks(), store.read_runs(), roles, notes, store.path)
    return latest(frame, [*_KEY, "subtask", "doc_id"], notes).reset_index(drop=True)


def _without_items(store: Store, task: str, notes: Sequence[str]) -> StoreError:
    why = f" ({notes[0]})" if notes else ""
    return StoreError(f"the store {store.path} has no items of {task}{why}", "score it with 'predictor evaluate'")


def _split(table: pa.Table) -> tuple[pd.DataFrame, pa.Table, NDArray[np.intp], bool]:
    """Part a file into its places, once each, and what it says of items.

    Returns:
        the places, the items, the number of each row's place, and whether an item is there twice.
    """
    names = [name for name in (*_PLACE, *_STANDING) if name in table.schema.names]
    places: pd.DataFrame = table.select(names).group_by(names, use_threads=False).aggregate([]).to_pandas()[names]
    of_row = np.zeros(table.num_rows, dtype=np.intp)
    if len(places) > 1:
        every = table.select(names).to_pandas()
        of_row = every.groupby(names, dropna=False, sort=False).ngroup().to_numpy(np.intp)
        places = every.drop_duplicates(names, ignore_index=True)
    empty = {name for name in _SAMPLED if table.column(name).null_count == table.num_rows}
    items = table.select([name for name in _OF_ITEM if name not in empty])
    subtask = items.schema.get_field_index("subtask")
    items = items.set_column(subtask, "subtask", items.column(subtask).dictionary_encode())
    asked = items.select(["subtask", "doc_id"]).group_by(["subtask", "doc_id"], use_threads=False).aggregate([])
    return places, items, of_row, asked.num_rows < items.num_rows


def _counting(
    places: pd.DataFrame, of_row: NDArray[np.intp], items: pa.Table, rows: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return which rows count: of several results of one item our own before imported ones, then by standing."""
    key = places.groupby(_KEY, dropna=False, sort=False).ngroup().to_numpy()[of_row]
    subtask = items.column("subtask").combine_chunks().indices.to_numpy(zero_copy_only=False)
    asked = pd.DataFrame({"key": key, "subtask": subtask[rows], "item": items.column("doc_id").to_numpy()[rows]})
    order = sort_by_standing(places)
    own = order["protocol"] != IMPORTED
    rank = pd.Series(np.arange(len(places)), index=pd.concat([order[~own], order[own]]).index)
    by_rank = np.argsort(rank.reindex(places.index).to_numpy()[of_row], kind="stable")
    kept = asked.iloc[by_rank].drop_duplicates(keep="last")
    return np.sort(kept.index.to_numpy())


def _frame(places: pd.DataFrame, of_row: NDArray[np.intp], items: pa.Table) -> pd.DataFrame:
    columns: dict[str, object] = {}
    for name in _PLACE:
        values = places[name]
        if isinstance(values.dtype, pd.StringDtype) or values.dtype == object:
            codes, categories = pd.factorize(values, sort=True)
            columns[name] = pd.Categorical.from_codes(codes[of_row], categories=categories)
        else:
            columns[name] = values.array.take(of_row)
    for name in items.schema.names:
        column = items.column(name)
        if name in _LISTS:
            columns[name] = pd.arrays.ArrowExtensionArray(column)
        elif name == "subtask":
            found = column.to_pandas()
            columns[name] = found.cat.reorder_categories(sorted(found.cat.categories)).array
        else:
            columns[name] = column.to_pandas().array
    return pd.DataFrame(columns)

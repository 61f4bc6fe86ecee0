"""One benchmark's items on both sides of a comparison, brought together item by item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import InputError, PredictorError
from predictor.results.item_measures import measure_items
from predictor.results.items import read_items
from predictor.results.series import LOSS_PREFIX, UNKNOWN_SHOTS, fill_shots
from predictor.statistics.sides import ROLES, Side

Array = NDArray[np.float64]
_KEY = ["subtask", "doc_id"]
# With fewer subjects a clustered error rests on too few groups to be worth having: items count by themselves.
LEAST_GROUPS = 10


@dataclass(frozen=True)
class Pairs:
    """A measure of one benchmark's items on both sides. S runs on a side, n items.

    Attributes:
        a: values on the first side, shape (S_a, n).
        b: values on the second side, shape (S_b, n).
        weights: of the items, shape (n,).
        subjects: sub-task of each item, shape (n,).
        groups: number of each item's group from 0 on, shape (n,), or None where every item is its own.
        grouped_by: what groups are, or empty.
        ungraded: items that are on both sides but have no value on one: on the first side, on the second.
        partial: of the ungraded items, what is known: (mean on a or NaN, mean on b or NaN), shape (u, 2).
        lacking: items that are on the other side only: not on the first, not on the second.
        changed: items whose document is another one on the other side; they are not compared.
        notes: what to know of them.
    """

    a: Array
    b: Array
    weights: Array
    subjects: NDArray[np.str_]
    groups: NDArray[np.int64] | None
    grouped_by: str
    ungraded: tuple[int, int] = (0, 0)
    partial: Array = field(default_factory=lambda: np.empty((0, 2)))
    lacking: tuple[int, int] = (0, 0)
    changed: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ItemsOfSide:
    """Items of one side by item and run.

    Attributes:
        measures: measure -> values with items as rows and runs as columns, NaN where an item has no value.
        documents: hash of each item's document, None where it was not kept; by item.
        byte_lengths: of the scored text where an item is one text, else NaN; by item.
        protocols: how the items were scored.
    """

    measures: Mapping[str, pd.DataFrame]
    documents: pd.Series
    byte_lengths: pd.Series
    protocols: frozenset[str]


def items_of(side: Side, task: str, num_fewshot: int) -> ItemsOfSide | None:
    """Read one benchmark's items of a side; None where they were not kept for every run of it.

    Raises:
        InputError: the items are not in the form they should have.
    """
    names = side.results.spellings.get(task, (task,))
    try:
        frame = read_items(side.results.path, *names, roles=ROLES, runs=side.runs)
    except PredictorError:
        return None
    places = side.places(task, num_fewshot)
    frame = frame.merge(places[["run", "tokens"]], on=["run", "tokens"])
    if "num_fewshot" in frame.columns and frame["num_fewshot"].notna().any() and num_fewshot != UNKNOWN_SHOTS:
        frame = frame[fill_shots(frame)["num_fewshot"] == num_fewshot]
    families = side.rows[["run", "family"]].drop_duplicates()
    if "family" in frame.columns:
        frame = frame.merge(families, on=["run", "family"])
    if set(frame["run"]) != set(side.runs):
        return None
    return _from_lists(frame, task) if "values" in frame.columns else _from_rows(frame)


def _from_rows(frame: pd.DataFrame) -> ItemsOfSide:
    frame = frame.drop_duplicates(["run", *_KEY], keep="last").reset_index(drop=True)
    measures = measure_items(frame)
    measures["bpb"] = measures.pop("nats_per_byte") / math.log(2)
    wide = {}
    for name, values in measures.items():
        if np.isfinite(values).any():
            own = frame[["run", *_KEY]].assign(value=values)
            # Not pivot_table: it drops items without a value, or makes up items of every sub-task.
            wide[name] = own.set_index([*_KEY, "run"])["value"].unstack("run")  # noqa: PD010
    hashes = frame["doc_hash"] if "doc_hash" in frame.columns else pd.Series(None, index=frame.index, dtype=object)
    documents = frame.assign(doc=hashes.astype(object)).groupby(_KEY)["doc"].agg(_one_document)
    sizes = [_first_size(values) for values in frame["byte_lengths"]]
    lengths = frame.assign(size=sizes).groupby(_KEY)["size"].first()
    return ItemsOfSide(wide, documents, lengths, frozenset(frame["protocol"].astype(str)))


def _one_document(hashes: pd.Series) -> str | None:
    found = set(hashes.dropna())
    return str(found.pop()) if len(found) == 1 else None if not found else "several documents"


def _first_size(values: object) -> float:
    known = values is not None and not np.isscalar(values) and len(values) == 1  # type: ignore[arg-type]
    return float(values[0]) if known else math.nan  # type: ignore[index]


def _from_lists(frame: pd.DataFrame, task: str) -> ItemsOfSide:
    try:
        rows = {str(run): np.asarray(values, float) for run, values in zip(frame["run"], frame["values"], strict=True)}
    except (TypeError, ValueError):
        raise InputError(f"the items of {task} hold what is no number", "list the nats of each item") from None
    if len({row.shape for row in rows.values()}) > 1:
        raise InputError(f"the runs have different numbers of items of {task}", "list the same items for every run")
    table = pd.DataFrame(rows)
    table.index = pd.MultiIndex.from_product([[""], range(len(table))], names=_KEY)
    table = table.where(np.isfinite(table))
    nothing = pd.Series(None, index=table.index, dtype=object)
    return ItemsOfSide({"nats": table}, nothing, pd.Series(np.nan, index=table.index), frozenset())


def pair_up(a: ItemsOfSide, b: ItemsOfSide, measure: str, task: str, cluster: pd.DataFrame | str) -> Pairs | None:
    """Bring the items of two sides together by measure; None where a side lacks it or no item is shared.

    Args:
        a: the first side.
        b: the second side.
        measure: which value of the items.
        task: the benchmark.
        cluster: `auto`, `none`, `subtask`, `document`, or a table with the columns doc_id and group, and where they
            matter subtask and task.

    Raises:
        InputError: the table of groups does not name the group of an item.
    """
    if measure not in a.measures or measure not in b.measures:
        return None
    left, right = a.measures[measure], b.measures[measure]
    shared = left.index.intersection(right.index)
    known = a.documents.reindex(shared), b.documents.reindex(shared)
    other = known[0].notna() & known[1].notna() & (known[0] != known[1])
    changed = int(other.sum())
    shared = shared[~other.to_numpy(bool)]
    values = left.reindex(shared).to_numpy(float).T, right.reindex(shared).to_numpy(float).T
    graded = tuple(np.isfinite(side).all(axis=0) for side in values)
    keep = graded[0] & graded[1]
    if not keep.any():
        return None
    missing = tuple(int((~side).sum()) for side in graded)
    partial = np.stack([np.where(g, v.mean(axis=0), np.nan) for g, v in zip(graded, values, strict=True)], axis=1)
    items = shared[keep]
    groups, grouped_by = _groups(items, a.documents.reindex(items), task, cluster)
    return Pairs(
        values[0][:, keep],
        values[1][:, keep],
        _weights(items, a.byte_lengths, measure, task),
        items.get_level_values("subtask").to_numpy(str),
        groups,
        grouped_by,
        (missing[0], missing[1]),
        partial[~keep],
        (len(right.index.difference(left.index)), len(left.index.difference(right.index))),
        changed,
        _notes(a, b, changed),
    )


def _weights(items: pd.MultiIndex, lengths: pd.Series, measure: str, task: str) -> Array:
    """Weigh texts by their bytes, as bits per byte of a corpus are all bits over all bytes; items count alike."""
    if task.startswith(LOSS_PREFIX) and measure == "bpb":
        sizes = lengths.reindex(items).to_numpy(float)
        if np.isfinite(sizes).all():
            return np.asarray(sizes)
    return np.ones(len(items))


def _groups(
    items: pd.MultiIndex, documents: pd.Series, task: str, cluster: pd.DataFrame | str
) -> tuple[NDArray[np.int64] | None, str]:
    if isinstance(cluster, pd.DataFrame):
        return _listed_groups(items, task, cluster), "group of the file"
    subjects = items.get_level_values("subtask").to_numpy(str)
    if cluster == "subtask" or (cluster == "auto" and np.unique(subjects).size >= LEAST_GROUPS):
        return np.unique(subjects, return_inverse=True)[1], "subtask"
    repeated = documents.notna().all() and documents.duplicated().any()
    if repeated and cluster in ("auto", "document"):
        return np.unique(documents.astype(str).to_numpy(), return_inverse=True)[1], "document"
    return None, ""


def _listed_groups(items: pd.MultiIndex, task: str, table: pd.DataFrame) -> NDArray[np.int64] | None:
    """Read the groups of a file; None where it has none of this task."""
    if "task" in table.columns:
        table = table[table["task"].astype(str) == task]
        if table.empty:
            return None
    on = _KEY if "subtask" in table.columns else ["doc_id"]
    found = items.to_frame(index=False).merge(table[[*on, "group"]].drop_duplicates(on), on=on, how="left")
    if found["group"].isna().any():
        lost = found[found["group"].isna()].iloc[0]
        raise InputError(f"the file of groups has no group of item {lost['doc_id']} of {task}", "add its row")
    return np.unique(found["group"].astype(str).to_numpy(), return_inverse=True)[1]


def _notes(a: ItemsOfSide, b: ItemsOfSide, changed: int) -> tuple[str, ...]:
    notes = []
    if changed:
        notes.append(f"{changed} items have other documents on the two sides and are not compared")
    if "imported" not in a.protocols | b.protocols and a.protocols and b.protocols and a.protocols != b.protocols:
        notes.append("the two sides were scored under different protocols (prompt, items or versions)")
    return tuple(notes)

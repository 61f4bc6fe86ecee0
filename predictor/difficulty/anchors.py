"""Models of other families that pin the map from a task's predictable items to its whole score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty.clusters import ClusterAnalysis
from predictor.difficulty.items import LIKELIHOOD, ItemTable, item_table, tempered
from predictor.errors import InputError, PredictorError
from predictor.results.readers import Results

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Anchors:
    """M models with both ends of the map.

    Attributes:
        subset: means of the predictable items, shape (M,).
        full: scores of the whole task, shape (M,).
        runs: their names.
        notes: what was left out, and why.
    """

    subset: Array
    full: Array
    runs: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[Array, Array]:
        """What `fit_subset_map` takes."""
        return self.subset, self.full


def read_anchors(results: Results, found: ClusterAnalysis, ladder: str) -> Anchors:
    """Read the newest checkpoint of every model that answered a task's predictable items, other than the ladder's own.

    Args:
        results: where the models are.
        found: the clusters of the ladder's items.
        ladder: the ladder's family.

    Raises:
        InputError: no other model was scored on these items in the same way.
    """
    task = found.table.task
    frame = results.items(task)
    families = frame["family"].dropna().unique().tolist() if "family" in frame.columns else []
    rows, notes = [], []
    for family in sorted(set(map(str, families)) - {ladder}):
        try:
            table = item_table(results, task, family=family, num_fewshot=found.table.num_fewshot)
            rows += _of_family(table, found)
        except PredictorError as error:
            notes.append(f"{family} is no anchor: {error.message}")
    if not rows:
        why = f" ({notes[0]})" if notes else ""
        raise InputError(f"{results.path} has no model of another family with items of {task}{why}", "score one")
    names, subset, full = zip(*rows, strict=True)
    return Anchors(np.array(subset), np.array(full), names, tuple(notes))


def _of_family(table: ItemTable, found: ClusterAnalysis) -> list[tuple[str, float, float]]:
    own = found.table
    place = {key: number for number, key in enumerate(zip(table.subtask.tolist(), table.item.tolist(), strict=True))}
    wanted = [
        place.get(key)
        for key, kept in zip(zip(own.subtask.tolist(), own.item.tolist(), strict=True), found.predictable, strict=True)
        if kept
    ]
    columns = [number for number in wanted if number is not None]
    if len(columns) < len(wanted):
        raise InputError(f"it answered {len(columns)} of the {len(wanted)} predictable items", "score all of them")
    name, values = table.progress
    if name != found.measure:
        raise InputError(f"its items have {name}, the ladder's {found.measure}", "score it in the same way")
    if name == LIKELIHOOD:
        values = tempered(table.measures["nats"], float(np.nanmean(own.measures["nats"])))
    rows = []
    for run in table.runs:
        newest = np.flatnonzero(table.run == run)[np.argmax(table.tokens[table.run == run])]
        mean, score = float(np.nanmean(values[newest][columns])), float(table.score[newest])
        if np.isfinite(mean) and np.isfinite(score):
            rows.append((run, mean, score))
    return rows

"""The items of one task over a ladder, as arrays of checkpoints by items."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.difficulty import features
from predictor.errors import InputError
from predictor.results.readers import Results

Array = NDArray[np.float64]

# From this share of the planned tokens on a checkpoint counts as the end of its schedule, as in a forecast's panel.
ANNEALED_FROM = 0.97
LIKELIHOOD = "likelihood"


@dataclass(frozen=True)
class ItemTable:
    """One task's items at M checkpoints; K items.

    Attributes:
        task: its name.
        chance: score of random guessing.
        run: name of each checkpoint's run, shape (M,).
        params: parameters N, shape (M,).
        tokens: training tokens D, shape (M,).
        final: whether a law may be fitted to the checkpoint: it is the end of its schedule, or has no planned end.
        item: number of each item in its task, as lm-eval counts documents, shape (K,).
        measures: name -> values of shape (M, K), NaN where an item was not scored; see `predictor.difficulty.features`.
        score: the benchmark's own score of each checkpoint, shape (M,), NaN where it is not in the table.
        score_stderr: its standard error.
        subtask: the sub-task of each item, shape (K,); the numbers of items are unique within one.
    """

    task: str
    chance: float
    run: NDArray[np.str_]
    params: Array
    tokens: Array
    final: NDArray[np.bool_]
    item: NDArray[np.int64]
    measures: dict[str, Array]
    score: Array
    score_stderr: Array
    subtask: NDArray[np.str_]

    @property
    def flops(self) -> Array:
        """Training compute 6·N·D, shape (M,)."""
        return 6.0 * self.params * self.tokens

    @property
    def runs(self) -> list[str]:
        """Names of the runs, from the least to the most compute."""
        return sorted(set(self.run.tolist()), key=lambda name: (self.flops[self.run == name].max(), name))

    def checkpoints(self, keep: NDArray[np.bool_]) -> ItemTable:
        """Keep some of the checkpoints."""
        return replace(
            self,
            run=self.run[keep],
            params=self.params[keep],
            tokens=self.tokens[keep],
            final=self.final[keep],
            measures={name: values[keep] for name, values in self.measures.items()},
            score=self.score[keep],
            score_stderr=self.score_stderr[keep],
        )

    def items(self, keep: NDArray[np.bool_]) -> ItemTable:
        """Keep some of the items."""
        return replace(
            self,
            item=self.item[keep],
            subtask=self.subtask[keep],
            measures={name: values[:, keep] for name, values in self.measures.items()},
        )

    def measure(self, *wanted: str) -> tuple[str, Array]:
        """Give the first of the named measures that was kept, and its name.

        Raises:
            InputError: none of them was.
        """
        for name in wanted:
            if name in self.measures:
                return name, self.measures[name]
        raise InputError(
            f"items of {self.task} have none of {', '.join(wanted)}", f"they have {', '.join(self.measures)}"
        )

    @property
    def progress(self) -> tuple[str, Array]:
        """The score-like measure in [0, 1] that shows progress earliest, and its name.

        The right choice's probability moves before the choice itself flips. Where only the right answer's loss was
        kept, exp(-loss / mean loss) stands for it.
        """
        if not {"probability", "pass_rate"} & set(self.measures) and "nats" in self.measures:
            return LIKELIHOOD, tempered(self.measures["nats"])
        return self.measure("probability", "pass_rate", "correct")

    @property
    def progress_chance(self) -> float:
        """What `progress` is for a model that knows nothing."""
        return 0.0 if self.progress[0] in (LIKELIHOOD, "pass_rate") else self.chance


def tempered(nats: Array, scale: float | None = None) -> Array:
    """Map losses to (0, 1] by exp(-loss / scale), the scale their mean where None."""
    middle = float(np.nanmean(nats)) if scale is None else scale
    return np.asarray(np.exp(-np.maximum(nats, 0.0) / max(middle, 1e-9)))


def item_table(results: Results, task: str, *, family: str | None = None) -> ItemTable:
    """Arrange one task's items.

    Args:
        results: where they were read from.
        task: the task.
        family: whose runs to take; the family with the most runs where None.

    Raises:
        UnknownNameError: no scores of that task are here.
        InputError: its items were not kept, checkpoints differ in their items' form, or no value is a number.
    """
    frame = results.items(task)
    info = results.task(task)
    if "family" in frame.columns:
        sizes = frame.groupby("family")["run"].nunique()
        chosen = family if family is not None else str(sizes.idxmax())
        frame = frame[frame["family"] == chosen]
    if frame.empty:
        raise InputError(f"no items of {task} are of family {family}", "leave --family out, or name another")
    if "num_fewshot" in frame.columns and len(frame["num_fewshot"].unique()) > 1:
        frame = frame[frame["num_fewshot"] == frame["num_fewshot"].max()]
    places, item, subtask, measures = _from_lists(frame) if "values" in frame.columns else _from_rows(frame)
    if not any(np.isfinite(values).any() for values in measures.values()):
        raise InputError(f"the items of {task} have no value that is a number", "score the task again with items kept")
    scores = results.evals[(results.evals["task"] == task) & (results.evals["metric"] == info.metric)]
    scores = scores.drop_duplicates(["run", "tokens"], keep="last").set_index(["run", "tokens"])
    scores = scores.reindex(pd.MultiIndex.from_frame(places[["run", "tokens"]]))
    planned = scores["tokens_planned"].astype("Float64").to_numpy(float, na_value=np.nan)
    tokens = places["tokens"].to_numpy(float)
    # The results table says how parameters are counted; the items' own count stands in where it is silent.
    counted = scores["params"].astype("Float64").to_numpy(float, na_value=np.nan)
    params: Array = places["params"].to_numpy(np.float64).copy()
    params[np.isfinite(counted)] = counted[np.isfinite(counted)]
    return ItemTable(
        task=task,
        chance=info.chance or 0.0,
        run=places["run"].to_numpy(str),
        params=params,
        tokens=tokens,
        final=~(tokens < ANNEALED_FROM * planned),
        item=item,
        measures=measures,
        score=scores["value"].to_numpy(float),
        score_stderr=scores["stderr"].to_numpy(float),
        subtask=subtask,
    )


def _from_lists(frame: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64], NDArray[np.str_], dict[str, Array]]:
    frame = frame.sort_values(["run", "tokens"], kind="stable").reset_index(drop=True)
    sizes = {len(values) for values in frame["values"]}
    if len(sizes) > 1:
        raise InputError(f"checkpoints have {min(sizes)} to {max(sizes)} items", "list the same items for every one")
    values = np.array([np.asarray(row, dtype=float) for row in frame["values"]])
    values[~np.isfinite(values)] = np.nan
    count = values.shape[1]
    return frame, np.arange(count), np.full(count, ""), {"nats": values}


def _from_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64], NDArray[np.str_], dict[str, Array]]:
    keys = ["run", "tokens", "params"]
    places = frame[keys].drop_duplicates().sort_values(keys[:2], kind="stable").reset_index(drop=True)
    asked = frame[["subtask", "doc_id"]].drop_duplicates().sort_values(["subtask", "doc_id"]).reset_index(drop=True)
    row = pd.MultiIndex.from_frame(places[keys[:2]]).get_indexer(pd.MultiIndex.from_frame(frame[keys[:2]]))
    column = pd.MultiIndex.from_frame(asked).get_indexer(pd.MultiIndex.from_frame(frame[["subtask", "doc_id"]]))
    measures = {}
    for name, values in features.of_items(frame).items():
        grid = np.full((len(places), len(asked)), np.nan)
        grid[row, column] = values
        if np.isfinite(grid).any():
            measures[name] = grid
    return places, asked["doc_id"].to_numpy(np.int64), asked["subtask"].to_numpy(str), measures

"""The items of one task over a ladder, as arrays of checkpoints by items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import InputError, UnknownNameError
from predictor.results.ends import is_final
from predictor.results.item_measures import measure_items
from predictor.results.readers import Results
from predictor.results.series import Series, main_shots, with_shots

Array = NDArray[np.float64]

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
        final: whether a law may be fitted to the checkpoint, see `predictor.results.ends.is_final`.
        item: number of each item in its task, as lm-eval counts documents, shape (K,).
        measures: name -> values of shape (M, K), NaN where an item was not scored; see `measure_items`.
        score: the benchmark's own score of each checkpoint, shape (M,), NaN where it is not in the table.
        score_stderr: its standard error.
        subtask: the sub-task of each item, shape (K,); the numbers of items are unique within one.
        num_fewshot: examples in the prompt, or None where neither items nor scores state it.
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
    num_fewshot: int | None = None

    @property
    def label(self) -> str:
        """Name the task in messages, as `arc_easy (5-shot)`."""
        return Series(self.task, "", self.num_fewshot).label

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
        """Return the first of the named measures that was kept, and its name.

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


def item_table(results: Results, task: str, *, family: str | None = None, num_fewshot: int | None = None) -> ItemTable:
    """Arrange one task's items.

    Args:
        results: where they were read from.
        task: the task.
        family: whose runs to take; the family with the most runs where None.
        num_fewshot: which of the prompts to take; that of the most runs where None (`predictor.results.series`).

    Raises:
        UnknownNameError: no scores of that task, or no runs of that family, are here.
        InputError: its items were not kept for that family and prompt, checkpoints differ in their items' form, or no
            value is a number.
    """
    info = results.task(task)
    if family is not None and family not in (known := list(results.evals["family"].unique())):
        raise UnknownNameError("family", family, known, str(results.path))
    frame = _of_family(results.items(task, lean=True), results, task, family)
    scores = results.evals[
        (results.evals["task"] == info.task)
        & (results.evals["metric"] == info.metric)
        & (results.evals["family"] == frame["family"].iloc[0])
    ]
    frame, scores, shots = _of_prompt(frame, scores, info.task, num_fewshot)
    places, item, subtask, measures = _from_lists(frame) if "values" in frame.columns else _from_rows(frame)
    if not any(np.isfinite(values).any() for values in measures.values()):
        raise InputError(f"the items of {task} have no value that is a number", "score the task again with items kept")
    tokens = places["tokens"].to_numpy(float)
    planned = scores.groupby("run")["tokens_planned"].max().astype("Float64").reindex(places["run"])
    scores = scores.drop_duplicates(["run", "tokens"], keep="last").set_index(["run", "tokens"])
    scores = scores.reindex(pd.MultiIndex.from_frame(places[["run", "tokens"]]))
    # The results table says how parameters are counted; the items' own count stands in where it is silent.
    counted = scores["params"].astype("Float64").to_numpy(float, na_value=np.nan)
    params: Array = places["params"].to_numpy(np.float64).copy()
    params[np.isfinite(counted)] = counted[np.isfinite(counted)]
    return ItemTable(
        task=info.task,
        chance=info.chance or 0.0,
        run=places["run"].to_numpy(str),
        params=params,
        tokens=tokens,
        final=is_final(
            tokens,
            np.asarray(planned.to_numpy(float, na_value=np.nan), dtype=np.float64),
            places.groupby("run")["tokens"].transform("max").to_numpy(float),
        ),
        item=item,
        measures=measures,
        score=scores["value"].to_numpy(float),
        score_stderr=scores["stderr"].to_numpy(float),
        subtask=subtask,
        num_fewshot=shots,
    )


def _of_family(frame: pd.DataFrame, results: Results, task: str, family: str | None) -> pd.DataFrame:
    """Keep the items of one family's runs; that with the most runs where None."""
    if "family" not in frame.columns:
        # A run belongs to the family that the results table puts it in.
        families = results.evals[["run", "family"]].drop_duplicates()
        alike = families[families["run"].isin(frame["run"]) & families["run"].duplicated(keep=False)]
        if not alike.empty:
            raise InputError(
                f"the items of {task} do not say of which family run {alike['run'].iloc[0]} is",
                "two families have a run of that name: add the column family to the items",
            )
        frame = frame.assign(family=frame["run"].map(families.set_index("run")["family"]).fillna("default"))
    chosen = family
    if chosen is None and not frame.empty:
        chosen = str(frame.groupby("family")["run"].nunique().idxmax())
    own = frame[frame["family"] == chosen]
    if own.empty:
        raise InputError(f"no items of {task} are of family {chosen}", "score them with 'predictor evaluate'")
    return own


def _of_prompt(
    frame: pd.DataFrame, scores: pd.DataFrame, task: str, num_fewshot: int | None
) -> tuple[pd.DataFrame, pd.DataFrame, int | None]:
    """Keep the items and the scores of one number of examples, so that neither is joined to the other's."""
    known = sorted(map(int, scores["num_fewshot"].dropna().unique()))
    if "num_fewshot" not in frame.columns or frame["num_fewshot"].isna().all():
        if len(known) > 1:
            raise InputError(
                f"the items of {task} do not state num_fewshot, and its scores have {', '.join(map(str, known))}",
                "add the column num_fewshot to the items",
            )
        shots = known[0] if known else None
        if num_fewshot is not None and num_fewshot != shots:
            raise InputError(f"no items of {task} were kept with {num_fewshot} examples in the prompt", _kept(known))
        return frame, scores, shots
    kept = sorted(map(int, frame["num_fewshot"].dropna().unique()))
    if not known and num_fewshot is None and len(kept) > 1:
        raise InputError(f"the scores of {task} do not state num_fewshot", _kept(kept))
    shots = main_shots(frame) if num_fewshot is None else num_fewshot
    own = frame[frame["num_fewshot"] == shots]
    if own.empty:
        raise InputError(f"no items of {task} were kept with {shots} examples in the prompt", _kept(kept))
    # Scores that do not state their prompt are taken to be of this one where no other is stated.
    return own, with_shots(scores, shots if known else None), shots


def _kept(shots: Sequence[int]) -> str:
    return f"there are items with {', '.join(map(str, shots)) or 'an unknown number'}"


def _from_lists(frame: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64], NDArray[np.str_], dict[str, Array]]:
    frame = frame.sort_values(["run", "tokens"], kind="stable").reset_index(drop=True)
    try:
        rows = [np.asarray(row, dtype=float) for row in frame["values"]]
    except (TypeError, ValueError):
        raise InputError(
            "the column values of the items holds what is no number", "list the nats of each item"
        ) from None
    if any(row.ndim != 1 for row in rows):
        raise InputError("the column values of the items holds no lists of numbers", "list the nats of each item")
    sizes = {len(row) for row in rows}
    if len(sizes) > 1:
        raise InputError(f"checkpoints have {min(sizes)} to {max(sizes)} items", "list the same items for every one")
    values = np.array(rows)
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
    for name, values in measure_items(frame).items():
        grid = np.full((len(places), len(asked)), np.nan)
        grid[row, column] = values
        if np.isfinite(grid).any():
            measures[name] = grid
    return places.astype({"run": str}), asked["doc_id"].to_numpy(np.int64), asked["subtask"].to_numpy(str), measures

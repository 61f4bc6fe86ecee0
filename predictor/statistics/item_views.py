"""Single items: what a checkpoint answered, and what other checkpoints and runs answered to the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predictor.errors import InputError, UnknownNameError
from predictor.results.item_measures import measure_items
from predictor.results.items import read_items
from predictor.results.readers import Results
from predictor.results.series import LOSS_PREFIX, UNKNOWN_SHOTS, Series, fill_shots, main_shots, with_shots
from predictor.statistics.plain import to_plain
from predictor.statistics.sides import ROLES, read_side

_KEY = ["subtask", "doc_id"]


@dataclass(frozen=True)
class Answer:
    """What one checkpoint answered to an item.

    Attributes:
        run: the run.
        step: its step, or None where the source has none.
        tokens: training tokens.
        correct: 1 where it is right, a share for sampled answers, NaN where it was not graded.
        log_likelihoods: of each choice, in nats.
        probability: of the right choice among the choices, or NaN.
    """

    run: str
    step: int | None
    tokens: int
    correct: float
    log_likelihoods: tuple[float, ...]
    probability: float


@dataclass(frozen=True)
class Item:
    """One item with the answers to it.

    Attributes:
        subtask: its sub-task.
        doc_id: number of its document.
        doc_hash: hash of the document, or None.
        gold: number of the right choice, or None.
        answer: what the checkpoint in question answered.
        others: the run's other checkpoints, then other runs, in the order of tokens.
    """

    subtask: str
    doc_id: int
    doc_hash: str | None
    gold: int | None
    answer: Answer
    others: tuple[Answer, ...]


@dataclass(frozen=True)
class Items:
    """The items of one benchmark as one checkpoint answered them.

    Attributes:
        task: the benchmark.
        num_fewshot: examples in the prompt, or None.
        run: the run.
        step: its step, or None.
        tokens: its training tokens.
        total: items that were scored.
        matching: items that were asked for.
        items: the first of those.
    """

    task: str
    num_fewshot: int | None
    run: str
    step: int | None
    tokens: int
    total: int
    matching: int
    items: tuple[Item, ...]

    @property
    def label(self) -> str:
        """Name the benchmark, as `arc_easy (5-shot)`."""
        return Series(self.task, "", self.num_fewshot).label

    def to_json(self) -> dict[str, Any]:
        """Return everything as values of JSON; what is not known is null."""
        return {name: to_plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Asked:
    """Which items are asked for.

    Attributes:
        wrong: only those that are answered wrong.
        flipped_since: only those that were right at this step and are wrong now, or the other way round.
        numbers: only these documents.
        num_fewshot: which of the prompts, that of the most rows where None.
        skip: leave out so many of the items that match.
        limit: how many to return.
    """

    wrong: bool = False
    flipped_since: int | None = None
    numbers: tuple[int, ...] = ()
    num_fewshot: int | None = None
    skip: int = 0
    limit: int = 10


def look_at_items(
    results: Results,
    task: str,
    run: str,
    step: int | None = None,
    *,
    runs: Sequence[str] = (),
    family: str | None = None,
    asked: Asked | None = None,
) -> Items:
    """Read items as a checkpoint answered them, beside its run's other checkpoints and other runs.

    Args:
        results: where they are.
        task: the benchmark.
        run: the run.
        step: the checkpoint; the newest that was scored on the benchmark where None.
        runs: further runs whose newest answers are shown.
        family: of the runs, where several families have a run of that name.
        asked: which items; the first ten where None.

    Raises:
        UnknownNameError: there is no such task or run.
        InputError: no items were kept, or they are not right or wrong and that is asked for.
    """
    name = task if task.startswith(LOSS_PREFIX) else results.task(task).task
    side = read_side(run if step is None else f"{run}@{step}", results, family)
    if len(side.runs) > 1:
        raise InputError(f"'{run}' names {len(side.runs)} runs", "items are shown as one run answered them")
    known = results.evals["run"].unique()
    for other in runs:
        if other not in known:
            raise UnknownNameError("run", other, known, str(results.path))
    names = results.spellings.get(name, (name,))
    return view_items(results.path, names, side.runs[0], step, runs=runs, family=family, asked=asked)


def view_items(
    path: Path,
    names: Sequence[str],
    run: str,
    step: int | None = None,
    *,
    runs: Sequence[str] = (),
    family: str | None = None,
    asked: Asked | None = None,
) -> Items:
    """Read items as `look_at_items` does, without reading the scores first.

    Args:
        path: a store, a table or a folder.
        names: the names under which the task's items may be kept, the task's own first.
        run: as in `look_at_items`, and the others too.
    """
    asked = asked or Asked()
    task = names[0]
    frame = read_items(path, *names, roles=ROLES, runs=[run, *runs])
    if family is not None and "family" in frame.columns:
        frame = frame[frame["family"] == family]
    frame, shots = _of_prompt(frame, asked.num_fewshot, task)
    frame = _measured(frame)
    own = frame[frame["run"] == run]
    at = _checkpoint(own, run, step, task)
    here = own[own["tokens"] == at].sort_values(_KEY)
    keep = _matching(here, own, asked)
    shown = here[keep].iloc[asked.skip : asked.skip + asked.limit]
    others = _others(frame, run, at, runs)
    by_item = dict(iter(others.merge(shown[_KEY], on=_KEY).groupby(_KEY)))
    items = tuple(_item(row, by_item) for row in shown.to_dict("records"))
    steps = here["step"].dropna()
    number = None if steps.empty else int(steps.iloc[0])
    return Items(task, shots, run, number, int(at), len(here), int(keep.sum()), items)


def _of_prompt(frame: pd.DataFrame, num_fewshot: int | None, task: str) -> tuple[pd.DataFrame, int | None]:
    if "num_fewshot" not in frame.columns:
        return frame, None
    shots = main_shots(frame) if num_fewshot is None else num_fewshot
    own = with_shots(frame, shots)
    if own.empty:
        known = sorted({int(value) for value in fill_shots(frame)["num_fewshot"] if value != UNKNOWN_SHOTS})
        raise InputError(f"no items of {task} were kept with {shots} examples in the prompt", f"there are {known}")
    return own, shots


def _measured(frame: pd.DataFrame) -> pd.DataFrame:
    """Bring items into one form: one row per item, also where a source lists the losses of right answers alone."""
    if "values" not in frame.columns:
        return frame.assign(probability=measure_items(frame)["probability"]).reset_index(drop=True)
    numbers = pd.Series([np.arange(len(values)) for values in frame["values"]], index=frame.index, dtype=object)
    frame = frame.assign(doc_id=numbers)
    frame = frame.explode(["values", "doc_id"], ignore_index=True)
    nats = frame["values"].astype(float)
    kept = frame.drop(columns="values").assign(subtask="", correct=math.nan, gold=0, probability=math.nan)
    values = pd.Series([[-value] for value in nats], index=kept.index, dtype=object)
    return kept.assign(doc_id=kept["doc_id"].astype(int), log_likelihoods=values)


def _checkpoint(own: pd.DataFrame, run: str, step: int | None, task: str) -> float:
    if own.empty:
        raise InputError(f"no items of {task} were kept for run {run}", "score it with 'predictor evaluate'")
    if step is None:
        return float(own["tokens"].max())
    found = own[own["step"] == step]
    if found.empty:
        known = ", ".join(str(int(value)) for value in sorted(own["step"].dropna().unique()))
        raise InputError(f"no items of {task} were kept for {run} at step {step}", f"there are steps {known}")
    return float(found["tokens"].iloc[0])


def _matching(here: pd.DataFrame, own: pd.DataFrame, asked: Asked) -> pd.Series:
    """Mark the items that are asked for."""
    keep = pd.Series(True, index=here.index)
    if (asked.wrong or asked.flipped_since is not None) and here["correct"].isna().all():
        raise InputError("the items are not right or wrong: only the losses of right answers were kept", "leave it out")
    if asked.wrong:
        keep &= here["correct"] < 0.5
    if asked.flipped_since is not None:
        before = own[own["step"] == asked.flipped_since].drop_duplicates(_KEY).set_index(_KEY)["correct"]
        if before.empty:
            known = ", ".join(str(int(value)) for value in sorted(own["step"].dropna().unique()))
            raise InputError(f"the run has no items at step {asked.flipped_since}", f"there are steps {known}")
        then = before.reindex(pd.MultiIndex.from_frame(here[_KEY])).to_numpy(float)
        known_then = np.isfinite(then) & here["correct"].notna().to_numpy()
        keep &= known_then & ((then >= 0.5) != (here["correct"] >= 0.5).to_numpy())
    if asked.numbers:
        keep &= here["doc_id"].isin(list(asked.numbers))
    return keep


def _others(frame: pd.DataFrame, run: str, at: float, runs: Sequence[str]) -> pd.DataFrame:
    newest = frame["tokens"] == frame.groupby("run")["tokens"].transform("max")
    own = (frame["run"] == run) & (frame["tokens"] != at)
    further = frame["run"].isin([name for name in runs if name != run]) & newest
    return frame[own | further].assign(is_other=further).sort_values(["is_other", "run", "tokens"], kind="stable")


def _item(row: dict[Any, Any], by_item: dict[Any, pd.DataFrame]) -> Item:
    others = by_item.get((row["subtask"], row["doc_id"]))
    answers = () if others is None else tuple(_answer(other) for other in others.to_dict("records"))
    digest = row.get("doc_hash")
    return Item(
        str(row["subtask"]),
        int(row["doc_id"]),
        str(digest) if isinstance(digest, str) else None,
        None if pd.isna(row["gold"]) else int(row["gold"]),
        _answer(row),
        answers,
    )


def _answer(row: dict[Any, Any]) -> Answer:
    values = row["log_likelihoods"]
    known = values is not None and not np.isscalar(values)
    return Answer(
        str(row["run"]),
        None if pd.isna(row["step"]) else int(row["step"]),
        int(row["tokens"]),
        float(row["correct"]),
        tuple(float(value) for value in values) if known else (),
        float(row["probability"]),
    )

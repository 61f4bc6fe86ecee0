"""Compare what is imported with what a store holds: what is new, corrected, there already, or does not count."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from predictor.errors import InputError
from predictor.quantity import format_quantity
from predictor.results.files import present_time
from predictor.results.formats.found import LeftOut
from predictor.results.importing.merge import PlannedCheckpoint
from predictor.results.importing.rows import SERIES
from predictor.results.importing.storage import read_imported
from predictor.results.schema import validate
from predictor.results.standing import sort_by_standing
from predictor.results.store import Store

Row = dict[Hashable, Any]
KEYS = ["family", "run", "tokens", *SERIES]


@dataclass(frozen=True)
class Change:
    """A score that the store had with another value.

    Attributes:
        what: the score, as `arc_easy acc of 70m at 300B tokens`.
        before: its value so far.
        after: its value now.
    """

    what: str
    before: float
    after: float

    def __str__(self) -> str:
        return f"{self.what}: {self.before:g} so far, {self.after:g} now"


@dataclass(frozen=True)
class Comparison:
    """What an import changes in a store.

    Attributes:
        rows: the scores that will count, of all checkpoints, in the results schema with the columns of
            `predictor.results.importing.storage`; and `checkpoint`, the number of the planned checkpoint.
        new: how many of them the store did not have.
        unchanged: how many it had with the same value.
        corrected: those it had with another value.
        left_out: scores that do not count beside what the store holds.
    """

    rows: pd.DataFrame
    new: int
    unchanged: int
    corrected: tuple[Change, ...]
    left_out: tuple[LeftOut, ...]


def compare(checkpoints: Sequence[PlannedCheckpoint], store: Store, same_model: bool, source: str) -> Comparison:
    """Compare planned checkpoints, nothing of which is missing, with a store.

    Args:
        checkpoints: what is to be stored.
        store: where; it need not exist.
        same_model: take a checkpoint that the store knows by another model's name for the same.
        source: what to call the import in errors.

    Raises:
        InputError: a number is impossible, the store knows a run with other params, or a checkpoint as another model's.
    """
    planned = pd.concat(
        [_placed(checkpoint, number) for number, checkpoint in enumerate(checkpoints)], ignore_index=True
    )
    planned = validate(planned, source)
    _refuse_other_sizes(planned, store, source)
    held = read_imported(store)
    held = held[held["run"].isin(planned["run"].unique())]
    if not same_model:
        _refuse_other_models(planned, held, store)
    planned["scored_at"] = planned["scored_at"].where(planned["dated"], present_time())
    before = sort_by_standing(held).drop_duplicates(KEYS, keep="last")
    both = pd.concat([part for part in (before, planned) if len(part)], ignore_index=True)
    both["held"] = both["number"].isna() if len(before) else False
    winners = sort_by_standing(both).drop_duplicates(KEYS, keep="last")
    known = {_key(row): float(row["value"]) for row in before.to_dict("records")}
    winning = winners[~winners["held"]]
    values = [(known.get(_key(row)), row) for row in winning.to_dict("records")]
    changes = [
        Change(_label(row), value, float(row["value"]))
        for value, row in values
        if value is not None and value != row["value"]
    ]
    lost = both[~both["held"]].drop(index=winning.index)
    return Comparison(
        rows=winning.drop(columns="held").sort_values(["number", *SERIES], kind="stable"),
        new=sum(value is None for value, _ in values),
        unchanged=sum(value is not None and value == row["value"] for value, row in values),
        corrected=tuple(changes),
        left_out=tuple(_all_lost(lost, winners)),
    )


def _placed(checkpoint: PlannedCheckpoint, number: int) -> pd.DataFrame:
    place = checkpoint.place
    frame = checkpoint.rows.assign(
        family=place.family,
        run=place.run,
        params=place.params,
        tokens=place.tokens,
        flops=math.nan if place.flops is None else place.flops,
        number=number,
    )
    for name in ("params_non_embedding", "step", "tokens_planned"):
        frame[name] = pd.array([getattr(place, name)] * len(frame), dtype="Int64")
    return frame


def _refuse_other_sizes(scores: pd.DataFrame, store: Store, source: str) -> None:
    """Refuse a run that the store knows with other params: it would be one name for two models."""
    known = store.sizes() if store.path.is_dir() else {}
    for run, params in scores[["run", "params"]].drop_duplicates().itertuples(index=False):
        if run in known and known[run] != params:
            raise InputError(
                f"{source} says that run {run} has {params} params, the store {store.path} says {known[run]}",
                "correct --params, or import it under another --run",
            )


def _refuse_other_models(planned: pd.DataFrame, held: pd.DataFrame, store: Store) -> None:
    place = ["family", "run", "tokens"]
    names = [frame[frame["model"].astype(bool)].drop_duplicates([*place, "model"]) for frame in (planned, held)]
    both = names[0].merge(names[1], on=place, suffixes=("", "_held"))
    for row in both.to_dict("records"):
        if _last(row["model"]) != _last(row["model_held"]):
            raise InputError(
                f"{row['model']} would be run {row['run']} at {format_quantity(row['tokens'])} tokens, which the store "
                f"{store.path} has of {row['model_held']}",
                "import it under another --run, or give --same-model if it was only renamed",
            )


def _last(name: object) -> str:
    return str(name).rstrip("/").rsplit("/", 1)[-1]


def _all_lost(lost: pd.DataFrame, winners: pd.DataFrame) -> list[LeftOut]:
    if lost.empty:
        return []
    by_key = {_key(row): row for row in winners.to_dict("records")}
    return [_lost(row, by_key[_key(row)]) for row in lost.to_dict("records")]


def _lost(row: Row, winner: Row) -> LeftOut:
    if row["limited"] and not winner["limited"]:
        reason = "scored with a limit; the store has the full score"
    else:
        reason = f"the store has a newer result, of {str(winner['scored_at'])[:19]}"
    return LeftOut(_label(row), f"{reason}, {winner['value']:g}")


def _label(row: Row) -> str:
    return f"{row['task']} {row['metric']} of {row['run']} at {format_quantity(row['tokens'])} tokens"


def _key(row: Row) -> tuple[object, ...]:
    return tuple(None if pd.isna(row[name]) else row[name] for name in KEYS)

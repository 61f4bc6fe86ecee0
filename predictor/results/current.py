"""Which rows of a store count now, of all that were ever written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from predictor.errors import StoreError
from predictor.results.schema import MODEL_COLUMNS, RECIPE_COLUMNS
from predictor.results.standing import sort_by_standing
from predictor.results.table_file import IMPORTED

_OF_THE_RUN = ("family", "params", "params_non_embedding", "tokens_planned", *MODEL_COLUMNS)
# These a checkpoint may have said when it was scored, though nothing says them now.
_MAY_BE_KEPT = ("params", "params_non_embedding", *MODEL_COLUMNS)


def current(
    frame: pd.DataFrame,
    tasks: pd.DataFrame | None,
    runs: pd.DataFrame | None,
    roles: Sequence[str],
    notes: list[str],
    store: Path,
) -> pd.DataFrame:
    """Leave out what another protocol or another role made, and take the run's columns as they are known now.

    Args:
        frame: rows of scores or items.
        tasks: how each task is scored now, if that is known.
        runs: what is known of the runs now, if anything is.
        roles: runs of which roles count.
        notes: takes a line on each kind of rows that are left out.
        store: for the message of an error.

    Raises:
        StoreError: no row counts.
    """
    if tasks is not None:
        now = tasks.drop_duplicates(["task", "num_fewshot"], keep="last").set_index(["task", "num_fewshot"])["protocol"]
        found = now.reindex(pd.MultiIndex.from_frame(frame[["task", "num_fewshot"]])).to_numpy()
        keep = (frame["protocol"] == IMPORTED) | pd.isna(found) | (frame["protocol"].to_numpy() == found)
        if not keep.all():
            names = sorted(frame.loc[~keep, "task"].unique())
            notes.append(f"{int((~keep).sum())} rows left out, scored under an earlier protocol: {', '.join(names)}")
        frame = frame[keep]
    if runs is None and not frame.empty and (frame["protocol"] != IMPORTED).any():
        notes.append("runs.parquet is missing: every run is taken as one of the ladder, the target's own too")
    if runs is not None and not frame.empty:
        own = frame["protocol"] != IMPORTED
        known = runs.set_index("run")
        # The target's own scores must not enter a fit because its row was lost.
        lost = own & ~frame["run"].isin(known.index)
        if lost.any():
            lacking = ", ".join(sorted(frame.loc[lost, "run"].unique()))
            notes.append(
                f"{int(lost.sum())} rows left out, as runs.parquet does not say whether their runs are of the ladder: "
                f"{lacking}; run 'predictor evaluate' with the runs in checkpoints.yaml"
            )
            frame, own = frame[~lost], own[~lost]
        role = frame["run"].map(known["role"]).where(own, "ladder")
        other = ~role.isin(list(roles))
        if other.any():
            names = sorted(frame.loc[other, "run"].unique())
            notes.append(f"{int(other.sum())} rows left out, of the target's own run: {', '.join(names)}")
        frame = frame[~other].copy()
    if runs is not None and not frame.empty:
        # A run's size corrected in checkpoints.yaml holds for what was scored before, too.
        listed = (frame["protocol"] != IMPORTED) & frame["run"].isin(known.index)
        for column in _OF_THE_RUN:
            if column in frame.columns and column in known.columns:
                now = frame["run"].map(known[column])
                kept = ~listed | (now.isna() if column in _MAY_BE_KEPT else False)
                frame[column] = frame[column].where(kept, now)
        if "value" in frame.columns:
            for column in set(RECIPE_COLUMNS) & set(known.columns):
                frame[column] = frame["run"].map(known[column]).where(listed)
        if "tokens" in frame.columns:
            tokens = (frame["step"].astype("Float64") * frame["run"].map(known["tokens_per_step"])).round()
            # Where tokens do not follow from the step, they are as they were when the checkpoint was scored.
            frame["tokens"] = frame["tokens"].where(~listed | tokens.isna(), tokens).astype("int64")
    if frame.empty:
        raise StoreError(f"the store {store} holds no scores that count ({'; '.join(notes)})", "evaluate again")
    return frame


def latest(frame: pd.DataFrame, keys: list[str], notes: list[str]) -> pd.DataFrame:
    """Of several results of one point keep our own before imported ones, and that which counts most.

    Args:
        frame: rows of scores or items.
        keys: columns that name a point.
        notes: takes a line on the rows that are left out.
    """
    order = sort_by_standing(frame)
    own = order["protocol"] != IMPORTED
    kept = pd.concat([order[~own], order[own]]).drop_duplicates(keys, keep="last")
    if len(kept) < len(frame):
        notes.append(f"{len(frame) - len(kept)} rows left out, scored again since (the latest counts)")
    return kept.sort_index()


def content_sha256(frame: pd.DataFrame) -> str:
    """Hash a table's rows, whatever their order; numbers count to their last bit."""
    lines = frame.to_csv(index=False, header=False, lineterminator="\n").splitlines()
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

"""What is compared: a checkpoint, the end of a run, or several runs of one recipe that differ in their seeds."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from predictor.errors import InputError, UnknownNameError
from predictor.quantity import parse_quantity
from predictor.results.readers import Results, read_results
from predictor.results.series import LOSS_PREFIX, fill_shots

ROLES = ("ladder", "target")


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: as it was asked for.
        results: where its scores are.
        rows: its scores, one checkpoint per run and series, with `num_fewshot` filled by
            `predictor.results.series.fill_shots`.
        runs: its runs; several are one recipe trained with several seeds.
        newest: whether each benchmark's newest checkpoint was taken, as no step was asked for.
    """

    name: str
    results: Results
    rows: pd.DataFrame
    runs: tuple[str, ...]
    newest: bool

    @property
    def label(self) -> str:
        """Name the side with its checkpoint, as `1b@56000`."""
        steps = self.rows["step"].dropna().unique()
        alone = len(self.runs) == 1 and self.newest and len(steps) == 1
        return f"{self.name}@{int(steps[0])}" if alone else self.name

    def places(self, task: str, num_fewshot: int) -> pd.DataFrame:
        """Return which checkpoint of each run was scored on a series: columns run, step and tokens."""
        own = self.rows[(self.rows["task"] == task) & (self.rows["num_fewshot"] == num_fewshot)]
        return own[["run", "step", "tokens"]].drop_duplicates("run").reset_index(drop=True)


def read_side(text: str, results: Results | str | Path | None = None, family: str | None = None) -> Side:
    """Find what a name stands for.

    Args:
        text: `RUN` (the newest checkpoint of each benchmark), `RUN@STEP`, `RUN@TOKENS` where the table has no steps,
            `RUN1,RUN2` or a pattern as `seed*` (runs of one recipe with several seeds), each of them also as
            `PATH:RUN…`, or a path alone that holds one run.
        results: where runs are that come without a path.
        family: of the runs, where several families have a run of that name.

    Raises:
        UnknownNameError: there is no such run or checkpoint.
        InputError: the name can mean several things, or no results are given for it.
    """
    path, names = _split(text)
    if path is not None:
        results = path
    if results is None:
        raise InputError(f"no results are given for '{text}'", "name a store or a table with --results, or PATH:RUN")
    loaded = results if isinstance(results, Results) else read_results(results, ROLES)
    rows = fill_shots(loaded.evals)
    if family is not None:
        if family not in set(rows["family"]):
            raise UnknownNameError("family", family, rows["family"].unique(), str(loaded.path))
        rows = rows[rows["family"] == family]
    if not names:
        names = _only_run(rows, text)
    parts = [_of_run(rows, loaded, name) for part in names.split(",") for name in _matching(rows, part.strip())]
    chosen = pd.concat(parts).drop_duplicates()
    runs = tuple(dict.fromkeys(chosen["run"]))
    if len(runs) < len(parts):
        raise InputError(f"'{text}' names two checkpoints of one run", "checkpoints of a run are no seeds; name one")
    return Side(names if path is None else text, loaded, chosen, runs, "@" not in names)


def _split(text: str) -> tuple[Path | None, str]:
    """Split `PATH:RUN` where the path exists; a name that is no path comes back whole."""
    if not text.strip():
        raise InputError("an empty name was given", "name a run, RUN@STEP or PATH:RUN")
    for place in [len(text), *(place for place in range(len(text) - 1, 0, -1) if text[place] == ":")]:
        head = text[:place]
        looks_like_path = "/" in head or "." in head or place < len(text)
        if looks_like_path and _exists(Path(head)):
            return Path(head), text[place + 1 :]
    return None, text


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _only_run(rows: pd.DataFrame, text: str) -> str:
    runs = sorted(map(str, rows["run"].unique()))
    if len(runs) > 1:
        raise InputError(f"{text} holds {len(runs)} runs", f"name one, as {text}:{runs[0]}")
    return runs[0]


def _matching(rows: pd.DataFrame, name: str) -> list[str]:
    """List the runs that a pattern stands for, each with the pattern's checkpoint; a plain name is itself."""
    known = set(map(str, rows["run"].unique()))
    run, sign, step = name.rpartition("@") if name not in known else ("", "", "")
    pattern = run if sign else name
    if pattern in known or not any(letter in pattern for letter in "*?["):
        return [name]
    found = sorted(fnmatch.filter(known, pattern))
    if not found:
        raise UnknownNameError("run", pattern, known)
    return [f"{one}@{step}" if sign else one for one in found]


def _of_run(rows: pd.DataFrame, results: Results, name: str) -> pd.DataFrame:
    """Return the scores of one run at one checkpoint, of each series the newest where none is named."""
    known = set(map(str, rows["run"].unique()))
    run, sign, at = name.rpartition("@") if name not in known else (name, "", "")
    run = run if sign or name in known else name
    if run not in known:
        raise UnknownNameError("run", run, known, str(results.path))
    own = rows[rows["run"] == run]
    families = sorted(map(str, own["family"].unique()))
    if len(families) > 1:
        raise InputError(f"{len(families)} families have a run {run}: {', '.join(families)}", "choose with --family")
    if sign:
        return _at(own, run, at)
    newest = own.groupby(["task", "metric", "num_fewshot"])["tokens"].transform("max")
    return own[own["tokens"] == newest]


def _at(rows: pd.DataFrame, run: str, at: str) -> pd.DataFrame:
    value = 0.0 if at.strip() in ("0", "0B") else parse_quantity(at, f"the step of {run}")
    # A table without steps has its checkpoints by tokens.
    column = "step" if rows["step"].notna().any() else "tokens"
    places = rows[column].astype("Float64")
    found = rows[places == round(value)]
    if found.empty:
        known = sorted({int(place) for place in places.dropna()}, key=lambda place: abs(place - value))[:5]
        near = ", ".join(map(str, sorted(known)))
        raise InputError(f"run {run} has no scores at {column} {at}", f"the nearest are {near}")
    return found


def shared_series(sides: Sequence[Side]) -> list[tuple[str, int]]:
    """List the series (task, num_fewshot) that every run of every side was scored on, held-out texts last."""
    found: set[tuple[str, int]] | None = None
    for side in sides:
        for _, rows in side.rows.groupby("run"):
            own = set(zip(rows["task"].astype(str), rows["num_fewshot"].astype(int), strict=True))
            found = own if found is None else found & own
    return sorted(found or set(), key=lambda series: (series[0].startswith(LOSS_PREFIX), series))

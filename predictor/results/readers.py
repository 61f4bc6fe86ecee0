"""Read results: a store, a testbed folder, or one Parquet or CSV table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from os import PathLike
from pathlib import Path

import pandas as pd

from predictor.errors import InputError, UnknownNameError
from predictor.results.items import read_items
from predictor.results.layout import COMPACT
from predictor.results.names import add_group_means, rename, resolve, spelling_notes, spellings
from predictor.results.schema import validate
from predictor.results.series import LOSS_PREFIX
from predictor.results.store import Store
from predictor.results.table_file import IMPORTED
from predictor.results.tables import read_table, sha256_of, without_percent_signs
from predictor.results.task_info import TaskInfo, describe_tasks, notes_on, read_declared
from predictor.results.unknown_tokens import files_beside, read_unknown_tokens, without_tokens

_DATA_FRAME = Path("data frame")


@dataclass(frozen=True, repr=False)
class Results:
    """Scores with what is known of their tasks.

    Attributes:
        path: where they were read from.
        evals: the results table (see `predictor.results.schema`).
        tasks: task name -> its headline metric and chance level; held-out losses (`loss:…`) are not among them.
        inputs: name of each file read -> `sha256:…` of its bytes.
        notes: what a reader should know, as rows that were set aside.
        spellings: task name -> the names under which its scores and items are kept, where there are several.
        unknown_tokens: rows of runs whose training tokens are unknown, None where there are none; `tokens` is 0 there.
            No law is fitted to them, but they help as other families.
    """

    path: Path
    evals: pd.DataFrame
    tasks: dict[str, TaskInfo]
    inputs: dict[str, str]
    notes: tuple[str, ...] = field(default=())
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown_tokens: pd.DataFrame | None = None

    def __repr__(self) -> str:
        runs = self.evals[["family", "run"]].drop_duplicates()
        families = len(set(runs["family"]))
        of = "1 family" if families == 1 else f"{families} families"
        return f"<Results: {len(runs)} runs of {of}, {len(self.tasks)} benchmarks, {len(self.evals)} scores>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.evals.to_html(index=False, border=0, max_rows=20)}"

    def to_frame(self) -> pd.DataFrame:
        """Return the results table, one row per score; a copy."""
        return self.evals.copy()

    def families(self) -> list[str]:
        """Return the names of all families, those whose training tokens are unknown last."""
        names = list(self.evals["family"].unique())
        if self.unknown_tokens is not None:
            names += list(self.unknown_tokens["family"].unique())
        return [str(name) for name in dict.fromkeys(names)]

    def task(self, name: str) -> TaskInfo:
        """Look up one task by its name, or by another name of the same benchmark.

        Raises:
            UnknownNameError: no scores of that task are here.
        """
        used = resolve(name, self.tasks)
        if used is None:
            raise UnknownNameError("task", name, self.tasks, str(self.path))
        return self.tasks[used]

    @property
    def headline(self) -> dict[str, str]:
        """Task -> headline metric, of the tasks that can be forecast."""
        return {name: info.metric for name, info in self.tasks.items() if info.scale is not None}

    def is_headline(self, rows: pd.DataFrame) -> pd.Series:
        """Mark the rows that are scores by the headline metric of a task that can be forecast."""
        return rows["metric"].eq(rows["task"].map(self.headline)) & ~rows["task"].str.startswith(LOSS_PREFIX)

    def as_shares(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with headline scores and their errors as shares, see `predictor.results.scales`."""
        others = {name: info.scale for name, info in self.tasks.items() if info.scale and not info.scale.is_share}
        headline = self.is_headline(rows) & rows["task"].isin(others)
        if not headline.any():
            return rows
        rows = rows.copy()
        for name, own in rows[headline].groupby("task"):
            value, error = own["value"].to_numpy(float), own["stderr"].to_numpy(float)
            rows.loc[own.index, "stderr"] = others[str(name)].error_to_share(error, value)
            rows.loc[own.index, "value"] = others[str(name)].to_share(value)
        return rows

    def items(self, task: str, *, lean: bool = False) -> pd.DataFrame:
        """Read one task's items, see `predictor.results.items`; nothing is read before this is called.

        Args:
            task: the task.
            lean: read only what measures are made from.

        Raises:
            UnknownNameError: no scores of that task are here.
            InputError: its items were not kept.
        """
        name = self.task(task).task
        return read_items(self.path, *self.spellings.get(name, (name,)), lean=lean)


def read_results(path: str | PathLike[str] | pd.DataFrame, roles: Sequence[str] = ("ladder",)) -> Results:
    """Read a store, a testbed folder (`evals.parquet`, `tasks.parquet`), a Parquet or CSV table, or a data frame.

    Args:
        path: where it is, or a data frame with the columns of a results table.
        roles: which runs of a store to read; `("ladder", "target")` reads the target's own as well.

    Raises:
        InputError: nothing readable is there, or the table is not in the schema.
    """
    if isinstance(path, pd.DataFrame):
        return _results_of_table(path, _DATA_FRAME, None, {"data frame": _hash_of(path)})
    path = Path(path)
    files = _table_files(path)
    if files is None:
        return read_store(path, roles)
    # Tables are read before they are hashed: what is no table, such as a device, may have no end.
    table, described = read_table(files[0]), read_table(files[1]) if len(files) > 1 else None
    inputs = {file.name: sha256_of(file) for file in [*files, *files_beside(path)]}
    return _results_of_table(table, files[0], described, inputs, path)


def _results_of_table(
    table: pd.DataFrame, evals: Path, described: pd.DataFrame | None, inputs: dict[str, str], path: Path | None = None
) -> Results:
    """Check a results table and describe its tasks; `path` is the folder of a table that lies in one."""
    table, percents = without_percent_signs(table, str(evals))
    raw, unfinished = without_tokens(table)
    source = str(evals.with_name("tasks.parquet"))
    frame = validate(raw, str(evals), read_declared(described, source))
    notes = [f"{missing} rows without a value were left out"] if (missing := len(raw) - len(frame)) else []
    if percents:
        notes.append(f"cells with a % sign are read as percents, as 31% = 0.31: {', '.join(percents)}")
    if len(unfinished):
        notes.append(
            f"{unfinished['run'].nunique()} runs have no training tokens in the table and count as other families only"
        )
    results = _results(path or evals, frame, described, source, inputs, notes)
    return replace(results, unknown_tokens=read_unknown_tokens(path or evals, unfinished, results.spellings))


def _hash_of(frame: pd.DataFrame) -> str:
    """Hash a data frame's columns and cells as CSV writes them."""
    return "sha256:" + hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def _results(
    path: Path,
    frame: pd.DataFrame,
    described: pd.DataFrame | None,
    source: str,
    inputs: dict[str, str],
    notes: list[str],
) -> Results:
    """Bring the names of benchmarks together, and describe them."""
    several = spellings(map(str, frame["task"].unique()))
    frame = rename(frame, several)
    if described is not None and "task" in described.columns:
        described = rename(described, several)
    notes = [*notes, *spelling_notes(several)]
    notes += [note] if (note := _contradictions(frame)) else []
    frame, of_groups = add_group_means(frame)
    tasks = describe_tasks(frame, described, source)
    notes = [*notes, *of_groups, *notes_on(tasks.values(), frame)]
    return Results(path, frame, tasks, inputs, tuple(notes), several)


def hash_inputs(path: str | Path) -> dict[str, str]:
    """Identify what `read_results` would read, without reading it as tables.

    A table counts with its bytes; a store with the names of its score files, which never change and carry their
    identity, and with the bytes of those that are written anew under one name: its descriptions, and scores that were
    imported or merged.

    Raises:
        InputError: nothing readable is there.
    """
    path = Path(path)
    files = _table_files(path)
    if files is not None:
        items = sorted((files[0].parent / "items").glob("*.parquet"))
        everything = (*files, *files_beside(path), *items)
        return {file.relative_to(files[0].parent).as_posix(): sha256_of(file) for file in everything}
    lines = []
    for file in sorted((path / "scores").rglob("*.parquet")):
        rewritten = file.name == COMPACT or file.parent.name == IMPORTED
        lines.append(file.relative_to(path).as_posix() + (f" {sha256_of(file)}" if rewritten else ""))
    described = (path / "tasks.parquet", path / "runs.parquet")
    return {
        "scores": "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        **{file.name: sha256_of(file) for file in described if file.exists()},
    }


def _contradictions(frame: pd.DataFrame) -> str | None:
    """Report scores that a table gives with several values, as where two tables were joined that overlap."""
    key = ["family", "run", "step", "tokens", "task", "metric", "num_fewshot"]
    stated = frame[[*key, "value"]].drop_duplicates()
    twice = stated[stated.duplicated(key, keep=False)]
    if twice.empty:
        return None
    scores, first = len(twice.drop_duplicates(key)), twice.iloc[0]
    return (
        f"{scores} scores are given with several values, which are averaged; first run {first['run']}, "
        f"task {first['task']}, metric {first['metric']}"
    )


def _table_files(path: Path) -> list[Path] | None:
    """Find the results table and, where there is one, the task table beside it; None for a store."""
    if not path.exists():
        raise InputError(
            f"{path} does not exist", "give a store, a folder with evals.parquet, or a .parquet or .csv table"
        )
    evals = path / "evals.parquet" if path.is_dir() else path
    if path.is_dir() and not evals.exists():
        if Store.looks_like(path):
            return None
        raise InputError(
            f"{path} holds no results", "give a store that 'predictor evaluate' wrote, or a folder with evals.parquet"
        )
    tasks = evals.with_name("tasks.parquet")
    return [evals, tasks] if tasks.exists() and tasks != evals else [evals]


def read_store(path: Path, roles: Sequence[str] = ("ladder",)) -> Results:
    """Read the scores of a store that `predictor evaluate` or `predictor import` wrote."""
    store = Store(path)
    return results_of_rows(store, *store.read_scores(roles))


def results_of_rows(store: Store, frame: pd.DataFrame, inputs: dict[str, str], notes: Sequence[str]) -> Results:
    """Build the results of a store from the rows of it that count, see `Store.read_scores`."""
    path, described = store.path, store.read_tasks()
    frame = validate(frame, str(path), read_declared(described, str(path)))
    return _results(path, frame, described, str(path), inputs, list(notes))

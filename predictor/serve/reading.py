"""The reading process of `predictor serve`: brings the summary up to date by what is new, again and again."""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from predictor.errors import PredictorError, StoreError
from predictor.results import Results, read_results
from predictor.results.counted import counted
from predictor.results.layout import COMPACT, move_aside_if_damaged
from predictor.results.names import add_group_means, rename, spellings
from predictor.results.readers import hash_inputs, results_of_rows
from predictor.results.schema import COLUMNS, validate
from predictor.results.series import LOSS_PREFIX
from predictor.results.store import Store
from predictor.results.store_schema import ForeignFileError, conform
from predictor.results.table_file import IMPORTED, read_table
from predictor.results.task_info import TaskInfo, describe_tasks, read_declared
from predictor.serve.summary import Summary

# Both what counts towards laws and the run in training are shown.
_ROLES = ("ladder", "target")
_CHUNK = 2000
"""Files that are read between two moments at which the pages show what was read."""
_MOMENT = 1.0
"""Seconds of reading after which the server starts with what has been read."""
_FILE = "_file"


def keep_reading(path: Path, file: Path, every: float, channel: Connection) -> None:
    """Keep a summary up to date until the other end of the channel is closed.

    Args:
        path: the results.
        file: the summary.
        every: seconds between two looks.
        channel: takes None after each look that went well or will take long, and else the error.
    """
    reader = Reader(path, Summary(file), lambda: channel.send(None))
    try:
        while True:
            try:
                reader.look()
                channel.send(None)
            except (PredictorError, OSError) as error:
                # A file half-written by others, or a folder that went away: what was read last is shown on.
                reader.report(error)
                channel.send(error if isinstance(error, PredictorError) else StoreError(str(error)))
            if channel.poll(every):
                channel.recv()
    except (EOFError, BrokenPipeError):
        return


class Reader:
    """Brings a summary up to date.

    Args:
        path: a store, a folder with evals.parquet, or a table.
        summary: what is brought up to date; nobody else writes it.
        takes_long: called now and then while many files are read.
    """

    def __init__(self, path: Path, summary: Summary, takes_long: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self._takes_long = takes_long
        self.summary = summary
        is_table = path.is_file() or (path / "evals.parquet").exists()
        self.store = Store(path) if not is_table and Store.looks_like(path) else None

    def look(self) -> None:
        """Read what is new since the last look.

        Raises:
            PredictorError: the results cannot be read.
        """
        if self.store is None:
            self._look_at_table()
        else:
            self._look_at_store(self.store)
        self._note(complete=1, trouble=None, read_at=time.time())

    def report(self, error: Exception) -> None:
        """Have the pages say why the results cannot be read."""
        trouble = str(error)
        with self.summary.writing():
            if self.summary.facts().trouble != trouble:
                self._grow()
            self._note(trouble=trouble)

    def _look_at_table(self) -> None:
        inputs = hash_inputs(self.path)
        known = dict(self.summary.rows("SELECT name, stamp FROM files"))
        if inputs == known:
            return
        results = read_results(self.path, _ROLES)
        headline = {name: info.metric for name, info in results.tasks.items()}
        with self.summary.writing() as connection:
            for table in ("files", "runs", "scores"):
                connection.execute(f"DELETE FROM {table}")
            self._write_tasks(results.tasks.values())
            for run, rows in results.evals.groupby("run", sort=False):
                self._write_run(str(run), rows, headline)
            connection.executemany("INSERT INTO files VALUES (?, '', ?)", inputs.items())
            self._note(files=len(inputs), files_read=len(inputs))
            self._grow()

    def _look_at_store(self, store: Store) -> None:
        found = dict(_files_of(store))
        known = dict(self.summary.rows("SELECT name, stamp FROM files"))
        changed = [name for name, stamp in found.items() if known.get(name) != stamp]
        gone = [name for name in known if name not in found]
        described = {name: _stamp(store.path / name) for name in ("tasks.parquet", "runs.parquet")}
        everywhere = any(known.get(f"/{name}") != stamp for name, stamp in described.items())
        gone = [name for name in gone if not name.startswith("/")]
        unread = len(changed)
        self._note(files=len(found), files_read=len(found) - unread, complete=int(not unread))
        began = time.monotonic()
        for folder, names, left in _in_chunks(changed, gone):
            runs = self._read_folder(store, folder, names, left, found)
            unread -= len(names)
            with self.summary.writing():
                self._recount(store, runs)
                self._note(files_read=len(found) - unread)
                self._grow()
            if unread and time.monotonic() - began > _MOMENT:
                self._takes_long()
        if everywhere:
            with self.summary.writing() as connection:
                self._recount(store, [run for (run,) in self.summary.rows("SELECT DISTINCT run FROM raw_runs")])
                stamps = [(f"/{name}", "", stamp) for name, stamp in described.items()]
                connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", stamps)
                self._grow()
        if not found:
            raise StoreError(f"the store {store.path} holds no scores", "run 'predictor evaluate --once'")

    def _read_folder(
        self, store: Store, folder: str, names: list[str], gone: list[str], stamps: dict[str, str]
    ) -> set[str]:
        """Take files of one folder into the summary's raw rows; the runs whose scores changed."""
        frames, read = [], []
        before = self._raw(folder)
        runs = set() if before is None else set(before["run"].unique())
        if before is not None:
            frames.append(before[~before[_FILE].isin({*names, *gone})])
        for name in names:
            path = store.path / "scores" / name
            try:
                table = conform(read_table(path), "scores")
            except ForeignFileError:
                continue
            except (pa.ArrowInvalid, OSError) as error:
                move_aside_if_damaged(store.path, path, error)
                continue
            read.append((name, folder, stamps[name]))
            frames.append(table.append_column(_FILE, pa.array([name] * table.num_rows)).replace_schema_metadata(None))
        tables = [frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame) for frame in frames]
        whole = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({"run": []})
        runs |= set(whole["run"].unique().to_pylist())
        with self.summary.writing() as connection:
            connection.executemany("DELETE FROM files WHERE name = ?", [(name,) for name in [*names, *gone]])
            connection.executemany("INSERT INTO files VALUES (?, ?, ?)", read)
            connection.execute("INSERT OR REPLACE INTO raw VALUES (?, ?)", (folder, _packed(whole)))
            places = [(str(run), folder) for run in runs]
            connection.executemany("INSERT OR IGNORE INTO raw_runs VALUES (?, ?)", places)
        return {str(run) for run in runs}

    def _raw(self, folder: str) -> pd.DataFrame | None:
        rows = self.summary.rows("SELECT content FROM raw WHERE folder = ?", folder)
        return _unpacked(rows[0][0]) if rows else None

    def _recount(self, store: Store, runs: Iterable[str]) -> None:
        """Find which rows of runs count now, and what of the benchmarks is shown."""
        described = (store.read_tasks(), store.read_runs())
        known = self._spelled(), self._headlines()
        frames = {run: _counted_of(self.summary, run, *described, _ROLES, store.path) for run in runs}
        for run, frame in frames.items():
            self._replace("names", run, [(name,) for name in frame["task"].unique()])
        spelled = self._spelled()
        self._write_metrics(frames, spelled)
        self._write_tasks(describe_tasks(self._measured(), described[0], str(store.path)).values())
        headline = self._headlines()
        if spelled != known[0] or any(headline.get(task, metric) != metric for task, metric in known[1].items()):
            # A benchmark is called or shown otherwise from now on, in all runs.
            others = [run for (run,) in self.summary.rows("SELECT DISTINCT run FROM raw_runs") if run not in frames]
            frames |= {run: _counted_of(self.summary, run, *described, _ROLES, store.path) for run in others}
            self._write_metrics(frames, spelled)
        for run, frame in frames.items():
            self._write_run(run, _with_groups(frame, spelled), headline)

    def _spelled(self) -> dict[str, tuple[str, ...]]:
        return spellings(name for (name,) in self.summary.rows("SELECT DISTINCT task FROM names ORDER BY task"))

    def _headlines(self) -> dict[str, str]:
        return dict(self.summary.rows("SELECT task, metric FROM tasks"))

    def _replace(self, table: str, run: str, rows: Sequence[tuple[object, ...]]) -> None:
        connection = self.summary.connect()
        connection.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
        if rows:
            places = ", ".join("?" * (1 + len(rows[0])))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", [(run, *row) for row in rows])

    def _write_metrics(self, frames: dict[str, pd.DataFrame], spelled: dict[str, tuple[str, ...]]) -> None:
        """Write down what was measured, as far as it decides which metric is shown."""
        for run, frame in frames.items():
            whole = _with_groups(frame, spelled)
            if "higher_is_better" not in whole.columns:
                whole = whole.assign(higher_is_better=None)
            table = whole.groupby(["task", "metric"]).agg(
                lowest=("value", "min"), highest=("value", "max"), higher=("higher_is_better", "first")
            )
            rows = [(*name, *row) for name, *row in table.astype(object).where(table.notna(), None).itertuples()]
            self._replace("metrics", run, rows)

    def _measured(self) -> pd.DataFrame:
        """The smallest and the largest score of each metric and run, as a table of results."""
        columns = ["run", "task", "metric", "lowest", "highest", "higher_is_better"]
        rows = pd.DataFrame(self.summary.rows(f"SELECT {', '.join(columns)} FROM metrics"), columns=columns)
        ends = [rows.assign(value=rows[end].astype(float)) for end in ("lowest", "highest")]
        return pd.concat(ends, ignore_index=True).astype({"task": "str", "metric": "str", "run": "str"})

    def _write_tasks(self, tasks: Iterable[TaskInfo]) -> None:
        connection = self.summary.connect()
        connection.execute("DELETE FROM tasks")
        rows = [(task.task, task.metric, task.chance) for task in tasks]
        connection.executemany("INSERT INTO tasks VALUES (?, ?, ?)", rows)

    def _write_run(self, run: str, frame: pd.DataFrame, headline: dict[str, str]) -> None:
        """Write what is shown of a run: headline scores and held-out losses."""
        is_loss = frame["task"].str.startswith(LOSS_PREFIX) & frame["metric"].isin(("nll", "bpb"))
        shown = frame[is_loss | frame["metric"].eq(frame["task"].map(headline))]
        columns = ["family", "params", "tokens", "step", "task", "num_fewshot", "metric", "value"]
        rows = shown[columns].astype(object).where(shown[columns].notna(), None)
        self._replace("scores", run, list(rows.itertuples(index=False, name=None)))
        places = []
        for family, part in shown.groupby("family", sort=False):
            planned = part["tokens_planned"].max()
            values = (
                str(family),
                int(part["params"].iloc[0]),
                int(part["tokens"].max()),
                None if pd.isna(planned) else int(planned),
                int(part["tokens"].nunique()),
                int(part["task"].nunique()),
            )
            places.append(values)
        self._replace("runs", run, places)

    def _note(self, **facts: object) -> None:
        self.summary.connect().executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def _grow(self) -> None:
        self._note(generation=self.summary.facts().generation + 1)


def results_of(path: Path, file: Path) -> Results:
    """Read a store's results for a forecast out of its summary, run by run; equal to `read_results`.

    Args:
        path: the store.
        file: its summary.

    Raises:
        StoreError: no scores count yet.
    """
    store, summary = Store(path), Summary(file)
    tasks, described = store.read_tasks(), store.read_runs()
    frames = []
    for (run,) in summary.rows("SELECT DISTINCT run FROM raw_runs ORDER BY run"):
        frame = _counted_of(summary, run, tasks, described, ("ladder",), path)
        frames.append(frame)
    whole = [frame for frame in frames if not frame.empty]
    if not whole:
        raise StoreError(f"the store {path} holds no scores that count", "run 'predictor evaluate --once'")
    frame = pd.concat(whole, ignore_index=True)
    keys = ["family", "run", "params", "tokens", "task", "metric", "num_fewshot", "step", "value"]
    frame = frame.sort_values(keys, kind="stable").reset_index(drop=True)
    return results_of_rows(store, frame, {}, ())


def _with_groups(frame: pd.DataFrame, spelled: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    return frame if frame.empty else add_group_means(rename(frame, spelled))[0]


def _counted_of(
    summary: Summary,
    run: str,
    tasks: pd.DataFrame | None,
    described: pd.DataFrame | None,
    roles: tuple[str, ...],
    path: Path,
) -> pd.DataFrame:
    contents = summary.rows(
        "SELECT content FROM raw JOIN raw_runs USING (folder) WHERE run = ? ORDER BY folder = ?, folder", run, run
    )
    parts = [_unpacked(content) for (content,) in contents]
    frame = pd.concat([part[part["run"] == run] for part in parts], ignore_index=True) if parts else pd.DataFrame()
    if frame.empty:
        return pd.DataFrame(columns=[*COLUMNS])
    try:
        frame = counted(frame.drop(columns=_FILE), tasks, described, roles, [], path)
    except StoreError:
        # None of the run's scores count: its role is another one, or its tasks are scored anew.
        return frame.head(0)
    return validate(frame, str(path), read_declared(tasks, str(path)))


def _files_of(store: Store) -> Iterator[tuple[str, str]]:
    """List the scores files of a store: name, and what it is like where it may be written anew under one name."""
    scores = store.path / "scores"
    for run, step, stem in sorted(store.loose()):
        yield f"{run}/{step}/{stem}.parquet", ""
    for path in sorted([*scores.glob(f"*/{COMPACT}"), *scores.glob(f"{IMPORTED}/*.parquet")]):
        if not path.name.startswith("."):
            yield path.relative_to(scores).as_posix(), _stamp(path)


def _in_chunks(changed: list[str], gone: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Cut what is to be read into pieces of one folder each: folder, files to read, files that went."""
    by_folder: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for names, place in ((changed, 0), (gone, 1)):
        for name in names:
            top = name.split("/")[0]
            by_folder[name if top == IMPORTED else top][place].append(name)
    for folder, (names, left) in by_folder.items():
        yield folder, names[:_CHUNK], left
        for first in range(_CHUNK, len(names), _CHUNK):
            yield folder, names[first : first + _CHUNK], []


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino}"


def _packed(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _unpacked(content: bytes) -> pd.DataFrame:
    frame: pd.DataFrame = pq.read_table(pa.BufferReader(content)).to_pandas()
    return frame

"""The store: one folder with one small Parquet file for every (checkpoint, task) that was scored.

    store/
      tasks.parquet     task, num_fewshot, metric, chance, n_items, protocol: how each task is scored now
      runs.parquet      run, family, params, ...: what is known of each run now
      scores/<run>/<step>/<task>-<identity>.parquet    a pair's scores; its presence says that the pair is done
      items/<run>/<step>/<task>-<identity>.parquet     the same pair's items, always written before the scores
      scores/<run>/compact.parquet                     scores that `predictor store compact` merged
      scores/imported/<digest>.parquet                 scores of others
      damaged/...                                      files that were set aside; their pairs are scored again
      ledger.sqlite     attempts and events, see `predictor.results.ledger`

Files are written under a temporary name and renamed, or put as one object on an object store, so a reader sees a whole
file or none. Every file carries a checksum of its content, which is compared when it is read.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import io
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from predictor.errors import StoreError
from predictor.redaction import redact
from predictor.results.schema import COLUMNS

IMPORTED = "imported"
IDENTITY_KEY = b"predictor.identity"
IDENTITIES_KEY = b"predictor.identities"
CHECKSUM_KEY = b"predictor.sha256"
COMPACT = "compact.parquet"
DAMAGED = "damaged"
_TEMPORARY = ".writing-"
_SCORED = ("identity", "protocol", "checkpoint", "scored_at")
_OF_THE_RUN = ("family", "params", "params_non_embedding", "tokens_planned")


class Store:
    """The scores and items in one folder.

    Args:
        path: the folder; it is made when something is written.
    """

    def __init__(self, path: str | Path) -> None:
        # A path on an object store is no pathlib path, but can be walked and opened like one.
        self.path = Path(path) if isinstance(path, str) else path
        self.is_local = isinstance(self.path, PurePosixPath | PureWindowsPath)
        self._merged: dict[Path, tuple[tuple[int, float], set[tuple[str, str]]]] = {}

    @staticmethod
    def looks_like(path: str | Path) -> bool:
        """Tell whether a folder is a store, without reading any file in it."""
        path = Path(path)
        return (path / "scores").is_dir() or (path / "ledger.sqlite").is_file()

    def create(self) -> None:
        """Make the folders.

        Raises:
            StoreError: the folder cannot be made or written to.
        """
        if not self.is_local:
            self._reach()
            return
        try:
            for name in ("scores", "items"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store {self.path} cannot be made ({error.strerror})", _PERMISSION) from None
        if self.is_local and not os.access(self.path / "scores", os.W_OK):
            raise StoreError(f"the store {self.path} cannot be written to", _PERMISSION)

    def _reach(self) -> None:
        """See that an object store answers; folders need not be made on it."""
        try:
            next(iter(self.path.iterdir()), None)
        except (FileNotFoundError, NotADirectoryError):
            return
        except Exception as error:
            # What the package behind an object store raises has no common class.
            raise StoreError(
                f"the store {self.path} cannot be reached ({redact(f'{type(error).__name__}: {error}')[:200]})",
                "check its name, the network, and that the credentials have not expired",
            ) from None

    # -- writing ------------------------------------------------------------------------------------------------------

    def pair_path(self, kind: str, run: str, step: int, task: str, identity: str) -> Path:
        """Name a pair's file; `kind` is `scores` or `items`."""
        return self.path / kind / file_name(run) / str(step) / f"{file_name(task)}-{identity[:16]}.parquet"

    def has(self, run: str, step: int, task: str, identity: str) -> bool:
        """Tell whether a pair is done: its scores file is there and was written to its end, or was merged."""
        path = self.pair_path("scores", run, step, task, identity)
        return is_whole(path) or (path.parent.name, path.stem) in self._compacted(path.parent.parent)

    def _compacted(self, folder: Path) -> set[tuple[str, str]]:
        """Pairs of a run whose scores were merged: (step, `<task>-<identity>`)."""
        path = folder / COMPACT
        try:
            stat = path.stat()
        except OSError:
            return set()
        stamp = (stat.st_size, stat.st_mtime)
        known = self._merged.get(path)
        if known is None or known[0] != stamp:
            names = self.identities_in(path)
            pairs = {(step, stem) for step, _, stem in (name.partition("/") for name in names)}
            known = self._merged[path] = (stamp, pairs)
        return known[1]

    def identities_in(self, path: Path) -> dict[str, Any]:
        """Read `<step>/<task>-<identity>` -> what the identity was made of, of a file of merged scores."""
        with path.open("rb") as file:
            metadata = pq.ParquetFile(file).schema_arrow.metadata or {}
        identities: dict[str, Any] = json.loads(metadata.get(IDENTITIES_KEY, b"{}"))
        return identities

    def write(self, scores: pd.DataFrame, items: pd.DataFrame | None, identity: dict[str, Any]) -> Path:
        """Write one pair's items and then its scores.

        Args:
            scores: rows of one (run, step, task) in the results schema, with the columns identity, protocol and
                checkpoint.
            items: one row per item, or None where the scores came without items.
            identity: all that the identity was made of; kept in the files' metadata.

        Returns:
            the scores file.

        Raises:
            StoreError: the store cannot be written to.
        """
        row = scores.iloc[0]
        stamp = {"scored_at": datetime.now(UTC).isoformat(timespec="milliseconds")}
        place = (str(row["run"]), int(row["step"]), str(row["task"]), str(row["identity"]))
        if items is not None:
            _write(items.assign(**stamp), self.pair_path("items", *place), identity)
        return _write(scores.assign(**stamp), self.pair_path("scores", *place), identity)

    def write_imported(self, scores: pd.DataFrame, source: dict[str, Any]) -> Path:
        """Write scores of others; the same rows always land in the same file, with the time of the latest import.

        Raises:
            StoreError: the store cannot be written to.
        """
        self.create()
        digest = content_sha256(scores[list(COLUMNS)])
        path = self.path / "scores" / IMPORTED / f"{digest[:32]}.parquet"
        stamped = scores[list(COLUMNS)].assign(
            identity=digest,
            protocol=IMPORTED,
            checkpoint="",
            scored_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        # Written anew even if it is there: scores imported again are the latest, and the latest count.
        return _write(stamped, path, source)

    def write_tasks(self, rows: pd.DataFrame) -> None:
        """Merge rows into `tasks.parquet` by (task, num_fewshot); nothing is written when nothing changes."""
        self._merge("tasks.parquet", rows, ["task", "num_fewshot"])

    def write_runs(self, rows: pd.DataFrame) -> None:
        """Merge rows into `runs.parquet` by run; nothing is written when nothing changes."""
        self._merge("runs.parquet", rows, ["run"])

    def _merge(self, name: str, rows: pd.DataFrame, keys: list[str]) -> None:
        before = self._described(name)
        merged = rows
        if before is not None:
            merged = pd.concat([before, rows]).drop_duplicates(keys, keep="last")
        merged = merged.sort_values(keys).reset_index(drop=True)
        if before is None or not merged.equals(before):
            _write(merged, self.path / name, {})

    def clear_leavings(self, older_than: float = 0.0) -> int:
        """Remove the temporary files of killed workers.

        Args:
            older_than: seconds; only the holder of the store's lock may remove younger ones.
        """
        count = 0
        for path in self.path.rglob(f"{_TEMPORARY}*"):
            try:
                if time.time() - path.stat().st_mtime >= older_than:
                    path.unlink(missing_ok=True)
                    count += 1
            except FileNotFoundError:
                continue
        return count

    def copy(self, source: tuple[str, int, str, str], columns: dict[str, Any], identity: str) -> Path:
        """Give the score of a pair to another one of the same identity: the same checkpoint, under another name.

        Args:
            source: run, step, task and identity of the pair that was scored.
            columns: what is said of the other pair: run, step, tokens and so on.
            identity: its identity.

        Raises:
            StoreError: the store cannot be written to.
        """
        place = (str(columns["run"]), int(columns["step"]), str(columns["task"]), identity)
        for kind in ("items", "scores"):
            path = self.pair_path(kind, *source)
            if path.is_file():
                frame, parts = _read(path).to_pandas(), read_identity(path)
            elif kind == "scores":
                merged = path.parent.parent / COMPACT
                frame = _read(merged).to_pandas()
                frame = frame[(frame["identity"] == identity) & (frame["step"] == source[1])]
                parts = self.identities_in(merged)[f"{path.parent.name}/{path.stem}"]
            else:
                continue
            kept = {name: value for name, value in columns.items() if name in frame.columns}
            written = _write(frame.assign(**kept), self.pair_path(kind, *place), parts)
        return written

    def set_aside(self, path: Path) -> bool:
        """Move a damaged file to `damaged/`, where it stands for nothing; False where that is not allowed."""
        target = self.path / DAMAGED / path.relative_to(self.path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        except OSError:
            return False
        return True

    def write_file(self, table: pa.Table, path: Path, metadata: dict[bytes, bytes]) -> None:
        """Write one file as all files of a store are written.

        Raises:
            StoreError: the store cannot be written to.
        """
        _put(table, path, metadata)

    # -- reading ------------------------------------------------------------------------------------------------------

    def done(self) -> set[tuple[str, str, str]]:
        """Name the pairs that are done: (run, step, `<task>-<identity>`) as they stand in the files' names."""
        if self.is_local:
            done = set(_listed(self.path / "scores"))
        else:
            files = (self.path / "scores").glob("*/*/*.parquet")
            done = {(path.parent.parent.name, path.parent.name, path.stem) for path in files}
        for path in (self.path / "scores").glob(f"*/{COMPACT}"):
            done |= {(path.parent.name, step, stem) for step, stem in self._compacted(path.parent)}
        return done

    def read_tasks(self) -> pd.DataFrame | None:
        """Read how each task is scored now, or None where nothing was scored yet."""
        return self._described("tasks.parquet")

    def read_runs(self) -> pd.DataFrame | None:
        """Read what is known of the runs, or None where nothing was scored yet."""
        return self._described("runs.parquet")

    def sizes(self) -> dict[str, int]:
        """Read the params of every run that the store knows: of checkpoints.yaml, or of what was imported."""
        sizes: dict[str, int] = {}
        imported = self.path / "scores" / IMPORTED
        for path in sorted(imported.glob("*.parquet")) if imported.is_dir() else ():
            try:
                frame = _read(path).select(["run", "params"]).to_pandas().drop_duplicates()
            except (pa.ArrowInvalid, OSError, KeyError):
                continue
            sizes |= {str(run): int(params) for run, params in frame.itertuples(index=False)}
        runs = self.read_runs()
        if runs is not None:
            sizes |= {str(row["run"]): int(row["params"]) for row in runs.to_dict("records")}
        return sizes

    def read_scores(self, roles: Sequence[str] = ("ladder",)) -> tuple[pd.DataFrame, dict[str, str], tuple[str, ...]]:
        """Read all scores that count now.

        Left out, each with a note: scores made under another protocol than the task's present one, earlier scores of a
        checkpoint whose content has changed since, scores of runs in another role (the target's own), and files that
        cannot be read.

        Args:
            roles: which runs to read; `("ladder", "target")` reads both.

        Returns:
            the rows in the results schema, with the further columns identity, protocol, checkpoint and scored_at; the
            hash of their content under the name `scores`; the notes.

        Raises:
            StoreError: the store is missing, may not be read, or holds no scores.
        """
        frame, notes = self._read_all("scores", sorted(self._files("scores")))
        if frame is None:
            damaged = f" ({notes[0]})" if notes else ""
            raise StoreError(f"the store {self.path} holds no scores{damaged}", "run 'predictor evaluate --once' first")
        # A compaction that was killed leaves rows both merged and by themselves.
        frame = frame.drop_duplicates(["run", "step", "identity", "metric", "task", "num_fewshot", "tokens"])
        frame = self._current(frame, roles, notes)
        keys = ["family", "run", "params", "tokens", "task", "metric", "num_fewshot"]
        frame = _latest(frame, keys, notes)
        frame = frame.sort_values([*keys, "step", "value"], kind="stable").reset_index(drop=True)
        inputs = {"scores": "sha256:" + content_sha256(frame[list(COLUMNS)])}
        return frame[[*COLUMNS, *_SCORED]], inputs, tuple(notes)

    def read_pair(self, run: str, step: int, task: str, identity: str) -> pd.DataFrame:
        """Read the scores of one pair, wherever they are.

        Raises:
            StoreError: there are none.
        """
        path = self.pair_path("scores", run, step, task, identity)
        merged = path.parent.parent / COMPACT
        for place in (path, merged):
            if place.is_file():
                frame: pd.DataFrame = _read(place).to_pandas()
                frame = frame[(frame["identity"] == identity) & (frame["step"] == step)]
                if not frame.empty:
                    return frame.reset_index(drop=True)
        raise StoreError(f"the store {self.path} has no scores of {run} step {step}, {task}", "evaluate it")

    def read_items(self, task: str, roles: Sequence[str] = ("ladder",)) -> pd.DataFrame:
        """Read the items of one task, one row per (checkpoint, item); the same pairs count as in `read_scores`.

        Raises:
            StoreError: there are none.
        """
        files = sorted(self._files("items", f"*/*/{file_name(task)}-*.parquet"))
        frame, notes = self._read_all("items", files)
        if frame is None:
            raise StoreError(f"the store {self.path} has no items of {task}", "score it with 'predictor evaluate'")
        frame = self._current(frame[frame["task"] == task], roles, notes)
        return _latest(frame, ["family", "run", "tokens", "num_fewshot", "subtask", "doc_id"], notes).reset_index(
            drop=True
        )

    def read_file(self, path: Path) -> pa.Table:
        """Read one file and compare its checksums; pyarrow's errors where it is damaged."""
        return _read(path)

    def files(self, kind: str) -> list[Path]:
        """All files of a kind, `scores` or `items`.

        Raises:
            StoreError: the store is missing or may not be read.
        """
        return list(self._files(kind))

    def _files(self, kind: str, pattern: str = "**/*.parquet") -> Iterator[Path]:
        if not self.path.is_dir():
            raise StoreError(f"the store {self.path} does not exist", "run 'predictor evaluate --once' first")
        if self.is_local and not os.access(self.path, os.R_OK | os.X_OK):
            raise StoreError(f"the store {self.path} may not be read", _PERMISSION)
        for path in (self.path / kind).glob(pattern):
            if not path.name.startswith(_TEMPORARY):
                yield path

    def _read_all(self, kind: str, files: Sequence[Path]) -> tuple[pd.DataFrame | None, list[str]]:
        tables, damaged = [], []
        for path in files:
            try:
                tables.append(_read(path).replace_schema_metadata(None))
            except (pa.ArrowInvalid, OSError) as error:
                if isinstance(error, PermissionError):
                    raise StoreError(f"{path} may not be read", _PERMISSION) from None
                if isinstance(error, FileNotFoundError):
                    # Merged into another file, or set aside, since the folder was listed.
                    continue
                if getattr(error, "errno", None) is not None:
                    raise StoreError(f"{path} cannot be read ({error})", "check the disk or the file server") from None
                self.set_aside(path)
                damaged.append(str(path.relative_to(self.path)))
        notes = []
        if damaged:
            notes.append(f"{len(damaged)} damaged {kind} file(s) set aside, first {damaged[0]}; evaluate again")
        if not tables:
            return None, notes
        frame: pd.DataFrame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
        return frame, notes

    def _described(self, name: str) -> pd.DataFrame | None:
        path = self.path / name
        if not path.is_file():
            return None
        try:
            frame: pd.DataFrame = _read(path).to_pandas()
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(
                f"{path} cannot be read ({error})", "remove it; 'predictor evaluate' writes it anew"
            ) from None
        return frame

    def _current(self, frame: pd.DataFrame, roles: Sequence[str], notes: list[str]) -> pd.DataFrame:
        """Leave out what another protocol or another role made, and take the run's columns as they are known now."""
        tasks, runs = self.read_tasks(), self.read_runs()
        if tasks is not None:
            current = dict(zip(zip(tasks["task"], tasks["num_fewshot"], strict=True), tasks["protocol"], strict=True))
            pairs = zip(frame["task"], frame["num_fewshot"], frame["protocol"], strict=True)
            keep = [
                protocol == IMPORTED or current.get((task, shots), protocol) == protocol
                for task, shots, protocol in pairs
            ]
            if not all(keep):
                names = sorted(frame.loc[[not kept for kept in keep], "task"].unique())
                notes.append(f"{keep.count(False)} rows left out, scored under an earlier protocol: {', '.join(names)}")
            frame = frame[keep]
        if runs is not None and not frame.empty:
            own = frame["protocol"] != IMPORTED
            known = runs.set_index("run")
            role = frame["run"].map(known["role"]).where(own, "ladder").fillna("ladder")
            other = ~role.isin(list(roles))
            if other.any():
                names = sorted(frame.loc[other, "run"].unique())
                notes.append(f"{int(other.sum())} rows left out, of the target's own run: {', '.join(names)}")
            frame = frame[~other].copy()
            # A run's size corrected in checkpoints.yaml holds for what was scored before, too.
            listed = (frame["protocol"] != IMPORTED) & frame["run"].isin(known.index)
            for column in _OF_THE_RUN:
                if column in frame.columns:
                    frame[column] = frame[column].where(~listed, frame["run"].map(known[column]))
            if "tokens" in frame.columns:
                tokens = (frame["step"].astype("Float64") * frame["run"].map(known["tokens_per_step"])).round()
                # Where tokens do not follow from the step, they are as they were when the checkpoint was scored.
                frame["tokens"] = frame["tokens"].where(~listed | tokens.isna(), tokens).astype("int64")
        if frame.empty:
            raise StoreError(f"the store {self.path} holds no scores that count ({'; '.join(notes)})", "evaluate again")
        return frame


def _latest(frame: pd.DataFrame, keys: list[str], notes: list[str]) -> pd.DataFrame:
    """Of several scores of one point keep our own before imported ones, and the latest."""
    order = frame.assign(_own=frame["protocol"] != IMPORTED).sort_values(["_own", "scored_at"], kind="stable")
    kept = order.drop_duplicates(keys, keep="last").drop(columns="_own")
    if len(kept) < len(frame):
        notes.append(f"{len(frame) - len(kept)} rows left out, scored again since (the latest counts)")
    return kept.sort_index()


def _read(path: Path) -> pa.Table:
    content = path.read_bytes()
    file = pq.ParquetFile(pa.BufferReader(content))
    # The file's own metadata: that of the schema is not kept from a writer that added to it at the end.
    checksum = (file.metadata.metadata or {}).get(CHECKSUM_KEY)
    if checksum is not None and checksum.decode() != _checksum(content[: _footer_of(content)]):
        raise pa.ArrowInvalid("its content is not what was written: the checksum differs")
    # Threads cost more than they save on files of a few rows.
    return file.read(use_threads=False)


def _bytes_of(table: pa.Table) -> bytes:
    """A Parquet file with the checksum of all that comes before its footer, in the footer."""
    sink = io.BytesIO()
    writer = pq.ParquetWriter(sink, table.schema, compression="zstd")
    writer.write_table(table)
    writer.add_key_value_metadata({CHECKSUM_KEY.decode(): _checksum(sink.getvalue())})
    writer.close()
    return sink.getvalue()


def _footer_of(content: bytes) -> int:
    # At a file's end: the footer, its length in four bytes, and `PAR1`.
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(frame: pd.DataFrame, path: Path, identity: dict[str, Any]) -> Path:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return _put(table, path, {IDENTITY_KEY: canonical_json(identity).encode()})


def _put(table: pa.Table, path: Path, metadata: dict[bytes, bytes]) -> Path:
    content = _bytes_of(table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata}))
    if not isinstance(path, PurePosixPath | PureWindowsPath):
        return _put_object(content, path)
    temporary = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "make room, and run the same command again: nothing half-written counts" if full else _PERMISSION
        raise StoreError(f"{path} cannot be written ({error.strerror or error})", remedy) from None
    return path


def _put_object(content: bytes, path: Path) -> Path:
    """Put an object as a whole: it is there with all its bytes, or not at all."""
    try:
        path.write_bytes(content)
    except Exception as error:
        # What the package behind an object store raises has no common class.
        cause = redact(f"{type(error).__name__}: {error}")[:200]
        raise StoreError(
            f"{path} cannot be written ({cause})", "check that it can be reached and that credentials have not expired"
        ) from None
    return path


def _listed(folder: Path) -> Iterator[tuple[str, str, str]]:
    """List the scores files of a local store; with tens of thousands of them, pathlib would take seconds."""
    with contextlib.suppress(FileNotFoundError):
        for run in os.scandir(folder):
            for step in os.scandir(run) if run.is_dir() and run.name != IMPORTED else ():
                for file in os.scandir(step) if step.is_dir() else ():
                    stem, suffix = os.path.splitext(file.name)  # noqa: PTH122
                    # A machine that lost its power may leave a file without content or without its end.
                    if suffix == ".parquet" and stem[0] != "." and _ends_well(file.path):
                        yield run.name, step.name, stem


def _ends_well(path: str) -> bool:
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        size = os.fstat(number).st_size
        return size > 8 and os.pread(number, 4, size - 4) == b"PAR1"
    finally:
        os.close(number)


def is_whole(path: Path) -> bool:
    """Tell whether a Parquet file is there and has its end, without reading it."""
    try:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            return file.read() == b"PAR1"
    except OSError:
        return False


def read_identity(path: Path) -> dict[str, Any]:
    """Read what a score file's identity was made of."""
    with path.open("rb") as file:
        metadata = pq.ParquetFile(file).schema_arrow.metadata or {}
    identity: dict[str, Any] = json.loads(metadata.get(IDENTITY_KEY, b"{}"))
    return identity


def canonical_json(value: Any) -> str:
    """Write a value as JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_sha256(frame: pd.DataFrame) -> str:
    """Hash a table's rows, whatever their order; numbers count to their last bit."""
    lines = frame.to_csv(index=False, header=False, lineterminator="\n").splitlines()
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


@functools.lru_cache(maxsize=4096)
def file_name(name: str) -> str:
    """Make a run's or task's name fit to be a file's name; `loss:pile` becomes `loss-pile`."""
    return re.sub(r"[^\w.+=-]", "-", name)


_PERMISSION = "check the permissions of the folder, or give another --store"

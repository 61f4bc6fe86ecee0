"""The store: one folder with one small Parquet file for every (checkpoint, task) that was scored.

    store/
      tasks.parquet     task, num_fewshot, metric, chance, n_items, protocol: how each task is scored now
      runs.parquet      run, family, params, ...: what is known of each run now
      scores/<run>/<step>/<task>-<identity>.parquet    a pair's scores; its presence says that the pair is done
      items/<run>/<step>/<task>-<identity>.parquet     the same pair's items, always written before the scores
      scores/imported/<digest>.parquet                 scores of others
      ledger.sqlite     attempts and events, see `predictor.results.ledger`

Files are written under a temporary name and renamed, so a reader sees a whole file or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from predictor.errors import StoreError
from predictor.results.schema import COLUMNS

IMPORTED = "imported"
IDENTITY_KEY = b"predictor.identity"
_TEMPORARY = ".writing-"
_SCORED = ("identity", "protocol", "checkpoint", "scored_at")
_OF_THE_RUN = ("family", "params", "params_non_embedding", "tokens_planned")


class Store:
    """The scores and items in one folder.

    Args:
        path: the folder; it is made when something is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

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
        try:
            for name in ("scores", "items"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the store {self.path} cannot be made ({error.strerror})", _PERMISSION) from None
        if not os.access(self.path / "scores", os.W_OK):
            raise StoreError(f"the store {self.path} cannot be written to", _PERMISSION)

    # -- writing ------------------------------------------------------------------------------------------------------

    def pair_path(self, kind: str, run: str, step: int, task: str, identity: str) -> Path:
        """Name a pair's file; `kind` is `scores` or `items`."""
        return self.path / kind / file_name(run) / str(step) / f"{file_name(task)}-{identity[:16]}.parquet"

    def has(self, run: str, step: int, task: str, identity: str) -> bool:
        """Tell whether a pair is done: its scores file is there and was written to its end."""
        return is_whole(self.pair_path("scores", run, step, task, identity))

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

    def clear_leavings(self) -> int:
        """Remove the temporary files of killed workers; only the holder of the store's lock may call this."""
        count = 0
        for path in self.path.rglob(f"{_TEMPORARY}*"):
            path.unlink(missing_ok=True)
            count += 1
        return count

    # -- reading ------------------------------------------------------------------------------------------------------

    def done(self) -> set[tuple[str, str, str]]:
        """Name the pairs that are done: (run, step, `<task>-<identity>`) as they stand in the files' names."""
        return {
            (path.parent.parent.name, path.parent.name, path.stem)
            for path in (self.path / "scores").glob("*/*/*.parquet")
            if not path.name.startswith(_TEMPORARY)
        }

    def read_tasks(self) -> pd.DataFrame | None:
        """Read how each task is scored now, or None where nothing was scored yet."""
        return self._described("tasks.parquet")

    def read_runs(self) -> pd.DataFrame | None:
        """Read what is known of the runs, or None where nothing was scored yet."""
        return self._described("runs.parquet")

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
        frame = self._current(frame, roles, notes)
        keys = ["family", "run", "params", "tokens", "task", "metric", "num_fewshot"]
        frame = _latest(frame, keys, notes)
        frame = frame.sort_values([*keys, "step", "value"], kind="stable").reset_index(drop=True)
        inputs = {"scores": "sha256:" + content_sha256(frame[list(COLUMNS)])}
        return frame[[*COLUMNS, *_SCORED]], inputs, tuple(notes)

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

    def _files(self, kind: str, pattern: str = "**/*.parquet") -> Iterator[Path]:
        if not self.path.is_dir():
            raise StoreError(f"the store {self.path} does not exist", "run 'predictor evaluate --once' first")
        if not os.access(self.path, os.R_OK | os.X_OK):
            raise StoreError(f"the store {self.path} may not be read", _PERMISSION)
        for path in (self.path / kind).glob(pattern):
            if not path.name.startswith(_TEMPORARY):
                yield path

    def _read_all(self, kind: str, files: Sequence[Path]) -> tuple[pd.DataFrame | None, list[str]]:
        tables, damaged = [], []
        for path in files:
            try:
                # Threads cost more than they save on files of a few rows.
                tables.append(pq.ParquetFile(path).read(use_threads=False).replace_schema_metadata(None))
            except (pa.ArrowInvalid, OSError) as error:
                if isinstance(error, PermissionError):
                    raise StoreError(f"{path} may not be read", _PERMISSION) from None
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
            frame: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
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
                frame["tokens"] = frame["tokens"].where(~listed, tokens).astype("int64")
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


def _write(frame: pd.DataFrame, path: Path, identity: dict[str, Any]) -> Path:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), IDENTITY_KEY: canonical_json(identity).encode()}
    temporary = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            pq.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written ({error.strerror})", _PERMISSION) from None
    return path


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
    metadata = pq.ParquetFile(path).schema_arrow.metadata or {}
    identity: dict[str, Any] = json.loads(metadata.get(IDENTITY_KEY, b"{}"))
    return identity


def canonical_json(value: Any) -> str:
    """Write a value as JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_sha256(frame: pd.DataFrame) -> str:
    """Hash a table's rows, whatever their order; numbers count to their last bit."""
    lines = frame.to_csv(index=False, header=False, lineterminator="\n").splitlines()
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def file_name(name: str) -> str:
    """Make a run's or task's name fit to be a file's name; `loss:pile` becomes `loss-pile`."""
    return re.sub(r"[^\w.+=-]", "-", name)


_PERMISSION = "check the permissions of the folder, or give another --store"

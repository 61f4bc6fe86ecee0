"""The store: one folder with one small Parquet file for every (checkpoint, task) that was scored.

    store/
      tasks.parquet     task, num_fewshot, metric, chance, n_items, protocol: how each task is scored now
      runs.parquet      run, family, params, ...: what is known of each run now
      scores/<run>/<step>/<task>-<identity>.parquet    a pair's scores; its presence says that the pair is done
      items/<run>/<step>/<task>-<identity>.parquet     the same pair's items, always written before the scores
      scores/<run>/compact.parquet                     scores that `predictor store compact` merged
      scores/imported/<digest>.parquet                 scores of others
      samples/...       sampled answers of pairs that are being scored, see `predictor.results.sample_files`
      damaged/...                                      files that were set aside; their pairs are scored again
      ledger.sqlite     attempts and events, see `predictor.results.ledger`

Files are written under a temporary name and renamed, or put as one object on an object store, so a reader sees a whole
file or none. Every file carries a checksum of its content, which is compared when it is read.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from predictor.errors import StoreError
from predictor.places import is_local
from predictor.redaction import redact
from predictor.results.done_pairs import DonePairs
from predictor.results.files import locked, present_time
from predictor.results.layout import COMPACT, file_name, move_aside_if_damaged, pair_path
from predictor.results.sample_files import SampleFiles
from predictor.results.store_schema import ForeignFileError, conform
from predictor.results.table_file import (
    IDENTITY_KEY,
    IMPORTED,
    PERMISSION,
    TEMPORARY,
    canonical_json,
    put_table,
    read_identities,
    read_identity,
    read_table,
)

if TYPE_CHECKING:
    import pandas as pd

_MERGING = "merging.lock"
_KEYS = {"tasks.parquet": ["task", "num_fewshot"], "runs.parquet": ["run"]}
_SCORED = ("identity", "protocol", "checkpoint", "scored_at")


class Store:
    """The scores and items in one folder.

    Args:
        path: the folder; it is made when something is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path) if isinstance(path, str) else path
        self.is_local = is_local(self.path)
        self._done = DonePairs(self.path)

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
            raise StoreError(f"the store {self.path} cannot be made ({error.strerror})", PERMISSION) from None
        if self.is_local and not os.access(self.path / "scores", os.W_OK):
            raise StoreError(f"the store {self.path} cannot be written to", PERMISSION)

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
        return pair_path(self.path, kind, run, step, task, identity)

    def has(self, run: str, step: int, task: str, identity: str) -> bool:
        """Tell whether a pair is done: its scores file is there and was written to its end, or was merged."""
        return self.pair_path("scores", run, step, task, identity) in self._done

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
        stamp = {"scored_at": present_time()}
        place = (str(row["run"]), int(row["step"]), str(row["task"]), str(row["identity"]))
        if items is not None:
            _write_frame(items.assign(**stamp), self.pair_path("items", *place), identity)
        return _write_frame(scores.assign(**stamp), self.pair_path("scores", *place), identity)

    def write_tasks(self, rows: pd.DataFrame) -> None:
        """Merge rows into `tasks.parquet` by (task, num_fewshot); nothing is written when nothing changes."""
        self._merge("tasks.parquet", rows)

    def write_runs(self, rows: pd.DataFrame) -> None:
        """Merge rows into `runs.parquet` by run; nothing is written when nothing changes."""
        self._merge("runs.parquet", rows)

    def _merge(self, name: str, rows: pd.DataFrame) -> None:
        # Of two processes that read, merge and write at the same time, one would undo what the other added. On an
        # object store the ledger keeps them apart, see `Ledger.alone`.
        with locked(self.path / _MERGING) if self.is_local else contextlib.nullcontext():
            self._merge_alone(name, rows)

    def _merge_alone(self, name: str, rows: pd.DataFrame) -> None:
        keys = _KEYS[name]
        before = self._described(name)
        merged = rows
        if before is not None:
            import pandas as pd

            merged = pd.concat([before, rows]).drop_duplicates(keys, keep="last")
        merged = merged.sort_values(keys).reset_index(drop=True)
        if before is None or not merged.equals(before):
            _write_frame(merged, self.path / name, {})

    def clear_leavings(self, older_than: float = 0.0) -> int:
        """Remove the temporary files of killed workers, and sampled answers of pairs that are done.

        Args:
            older_than: seconds; only the holder of the store's lock may remove younger ones.
        """
        count = 0
        for path in self.path.rglob(f"{TEMPORARY}*"):
            try:
                if time.time() - path.stat().st_mtime >= older_than:
                    path.unlink(missing_ok=True)
                    count += 1
            except FileNotFoundError:
                continue
        for folder in self.path.glob("samples/*/*/*"):
            scores = self.path / "scores" / folder.relative_to(self.path / "samples")
            if scores.with_name(f"{scores.name}.parquet") in self._done:
                SampleFiles(folder).remove()
                count += 1
        return count

    def copy(self, source: tuple[str, int, str, str], columns: dict[str, Any], identity: str) -> Path:
        """Give the score of a pair to another one of the same identity: the same checkpoint, under another name.

        Args:
            source: run, step, task and identity of the pair that was scored.
            columns: what is said of the other pair: run, step, tokens and so on.
            identity: its identity.

        Raises:
            StoreError: the store cannot be written to, or the score was damaged and set aside.
        """
        place = (str(columns["run"]), int(columns["step"]), str(columns["task"]), identity)
        for kind in ("items", "scores"):
            path = self.pair_path(kind, *source)
            merged = path.parent.parent / COMPACT
            try:
                if path.is_file():
                    frame, parts = read_table(path).to_pandas(), read_identity(path)
                elif kind == "scores":
                    frame = read_table(merged).to_pandas()
                    frame = frame[(frame["identity"] == identity) & (frame["step"] == source[1])]
                    parts = read_identities(merged)[f"{path.parent.name}/{path.stem}"]
                else:
                    continue
            except (pa.ArrowInvalid, OSError) as error:
                found = path if path.is_file() else merged
                move_aside_if_damaged(self.path, found, error)
                raise StoreError(f"{found} was damaged and set aside", "run the same command again") from None
            kept = {name: value for name, value in columns.items() if name in frame.columns}
            written = _write_frame(frame.assign(**kept), self.pair_path(kind, *place), parts)
        return written

    # -- reading ------------------------------------------------------------------------------------------------------

    def done(self) -> set[tuple[str, str, str]]:
        """Name the pairs that are done: (run, step, `<task>-<identity>`), see `predictor.results.layout.stem_of`."""
        return self._done.all()

    def loose(self) -> set[tuple[str, str, str]]:
        """Name the pairs that have a scores file of their own, as `done` does."""
        return self._done.loose()

    def read_tasks(self) -> pd.DataFrame | None:
        """Read how each task is scored now, or None where nothing was scored yet."""
        return self._described("tasks.parquet")

    def protocols(self) -> dict[str, str]:
        """Read the digest of the protocol of each task, by the settings that it was made from."""
        path = self.path / "tasks.parquet"
        if not path.is_file():
            return {}
        table = self._described_table(path)
        return dict(zip(table["settings"].to_pylist(), table["protocol"].to_pylist(), strict=True))

    def read_runs(self) -> pd.DataFrame | None:
        """Read what is known of the runs, or None where nothing was scored yet."""
        return self._described("runs.parquet")

    def sizes(self) -> dict[str, int]:
        """Read the params of every run that the store knows: of checkpoints.yaml, or of what was imported."""
        sizes: dict[str, int] = {}
        imported = self.path / "scores" / IMPORTED
        for path in sorted(imported.glob("*.parquet")) if imported.is_dir() else ():
            try:
                frame = conform(read_table(path), "scores").select(["run", "params"]).to_pandas().drop_duplicates()
            except (pa.ArrowInvalid, OSError, ForeignFileError):
                continue
            sizes |= {str(run): int(params) for run, params in frame.itertuples(index=False)}
        runs = self.read_runs()
        if runs is not None:
            known = runs[runs["params"].notna()]
            sizes |= {str(row["run"]): int(row["params"]) for row in known.to_dict("records")}
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
        from predictor.results.counted import counted
        from predictor.results.current import content_sha256
        from predictor.results.schema import COLUMNS, MODEL_COLUMNS, RECIPE_COLUMNS

        tables, notes = self.tables("scores", sorted(self._files("scores")))
        if not tables:
            damaged = f" ({notes[0]})" if notes else ""
            raise StoreError(f"the store {self.path} holds no scores{damaged}", "run 'predictor evaluate --once' first")
        frame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
        frame = counted(frame, self.read_tasks(), self.read_runs(), roles, notes, self.path)
        inputs = {"scores": "sha256:" + content_sha256(frame[list(COLUMNS)])}
        further = [name for name in (*MODEL_COLUMNS, *RECIPE_COLUMNS) if name in frame.columns]
        return frame[[*COLUMNS, *further, *_SCORED]], inputs, tuple(notes)

    def read_pair(self, run: str, step: int, task: str, identity: str) -> pd.DataFrame:
        """Read the scores of one pair, wherever they are.

        Raises:
            StoreError: there are none.
        """
        path = self.pair_path("scores", run, step, task, identity)
        merged = path.parent.parent / COMPACT
        for place in (path, merged):
            if place.is_file():
                try:
                    frame: pd.DataFrame = read_table(place).to_pandas()
                except (pa.ArrowInvalid, OSError) as error:
                    move_aside_if_damaged(self.path, place, error)
                    continue
                frame = frame[(frame["identity"] == identity) & (frame["step"] == step)]
                if not frame.empty:
                    return frame.reset_index(drop=True)
        raise StoreError(f"the store {self.path} has no scores of {run} step {step}, {task}", "evaluate it")

    def read_items(
        self, task: str, roles: Sequence[str] = ("ladder",), runs: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Read the items of one task, one row per (checkpoint, item); the same pairs count as in `read_scores`.

        Args:
            task: the task.
            roles: which runs count.
            runs: read the items of these runs alone; of all where None.

        Raises:
            StoreError: there are none.
        """
        from predictor.results.item_rows import read_whole_items

        return read_whole_items(self, task, roles, runs)

    def item_files(self, task: str, runs: Sequence[str] | None = None) -> list[Path]:
        """Name the files that may hold items of a task, sorted."""
        folders = ["*"] if runs is None else [*map(file_name, runs), IMPORTED]
        patterns = [f"{folder}/*/{file_name(task)}-*.parquet" for folder in folders]
        return sorted({file for pattern in patterns for file in self._files("items", pattern)})

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
            raise StoreError(f"the store {self.path} may not be read", PERMISSION)
        for path in (self.path / kind).glob(pattern):
            if not path.name.startswith(TEMPORARY):
                yield path

    def tables(
        self,
        kind: str,
        files: Sequence[Path],
        columns: Sequence[str] | None = None,
        make: Callable[[pa.Table], Any] = lambda table: table,
    ) -> tuple[list[Any], list[str]]:
        """Read files of a kind, `scores` or `items`; damaged ones are set aside.

        Args:
            kind: the kind.
            files: the files.
            columns: read these columns alone, those of them that a file has; all where None.
            make: what is kept of each table.

        Returns:
            what was made of each file that can be read, and notes on the others.
        """
        tables, damaged, foreign = [], [], []
        for path in files:
            try:
                tables.append(make(conform(read_table(path, columns).replace_schema_metadata(None), kind)))
            except ForeignFileError as error:
                foreign.append(f"{path.relative_to(self.path)}: {error}")
            except (pa.ArrowInvalid, OSError) as error:
                if move_aside_if_damaged(self.path, path, error):
                    damaged.append(str(path.relative_to(self.path)))
        notes = []
        if foreign:
            notes.append(f"{len(foreign)} {kind} file(s) of another version left out, first {foreign[0]}")
        if damaged:
            notes.append(f"{len(damaged)} damaged {kind} file(s) set aside, first {damaged[0]}; evaluate again")
        return tables, notes

    def _described(self, name: str) -> pd.DataFrame | None:
        path = self.path / name
        if not path.is_file():
            return None
        frame: pd.DataFrame = self._described_table(path).to_pandas()
        return frame.drop_duplicates(_KEYS[name], keep="last", ignore_index=True)

    def _described_table(self, path: Path) -> pa.Table:
        try:
            return conform(read_table(path), path.name)
        except (pa.ArrowInvalid, OSError, ForeignFileError) as error:
            raise StoreError(
                f"{path} cannot be read ({error})", "remove it; 'predictor evaluate' writes it anew"
            ) from None


def _write_frame(frame: pd.DataFrame, path: Path, identity: dict[str, Any]) -> Path:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return put_table(table, path, {IDENTITY_KEY: canonical_json(identity).encode()})

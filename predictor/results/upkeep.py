"""Look after a store: check every file, set damaged ones aside, and merge many small files into few."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections import defaultdict
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from predictor.results.layout import COMPACT, move_aside, move_aside_if_damaged
from predictor.results.store import Store
from predictor.results.store_schema import ForeignFileError, conform
from predictor.results.table_file import (
    IDENTITIES_KEY,
    IMPORTED,
    canonical_json,
    identity_in,
    put_table,
    read_identities,
    read_table,
)

_READERS = 4
_MANY = 5000
"""Files from which on processes read them: to start two takes as long as to read a thousand or two."""
_AT_ONCE = 250


@dataclass(frozen=True)
class Check:
    """What a check of a store found.

    Attributes:
        files: number of files that were read, to their last byte.
        damaged: files that cannot be read or are not what their name says, with the reason.
        without_items: scores files of pairs whose items are gone.
        without_scores: items files of pairs whose scores are gone.
    """

    files: int
    damaged: tuple[tuple[Path, str], ...]
    without_items: tuple[Path, ...]
    without_scores: tuple[Path, ...]


def check(store: Store, *, set_aside: bool = True) -> Check:
    """Read every file of a store and compare it with its checksums and its name.

    Args:
        store: the store.
        set_aside: move damaged files to `damaged/`, so that their pairs are scored again. Of a pair whose items are
            damaged the scores are set aside, too: they are made together.

    Raises:
        StoreError: the store is missing or may not be read.
    """
    damaged: dict[Path, str] = {}
    count = 0
    for kind in ("scores", "items"):
        for path in sorted(store.files(kind), key=str):
            count += 1
            reason = _wrong(store, kind, path)
            if reason is not None:
                damaged[path] = reason
    pairs = {kind: {path.relative_to(store.path / kind) for path in store.files(kind)} for kind in ("scores", "items")}
    done = {Path(run) / step / f"{stem}.parquet" for run, step, stem in store.done()}
    lonely_scores = {
        path
        for path in pairs["scores"]
        if path.parts[0] != IMPORTED and path.name != COMPACT and path not in pairs["items"]
    }
    lonely_items = {path for path in pairs["items"] if path.parts[0] != IMPORTED and path not in pairs["scores"] | done}
    if set_aside:
        for path in damaged:
            move_aside(store.path, path)
            items = store.path / "items"
            if path.is_relative_to(items) and (scores := store.path / "scores" / path.relative_to(items)).is_file():
                move_aside(store.path, scores)
    return Check(
        count,
        tuple(damaged.items()),
        tuple(store.path / "scores" / path for path in sorted(lonely_scores)),
        tuple(store.path / "items" / path for path in sorted(lonely_items)),
    )


def _wrong(store: Store, kind: str, path: Path) -> str | None:
    try:
        table = read_table(path)
        identity_in(table)
        table = conform(table, kind)
    except (pa.ArrowInvalid, OSError, ForeignFileError) as error:
        return str(error).splitlines()[0][:200]
    place = path.relative_to(store.path / kind)
    if place.parts[0] == IMPORTED or place.name == COMPACT:
        return None
    if table.num_rows == 0:
        return "it has no rows"
    row = table.slice(0, 1).to_pylist()[0]
    named = store.pair_path(kind, str(row["run"]), int(row["step"]), str(row["task"]), str(row["identity"]))
    return None if named == path else f"it holds what belongs into {named.relative_to(store.path)}"


def compact(store: Store) -> tuple[int, int]:
    """Merge the scores files of each run into one, so that reading a store of many checkpoints takes little time.

    Items stay as they are: they are read a task at a time. What is done stays done. Only the holder of the store's lock
    may call this. Many thousand files are read by processes: a script then needs `if __name__ == "__main__":` around
    its calls.

    Returns:
        the number of files that were merged, and into how many.

    Raises:
        StoreError: the store is missing, or cannot be read or written.
    """
    by_run: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted(store.files("scores"), key=str):
        place = path.relative_to(store.path / "scores")
        if place.parts[0] != IMPORTED and len(place.parts) == 3:
            by_run[store.path / "scores" / place.parts[0]].append(path)
    merged = 0
    with _readers(store, sum(map(len, by_run.values()))) as readers:
        for folder, files in by_run.items():
            merged += _merge(store, folder, files, readers)
    return merged, len(by_run)


def _readers(store: Store, files: int) -> Executor:
    """Return what reads files side by side: processes where their start pays, as small files keep Python busy."""
    if store.is_local and files > _MANY:
        return ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn"))
    return ThreadPoolExecutor(_READERS)


def _merge(store: Store, folder: Path, files: list[Path], readers: Executor) -> int:
    """Merge the scores files of one run; the number of them."""
    target = folder / COMPACT
    tables, identities = [], {}
    kept: list[Path] = []
    if target.is_file():
        try:
            tables.append(conform(read_table(target).replace_schema_metadata(None), "scores"))
            identities = read_identities(target)
        except ForeignFileError:
            return 0
        except (pa.ArrowInvalid, OSError) as error:
            move_aside_if_damaged(store.path, target, error)
    parts = [files[first : first + _AT_ONCE] for first in range(0, len(files), _AT_ONCE)]
    for read, failed, table in readers.map(_read_some, parts):
        for path, fault in failed.items():
            # One of another version stays as it is, for the version that reads it.
            if not isinstance(fault, ForeignFileError):
                move_aside_if_damaged(store.path, path, fault)
        identities |= {f"{path.parent.name}/{path.stem}": identity for path, identity in read.items()}
        tables += [table] if table is not None else []
        kept += read
    if not kept:
        return 0
    table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    put_table(table, target, {IDENTITIES_KEY: canonical_json(identities).encode()})
    # Only now: whoever is killed in between leaves scores twice, which readers see as one.
    for path in kept:
        path.unlink()
    for step in {path.parent for path in kept}:
        # One that is not empty stays.
        with contextlib.suppress(OSError):
            step.rmdir()
    return len(kept)


def _read_some(paths: list[Path]) -> tuple[dict[Path, Any], dict[Path, Exception], pa.Table | None]:
    """Read scores files: what the identity of each was made of, the errors of others, and all scores together."""
    read: dict[Path, Any] = {}
    failed: dict[Path, Exception] = {}
    tables = []
    for path in paths:
        try:
            table = read_table(path)
            scores, identity = conform(table.replace_schema_metadata(None), "scores"), identity_in(table)
        except (pa.ArrowInvalid, OSError, ForeignFileError) as error:
            failed[path] = error
        else:
            tables.append(scores)
            read[path] = identity
    if not tables:
        return read, failed, None
    return read, failed, pa.concat_tables(tables, promote_options="permissive").combine_chunks()

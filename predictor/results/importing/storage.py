"""The files of imported scores and items in a store.

    scores/imported/<digest>.parquet                      scores of one checkpoint
    items/imported/<digest>/<task>-<digest>.parquet       its items

A file is named by its content and never rewritten with another, so importing is repeatable and needs no lock. Which of
several results counts is decided when they are read, see `predictor.results.standing`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pandas as pd
import pyarrow as pa

from predictor.results.current import content_sha256
from predictor.results.files import present_time
from predictor.results.layout import file_name
from predictor.results.schema import COLUMNS, validate
from predictor.results.store import Store
from predictor.results.store_schema import ForeignFileError, conform
from predictor.results.table_file import IDENTITY_KEY, IMPORTED, canonical_json, put_table, read_table

ORIGIN = ("filter", "limited", "dated", "model", "source", "harness", "harness_version", "git_hash")
"""Columns of imported rows beside those of the results schema: where a score came from."""
_LISTS = frozenset({"log_likelihoods", "byte_lengths", "token_lengths"})
_FLAGS = ("limited", "dated")
_STAMP = ("identity", "protocol", "checkpoint", "scored_at")


def read_imported(store: Store) -> pd.DataFrame:
    """Read all scores that were imported into a store, also those that do not count; no row where there are none."""
    folder = store.path / "scores" / IMPORTED
    tables = []
    for path in sorted(folder.glob("*.parquet"), key=str) if folder.is_dir() else ():
        try:
            tables.append(conform(read_table(path).replace_schema_metadata(None), "scores"))
        except (pa.ArrowInvalid, OSError, ForeignFileError):
            # Whoever reads the store's scores sets it aside.
            continue
    if not tables:
        return pd.DataFrame(columns=[*dict.fromkeys((*COLUMNS, *ORIGIN, *_STAMP))])
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
    for name in ORIGIN:
        if name not in frame.columns:
            frame[name] = False if name in _FLAGS else ""
    return frame


def write_scores(store: Store, scores: pd.DataFrame, source: dict[str, Any]) -> None:
    """Write scores of one checkpoint; the same rows always land in the same file.

    Args:
        store: where.
        scores: rows as `typed` returns them.
        source: what the file's metadata says of where they came from.

    Raises:
        StoreError: the store cannot be written to.
    """
    frame = scores[[*dict.fromkeys((*COLUMNS, *ORIGIN)), "scored_at"]]
    digest = _digest(frame)
    frame = frame.assign(identity=digest, protocol=IMPORTED, checkpoint="")
    _write(frame, store.path / "scores" / IMPORTED / f"{digest[:32]}.parquet", source)


def write_items(store: Store, items: pd.DataFrame, place: dict[str, Any], source: dict[str, Any]) -> None:
    """Write the items of one checkpoint and task.

    Args:
        store: where.
        items: one row per item, with family, run, tokens, task, num_fewshot and the rest of what `evaluate` writes, and
            limited, dated, source and scored_at.
        place: what names the checkpoint.
        source: what the file's metadata says of where they came from.

    Raises:
        StoreError: the store cannot be written to.
    """
    items = _with_lists(items)
    digest = _digest(items)
    frame = items.assign(identity=digest, protocol=IMPORTED, checkpoint="")
    checkpoint = hashlib.sha256(canonical_json(place).encode()).hexdigest()
    name = f"{file_name(str(items['task'].iloc[0]))}-{digest[:16]}.parquet"
    _write(frame, store.path / "items" / IMPORTED / checkpoint[:32] / name, source)


def _with_lists(items: pd.DataFrame) -> pd.DataFrame:
    """Write what a column of lists lacks as missing: pandas makes a column of numbers where no item has a list."""
    lists = {name: items[name].astype(object).where(items[name].notna(), None) for name in _LISTS & set(items.columns)}
    return items.assign(**lists)


def typed(scores: pd.DataFrame) -> pd.DataFrame:
    """Bring rows into one form, so that equal ones have equal digests.

    Args:
        scores: rows in the results schema, and as far as they are known the columns `ORIGIN` and scored_at; further
            columns are kept.

    Raises:
        InputError: a number is impossible.
    """
    frame = validate(scores, "the import")
    for name in ORIGIN:
        kind, missing = (bool, False) if name in _FLAGS else (object, None if name == "filter" else "")
        column = frame[name].astype(object) if name in frame.columns else pd.Series(missing, index=frame.index)
        frame[name] = column.where(column.notna(), missing).astype(kind)
    if "scored_at" not in frame.columns:
        frame["scored_at"] = present_time()
    return frame


def _digest(frame: pd.DataFrame) -> str:
    """Hash what rows say; the time of an import is not part of it."""
    dated = frame["scored_at"].where(frame["dated"].astype(bool), "")
    return content_sha256(frame.assign(scored_at=dated))


def _write(frame: pd.DataFrame, path: Any, source: dict[str, Any]) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    put_table(table, path, {IDENTITY_KEY: json.dumps(source, sort_keys=True).encode()})

"""The columns of a store's files, checked where they are read: another version may have written others."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.types as kinds

_TEXT, _WHOLE, _NUMBER, _TRUTH = pa.large_string(), pa.int64(), pa.float64(), pa.bool_()
_NUMBERS = pa.list_(_NUMBER)

# File -> its columns; those that are required, and those that a file may lack.
_PLACE = {"run": _TEXT, "task": _TEXT, "params": _WHOLE, "tokens": _WHOLE, "protocol": _TEXT}
_REQUIRED: dict[str, dict[str, pa.DataType]] = {
    "scores": {**_PLACE, "metric": _TEXT, "value": _NUMBER, "identity": _TEXT},
    "items": {**_PLACE, "doc_id": _WHOLE},
    "runs.parquet": {"run": _TEXT, "role": _TEXT},
    "tasks.parquet": {"task": _TEXT, "metric": _TEXT, "protocol": _TEXT},
}
_MAY_LACK: dict[str, dict[str, pa.DataType]] = {
    "scores": {
        "family": _TEXT,
        "params_non_embedding": _WHOLE,
        "step": _WHOLE,
        "tokens_planned": _WHOLE,
        "flops": _NUMBER,
        "stderr": _NUMBER,
        "n_items": _WHOLE,
        "num_fewshot": _WHOLE,
        "filter": _TEXT,
        "higher_is_better": _TRUTH,
        "checkpoint": _TEXT,
        "scored_at": _TEXT,
    },
    "items": {
        "family": _TEXT,
        "step": _WHOLE,
        "num_fewshot": _WHOLE,
        "subtask": _TEXT,
        "correct": _NUMBER,
        "log_likelihoods": _NUMBERS,
        "byte_lengths": _NUMBERS,
        "gold": _WHOLE,
        "samples": _WHOLE,
        "passes": _WHOLE,
        "until_passes": _WHOLE,
        "answer_counts": _NUMBERS,
        "answer_passes": _NUMBERS,
        "scored_at": _TEXT,
    },
    "runs.parquet": {
        "family": _TEXT,
        "params": _WHOLE,
        "params_non_embedding": _WHOLE,
        "tokens_per_step": _WHOLE,
        "tokens_planned": _WHOLE,
    },
    "tasks.parquet": {
        "num_fewshot": _WHOLE,
        "chance": _NUMBER,
        "n_items": _WHOLE,
        "settings": _TEXT,
        "variant_of": _TEXT,
        "lm_eval": _TEXT,
        "loaded_with": _TEXT,
    },
}


class ForeignFileError(ValueError):
    """A file of a store that is whole but has other columns: another version of this package wrote it."""


def conform(table: pa.Table, kind: str) -> pa.Table:
    """Bring a file of a store into the columns that are read; further ones are kept as they are.

    Args:
        table: the file's content.
        kind: `scores`, `items`, `runs.parquet` or `tasks.parquet`.

    Raises:
        ForeignFileError: a required column is missing, or a column holds something else.
    """
    if _fits(table.schema, kind):
        return table
    for name, kept in _REQUIRED[kind].items():
        if name not in table.schema.names:
            raise ForeignFileError(f"it lacks the column {name}")
        table = _typed(table, name, kept)
    for name, kept in _MAY_LACK[kind].items():
        if name in table.schema.names:
            table = _typed(table, name, kept)
        else:
            table = table.append_column(name, pa.nulls(table.num_rows, kept))
    return table


@functools.lru_cache(maxsize=256)
def _fits(schema: pa.Schema, kind: str) -> bool:
    """Return whether a file has every column as it is read: thousands of files share a schema."""
    for name, wanted in {**_REQUIRED[kind], **_MAY_LACK[kind]}.items():
        index = schema.get_field_index(name)
        if index < 0 or not any(is_kind(schema.field(index).type) for is_kind in _ALIKE[wanted]):
            return False
    return True


def _typed(table: pa.Table, name: str, wanted: pa.DataType) -> pa.Table:
    index = table.schema.get_field_index(name)
    if index < 0:
        raise ForeignFileError(f"it has the column {name} twice")
    found = table.schema.field(index).type
    if any(is_kind(found) for is_kind in _ALIKE[wanted]):
        return table
    if kinds.is_nested(found) or kinds.is_nested(wanted) or kinds.is_binary(found):
        raise ForeignFileError(f"its column {name} is of {found}")
    try:
        return table.set_column(index, name, table.column(index).cast(wanted))
    except pa.ArrowException:
        raise ForeignFileError(f"its column {name} is of {found}") from None


_ALIKE: Mapping[pa.DataType, tuple] = {
    _TEXT: (kinds.is_string, kinds.is_large_string),
    _WHOLE: (kinds.is_signed_integer,),
    _NUMBER: (kinds.is_float64,),
    _TRUTH: (kinds.is_boolean,),
    _NUMBERS: (kinds.is_list, kinds.is_large_list, kinds.is_null),
}

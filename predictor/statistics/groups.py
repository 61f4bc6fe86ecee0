"""How items come in groups: by a rule, or by a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

RULES = ("auto", "none", "subtask", "document")


@dataclass(frozen=True)
class Groups:
    """A rule, or the table of a file.

    Attributes:
        rule: one of `RULES`, or a table with doc_id and group, and where they matter subtask and task.
        notes: what to know of it.
    """

    rule: str | pd.DataFrame
    notes: tuple[str, ...] = ()


def read_groups(cluster: str | Path) -> Groups:
    """Read a rule's name or a file.

    Raises:
        InputError: it is neither, or the file lacks a column.
    """
    if str(cluster) in RULES:
        return Groups(str(cluster))
    path = Path(cluster)
    if not path.is_file():
        raise InputError(
            f"'{cluster}' is no way to group items", f"give {', '.join(RULES)}, or a .csv or .parquet file"
        )
    from predictor.results.tables import read_table

    table = read_table(path)
    missing = [name for name in ("doc_id", "group") if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]}", "groups need doc_id and group")
    keys = [name for name in ("task", "subtask", "doc_id") if name in table.columns]
    if table.drop_duplicates([*keys, "group"]).duplicated(keys).any():
        raise InputError(f"{path} puts one item into two groups", "state the columns task and subtask as well")
    return Groups(table)

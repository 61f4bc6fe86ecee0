"""Read one table of scores or items from a file, as it is."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa

from predictor.errors import InputError
from predictor.places import is_file
from predictor.results.csv_rows import read_csv_rows, separator_of
from predictor.results.parquet import read_parquet
from predictor.results.schema import COLUMNS, is_share


def read_table(path: Path) -> pd.DataFrame:
    """Read one Parquet or CSV file as it is.

    Raises:
        InputError: the file is missing, empty, of another kind, or damaged.
    """
    if not is_file(path):
        raise InputError(f"{path} does not exist", "check the path")
    try:
        if path.suffix in (".parquet", ".pq"):
            table: pd.DataFrame = read_parquet(path).to_pandas()
            return table
        if path.suffix in (".csv", ".tsv", ".txt"):
            # A run named 007 is not run 7.
            names = dict.fromkeys((name for name, kind in COLUMNS.items() if kind == "str"), str)
            return pd.read_csv(_csv_source(path), sep="\t" if path.suffix == ".tsv" else ",", dtype=names)
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty", "write a header and at least one row") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", "save it as Parquet, or as CSV in UTF-8") from None
    except (pa.ArrowException, pd.errors.ParserError, csv.Error, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a table ({error})", "write it again as Parquet or CSV") from None
    raise InputError(f"{path} is neither Parquet nor CSV", "give a file that ends in .parquet or .csv")


_LONGEST_HEADER = 1_000_000
"""Characters of the first line that are looked at for what separates the cells."""


def _csv_source(path: Path) -> Path | io.StringIO:
    """Return a CSV file as it is where commas separate its cells, else its text brought into that form."""
    if path.suffix == ".tsv":
        return path
    with path.open(encoding="utf-8-sig") as file:
        head = file.readline(_LONGEST_HEADER)
    if separator_of(head) == ",":
        return path
    headers, rows = read_csv_rows(path.read_text(encoding="utf-8-sig"), path)
    text = io.StringIO()
    csv.writer(text).writerows([headers, *rows])
    text.seek(0)
    return text


def without_percent_signs(table: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
    """Return a results table with cells as `31%` read as shares, and the columns where that was done.

    Args:
        table: as it was read.
        source: what to call it in errors.

    Raises:
        InputError: only some cells of a column have the sign, or the metric is no share.
    """
    changed = {}
    for name in ("value", "stderr"):
        if name not in table.columns or pd.api.types.is_numeric_dtype(table[name]):
            continue
        cells = table[name].dropna().map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
        marked = cells.map(lambda cell: isinstance(cell, str) and cell.endswith("%")).astype(bool)
        if not marked.any():
            continue
        if not marked.all():
            raise InputError(
                f"{source}: column {name} has {cells[marked].iloc[0]} and {cells[~marked].iloc[0]}",
                "write all its cells with a % sign, or none",
            )
        metrics = table.loc[cells.index, "metric"] if "metric" in table.columns else cells
        other = next((str(metric) for metric in metrics.unique() if not is_share(str(metric))), None)
        if other is not None:
            raise InputError(f"{source}: column {name} has % signs for {other}, which is no share", "leave them out")
        shares = pd.to_numeric(cells.str.removesuffix("%"), errors="coerce") / 100
        changed[name] = shares.where(shares.notna(), cells).reindex(table.index)
    return table.assign(**changed), list(changed)


def sha256_of(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()

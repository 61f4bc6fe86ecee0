"""Rows of CSV text as spreadsheets write it: separated by commas, semicolons or tabs, with points or decimal commas."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from predictor.errors import InputError

_SEPARATORS = (",", ";", "\t")
_DECIMAL = re.compile(r"[+-]?\d+,\d+(\s?%)?")
# `1,234` may be a number above a thousand or a little above one; `0,234` and `12,3` can only be decimals.
_UNCLEAR = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def separator_of(text: str, ending: str = ".csv") -> str:
    """Return what separates the cells: what splits the header into most of them, and a tab in .tsv."""
    if ending == ".tsv":
        return "\t"
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(_SEPARATORS, key=lambda separator: len(next(csv.reader([header], delimiter=separator), [])))


def read_csv_rows(text: str, path: Path, ending: str = ".csv") -> tuple[list[str], list[list[str]]]:
    """Split CSV text into its header and its rows, all cells as text; empty lines are skipped.

    Where semicolons separate the cells, a comma within a number is a decimal comma and is replaced by a point.

    Args:
        text: of the file.
        path: what to call it in errors.
        ending: `.tsv` where tabs separate the cells.

    Raises:
        InputError: it is empty, has two columns of one name or a row of another length, or a comma may stand for a
            decimal point or for thousands.
    """
    try:
        separator = separator_of(text, ending)
        lines = list(csv.reader(io.StringIO(text), delimiter=separator))
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as a table ({error})", "write it again as Parquet or CSV") from None
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if not lines:
        raise InputError(f"{path} is empty", "write a header and at least one row")
    headers = [header.strip() for header in lines[0]]
    if len(set(headers)) < len(headers):
        twice = next(header for header in headers if headers.count(header) > 1)
        raise InputError(f"{path} has two columns named '{twice}'", "rename one")
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(headers):
            raise InputError(
                f"{path} cannot be read as a table (row {number} has {len(line)} cells, the header {len(headers)})",
                "write it again as Parquet or CSV",
            )
    return headers, _with_points(lines[1:], headers, path) if separator == ";" else lines[1:]


def _with_points(rows: list[list[str]], headers: list[str], path: Path) -> list[list[str]]:
    """Replace decimal commas, column by column."""
    columns = list(zip(*rows, strict=True))
    for place, cells in enumerate(columns):
        numbers = [cell.strip() for cell in cells if _DECIMAL.fullmatch(cell.strip())]
        if numbers and all(_UNCLEAR.fullmatch(number) for number in numbers):
            raise InputError(
                f"{path}: column {headers[place]}: {numbers[0]} may be {numbers[0].replace(',', '')} or "
                f"{numbers[0].replace(',', '.')}",
                "write numbers with a decimal point and without separators of thousands",
            )
        columns[place] = tuple(cell.replace(",", ".") if _DECIMAL.fullmatch(cell.strip()) else cell for cell in cells)
    return [list(row) for row in zip(*columns, strict=True)]

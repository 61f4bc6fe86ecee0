"""Arguments as people write them: a path for results, "7B" for a size, "arc_easy,piqa" for a list."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, TypeAlias

from predictor.quantity import parse_quantity
from predictor.results.readers import Results, read_results

if TYPE_CHECKING:
    import pandas as pd

Scores: TypeAlias = "Results | str | PathLike[str] | pd.DataFrame"
"""What results are read from: a store, a folder, a file, a data frame, or results that were read already."""
Size: TypeAlias = str | float
"""A number as `7e9`, `"7e9"` or `"7B"`."""
Names: TypeAlias = str | Iterable[str]
"""Names, or one text with commas between them."""


def as_results(scores: Scores, *, roles: tuple[str, ...] = ("ladder",)) -> Results:
    """Return results as they are, and read anything else."""
    return scores if isinstance(scores, Results) else read_results(scores, roles=roles)


def as_size(value: Size, name: str) -> float:
    """Return a size as a number.

    Raises:
        InputError: it is no positive number.
    """
    return parse_quantity(value if isinstance(value, str) else float(value), name)


def as_optional_size(value: Size | None, name: str) -> float | None:
    """Return a size as a number, and None as None."""
    return None if value is None else as_size(value, name)


def as_sizes(values: str | Iterable[Size] | None, name: str) -> tuple[float, ...] | None:
    """Return sizes as numbers in rising order, each once; a text may hold several with commas between them."""
    if values is None:
        return None
    return tuple(sorted({as_size(value, name) for value in (values.split(",") if isinstance(values, str) else values)}))


def as_names(names: Names | None) -> tuple[str, ...] | None:
    """Return names as a tuple; a text is split at its commas."""
    if names is None:
        return None
    return tuple(name.strip() for name in names.split(",") if name.strip()) if isinstance(names, str) else tuple(names)

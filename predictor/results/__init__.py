"""The table of scores that every part shares: its schema, the store that keeps it, the readers of other formats.

Importing this package is cheap; pandas is imported when a table is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.results.readers import Results, TaskInfo, read_results

__all__ = ["Results", "TaskInfo", "read_results"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from predictor.results import readers

    return getattr(readers, name)

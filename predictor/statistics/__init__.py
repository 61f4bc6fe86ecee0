"""What scores mean: differences that are real, benchmarks that carry a signal, answers that are calibrated.

Importing this package is cheap; scipy.stats and statsmodels are imported when something is computed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.statistics.benchmark_difference import Difference
    from predictor.statistics.comparison import Differences, diff
    from predictor.statistics.intervals import Mean, clustered_mean
    from predictor.statistics.sides import Side, read_side

__all__ = ["Difference", "Differences", "Mean", "Side", "clustered_mean", "diff", "read_side"]
_MODULES = {
    "Difference": "benchmark_difference",
    "Differences": "comparison",
    "Mean": "intervals",
    "Side": "sides",
    "clustered_mean": "intervals",
    "diff": "comparison",
    "read_side": "sides",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"predictor.statistics.{_MODULES[name]}"), name)

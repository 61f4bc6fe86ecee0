"""What scores mean: differences that are real, benchmarks that carry a signal, answers that are calibrated.

Importing this package is cheap; scipy.stats and statsmodels are imported when something is computed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.statistics.intervals import Mean, clustered_mean

__all__ = ["Mean", "clustered_mean"]
_MODULES = {"Mean": "intervals", "clustered_mean": "intervals"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"predictor.statistics.{_MODULES[name]}"), name)

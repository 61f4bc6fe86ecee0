"""Score checkpoints with lm-evaluation-harness: suites, the plan of what is missing, workers, and how it stands.

Importing this package is cheap; torch and lm-eval are imported when something is scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.evaluation.coordinator import Outcome, evaluate
    from predictor.evaluation.overview import Status, status

__all__ = ["Outcome", "Status", "evaluate", "status"]

_HOMES = {"Outcome": "coordinator", "evaluate": "coordinator", "Status": "overview", "status": "overview"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

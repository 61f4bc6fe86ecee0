"""Telling how far long work is: opened with the number of steps, then called with a line after each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Done = Callable[[str], None]
"""Called after each step with a line that names it."""
Progress = Callable[[int], AbstractContextManager[Done]]
"""Opened with the number of steps."""


def opened(progress: Progress | None, total: int) -> AbstractContextManager[Done]:
    """Open it; where nobody asked for it, what is told goes nowhere."""
    return progress(total) if progress else nullcontext(silent)


def silent(line: str) -> None:
    """Tell nobody."""

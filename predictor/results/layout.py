"""Where each file of a store lies, and how runs and tasks are named there."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from predictor.results.table_file import IMPORTED

COMPACT = "compact.parquet"
"""A run's scores that were merged."""
DAMAGED = "damaged"
"""The folder of files that were set aside."""


def pair_path(root: Path, kind: str, run: str, step: int, task: str, identity: str) -> Path:
    """Name a pair's file in the store at `root`; `kind` is `scores` or `items`."""
    folder, number, stem = stem_of(run, step, task, identity)
    return root / kind / folder / number / f"{stem}.parquet"


def stem_of(run: str, step: int, task: str, identity: str) -> tuple[str, str, str]:
    """Name a pair as its files do: folder of the run, folder of the step, `<task>-<identity>`."""
    return (file_name(run), str(step), f"{file_name(task)}-{identity[:16]}")


@functools.lru_cache(maxsize=4096)
def file_name(name: str) -> str:
    """Make a run's or task's name fit to be a file's name; `loss:pile` becomes `loss-pile`."""
    fit = re.sub(r"[^\w.+=-]", "-", name)
    # These lead elsewhere, or are the folder of others' scores.
    return f"{fit}-" if fit in ("", ".", "..", IMPORTED) else fit

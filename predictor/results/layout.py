"""Where each file of a store lies, how runs and tasks are named there, and where a damaged file goes."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

from predictor.errors import StoreError
from predictor.results.table_file import IMPORTED, PERMISSION

COMPACT = "compact.parquet"
"""A run's scores that were merged."""
FORECASTS = "forecasts"
"""The folder of registered forecasts and their resolutions, see `predictor.results.chain`."""
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
    """Make a run's or task's name fit to be a file's name; no two names become the same.

    Letters, digits and `.`, `_`, `+`, `=`, `-` stay as they are, and `loss:pile` becomes `loss-pile`. Whatever else
    would change, lead elsewhere or be too long carries a hash of the name behind a `~`, which no name keeps.
    """
    loss = name.startswith(_LOSS)
    fit = _OTHER.sub("-", name[len(_LOSS) :] if loss else name)
    plain = fit == (name[len(_LOSS) :] if loss else name) and len(fit.encode()) <= _LONGEST
    if plain and (loss or not (fit.startswith((".", "loss-")) or fit in ("", IMPORTED))):
        return f"loss-{fit}" if loss else fit
    shown = _OTHER.sub("-", name)[:_SHOWN].lstrip(".")
    return f"{shown}~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}"


def move_aside(root: Path, path: Path) -> bool:
    """Move a damaged file of the store at `root` to `damaged/`, where it stands for nothing.

    Returns:
        False where that is not allowed.
    """
    target = root / DAMAGED / path.relative_to(root)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    except OSError:
        return False
    return True


def move_aside_if_damaged(root: Path, path: Path, error: Exception) -> bool:
    """Set a file aside that could not be read because it is damaged; False where it went meanwhile.

    Args:
        root: the store's folder.
        path: the file.
        error: what reading it raised.

    Raises:
        StoreError: its content is not to blame: it may not be read, or the disk does not give it.
    """
    if isinstance(error, PermissionError):
        raise StoreError(f"{path} may not be read", PERMISSION) from None
    if isinstance(error, FileNotFoundError):
        # Merged into another file, or set aside by another reader.
        return False
    if getattr(error, "errno", None) is not None:
        raise StoreError(f"{path} cannot be read ({error})", "check the disk or the file server") from None
    move_aside(root, path)
    return True


_LOSS = "loss:"
_OTHER = re.compile(r"[^\w.+=-]")
# Bytes: with a task's identity behind it a file's name may have 255.
_LONGEST = 160
# Characters, of up to four bytes each.
_SHOWN = 40

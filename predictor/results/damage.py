"""What happens to a file of a store that cannot be read: set aside where it is damaged, said where it is not."""

from __future__ import annotations

from pathlib import Path

from predictor.errors import StoreError
from predictor.results.layout import DAMAGED
from predictor.results.table_file import PERMISSION


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

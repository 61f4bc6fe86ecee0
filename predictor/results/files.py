"""Files on this machine, written so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from predictor.errors import InputError, StoreError


def present_time() -> str:
    """Return the present moment as everything that is kept states it: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder: not on a file system that is mounted read-only, whoever asks."""
    return os.access(folder, os.W_OK | os.X_OK)


def open_lock(path: Path) -> BinaryIO:
    """Open the file of a lock, made if it is missing, without a buffer.

    Raises:
        StoreError: it cannot be opened, or is a link: what that leads to must not be written.
    """
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StoreError(f"{path} is a link", "remove it: a lock is a file of its own") from None
        raise StoreError(f"{path} cannot be opened ({error.strerror})", "check the permissions of the store") from None
    return open(number, "rb+", buffering=0)  # noqa: PTH123 - by its number


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock's file for this process alone, waiting for whoever holds it.

    Raises:
        StoreError: as `open_lock`.
    """
    with open_lock(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file in UTF-8 as `write_bytes_atomically` does."""
    write_bytes_atomically(path, text.encode())


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it; an existing file is replaced only when all is written.

    A link keeps being one: what it leads to is replaced. What is no file, as a pipe or a terminal, is written to as it
    stands.

    Raises:
        InputError: the path is a folder, or its folder is missing or not writable.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", "name a file in it")
    # /dev/stdout leads to a file where it is redirected, but belongs to whoever opened that.
    is_device = path.is_absolute() and path.parts[1] in ("dev", "proc")
    if path.is_symlink() and not is_device:
        path = path.resolve()
    if is_device or (path.exists() and not path.is_file()):
        try:
            with path.open("wb") as stream:
                stream.write(content)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror})", "name a file") from None
        return
    try:
        replace_whole(path, content, path.with_name(f".{uuid.uuid4().hex}.tmp"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror})", "choose a folder that exists and is writable"
        ) from None


def replace_whole(path: Path, content: bytes, temporary: Path, *, lasting: bool = True) -> None:
    """Write a file under a temporary name in the same folder, and rename it once all is written.

    Args:
        path: the file; one that is there is replaced, and keeps its permissions.
        content: all of it.
        temporary: a name that nobody else uses; nothing is left under it.
        lasting: have the content on the disk before it gets its name: after a loss of power the name leads to all of it
            or to what was there before.

    Raises:
        OSError: it cannot be written.
    """
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        # Who may read a file is for its owner to say, also of what replaces it.
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def create_whole(path: Path, content: bytes, temporary: Path) -> None:
    """Write a file that must not be there yet, so that nobody sees half of it and it replaces nothing.

    Args:
        path: the file; it is made read-only.
        content: all of it.
        temporary: a name in the same folder that nobody else uses; nothing is left under it.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written.
    """
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o444)
        try:
            path.hardlink_to(temporary)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP):
                raise
            # A file system without links, where only the caller's lock keeps two writers apart.
            if path.exists():
                raise FileExistsError(errno.EEXIST, "it is there", str(path)) from None
            temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk; file systems that cannot do it keep their own order."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

"""Read the file in which W&B keeps a run, `run-<id>.wandb`, tried with wandb 0.17 to 0.31.

It is a log as LevelDB has it: blocks of 32 KiB with records of a checksum, a length, a type and a message. The messages
are W&B's own and are taken apart by its package.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from predictor.distribution import install_command
from predictor.errors import InputError, first_line
from predictor.results.formats.tracked import Point

_MAGIC = b":W&B"
_HEADER, _BLOCK = 7, 32 * 1024
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class WandbLog:
    """What a file holds.

    Attributes:
        run: id of the run, its name and its group.
        config: its configuration, nested.
        points: its history.
        summary: its last values.
        exit_code: how it ended, None where it did not end or the file is cut off.
    """

    run: tuple[str, str, str] = ("", "", "")
    config: dict[str, Any] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


def is_wandb_log(path: Path) -> bool:
    """Return whether a file begins as W&B's do."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def read_wandb_log(path: Path) -> WandbLog:
    """Read a file; what follows a record that is cut off, as of a run that still trains, is not read.

    Raises:
        InputError: wandb is not installed, or the file cannot be read.
    """
    try:
        from wandb.proto import wandb_internal_pb2
    except ImportError:
        raise InputError(f"{path} needs wandb to be read", install_command("wandb")) from None
    log = WandbLog()
    try:
        for message in _messages(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(message)
            _take(record, log)
    except Exception as error:
        # protobuf raises errors of its own, and names them differently from release to release.
        raise InputError(
            f"{path} cannot be read as a run of W&B ({first_line(error)})", "copy the run's folder again"
        ) from None
    return log


def _messages(content: bytes) -> Iterator[bytes]:
    """Iterate over the whole messages of a log."""
    place, parts = _HEADER, b""
    while place + _HEADER <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER:
            # The rest of a block that has no room for a record's head is empty.
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        body = content[place + _HEADER : place + _HEADER + length]
        place += _HEADER + length
        if len(body) < length or kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST):
            return
        parts = body if kind in (_WHOLE, _FIRST) else parts + body
        if kind in (_WHOLE, _LAST):
            yield parts


def _take(record: Any, log: WandbLog) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "run":
        log.run = (record.run.run_id, record.run.display_name, record.run.run_group)
        log.config |= _values(record.run.config.update)
    elif kind == "config":
        log.config |= _values(record.config.update)
    elif kind == "history":
        values = _values(record.history.item)
        step = values.get("_step", record.history.step.num)
        log.points.append(Point(values, int(step), date_of(values.get("_timestamp"))))
    elif kind == "summary":
        log.summary |= _values(record.summary.update)
    elif kind == "exit":
        log.exit_code = record.exit.exit_code


def _values(items: Any) -> dict[str, Any]:
    """Values by name; nested names become names with slashes."""
    found = {}
    for item in items:
        name = "/".join(item.nested_key) if item.nested_key else item.key
        try:
            found[name] = json.loads(item.value_json)
        except ValueError:
            continue
    return found


def date_of(seconds: Any) -> str | None:
    """Return a time that is given in seconds since 1970, in ISO 8601."""
    try:
        return datetime.fromtimestamp(float(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    except (TypeError, ValueError, OverflowError, OSError):
        return None

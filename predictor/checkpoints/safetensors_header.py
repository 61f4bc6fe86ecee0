"""What the beginning of a safetensors file says of its tensors."""

from __future__ import annotations

import json
from io import RawIOBase
from typing import IO, Any

_LONGEST = 100_000_000  # safetensors' own limit, bytes


class TruncatedHeaderError(ValueError):
    """A file ends within its header."""


def read_header(file: IO[bytes] | RawIOBase) -> dict[str, dict[str, Any]]:
    """Read a file's header; the file then stands at its data.

    The format: 8 bytes little-endian length of the header, the header as JSON, then the data.

    Returns:
        by tensor its `dtype`, `shape` and `data_offsets`, the latter in bytes from the end of the header.

    Raises:
        TruncatedHeaderError: the file ends before its header does.
        ValueError: it has none.
    """
    said = file.read(8) or b""
    length = int.from_bytes(said, "little")
    if len(said) < 8 or length > _LONGEST:
        raise TruncatedHeaderError("it ends within its header")
    content = file.read(length) or b""
    if len(content) < length:
        raise TruncatedHeaderError("it ends within its header")
    header = json.loads(content)
    if not isinstance(header, dict):
        raise ValueError("it has no safetensors header")
    return {name: entry for name, entry in header.items() if name != "__metadata__"}

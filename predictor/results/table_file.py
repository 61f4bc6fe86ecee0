"""One Parquet file of a store: written as a whole or not at all, and compared with its checksum when it is read."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from predictor.errors import StoreError
from predictor.places import is_local
from predictor.redaction import redact
from predictor.results.files import replace_whole

IDENTITY_KEY = b"predictor.identity"
IDENTITIES_KEY = b"predictor.identities"
IMPORTED = "imported"
"""The protocol of scores that others made."""
TEMPORARY = ".writing-"
"""How the names of files begin that are being written."""
PERMISSION = "check the permissions of the folder, or give another --store"
_CHECKSUM_KEY = "predictor.file_sha256"
_NO_CHECKSUM = "0" * 64
_FEW_ROWS = 100
# A key and its value as they lie in a Parquet footer, with the value's type and length between them.
_CHECKSUM = re.compile(_CHECKSUM_KEY.encode().replace(b".", rb"\.") + rb"\x18\x40([0-9a-f]{64})")


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file, or those of the named columns that it has, and compare all of it with its checksum.

    Raises:
        pyarrow.ArrowInvalid: it is not what was written.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    # Before anything is made of its bytes: what a damaged footer says could ask for any amount of memory.
    found = list(_CHECKSUM.finditer(content))
    if not found:
        raise pa.ArrowInvalid("it carries no checksum")
    start, end = found[-1].span(1)
    plain = content[:start] + _NO_CHECKSUM.encode() + content[end:]
    if _sha256(plain) != found[-1][1].decode():
        raise pa.ArrowInvalid("its content is not what was written: the checksum differs")
    file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
    # Threads cost more than they save on files of a few rows.
    names = None if columns is None else [name for name in file.schema_arrow.names if name in set(columns)]
    return file.read(names, use_threads=False)


def put_table(table: pa.Table, path: Path, metadata: dict[bytes, bytes]) -> Path:
    """Write a table with more metadata in its schema, and a checksum of every byte of the file.

    Raises:
        StoreError: it cannot be written.
    """
    put_bytes(_bytes_of(table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})), path)
    return path


def _bytes_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    # To decompress each column, and to read its statistics and its dictionary, takes longer than to read a few rows.
    large = table.num_rows > _FEW_ROWS
    compression = "zstd" if large else "none"
    writer = pq.ParquetWriter(sink, table.schema, compression=compression, use_dictionary=large, write_statistics=large)
    writer.write_table(table)
    # The checksum is of the file with noughts in the checksum's place: so it covers the footer that it stands in.
    writer.add_key_value_metadata({_CHECKSUM_KEY: _NO_CHECKSUM})
    writer.close()
    content = sink.getvalue()
    start, end = list(_CHECKSUM.finditer(content))[-1].span(1)
    return content[:start] + _sha256(content).encode() + content[end:]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put_bytes(content: bytes, path: Path, *, lasting: bool = True, make_folder: bool = True) -> None:
    """Write a file so that a reader sees all of it or none, or put it as one object on an object store.

    Args:
        content: all of it.
        path: where.
        lasting: as in `replace_whole`.
        make_folder: make the folder if it is missing.

    Raises:
        StoreError: it cannot be written; nothing is left of it.
    """
    if not is_local(path):
        _put_object(content, path)
        return
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(path, content, path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}"), lasting=lasting)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "make room, and run the same command again: nothing half-written counts" if full else PERMISSION
        raise StoreError(f"{path} cannot be written ({error.strerror or error})", remedy) from None


def _put_object(content: bytes, path: Path) -> None:
    try:
        path.write_bytes(content)
    except Exception as error:
        # What the package behind an object store raises has no common class.
        cause = redact(f"{type(error).__name__}: {error}")[:200]
        raise StoreError(
            f"{path} cannot be written ({cause})", "check that it can be reached and that credentials have not expired"
        ) from None


def is_whole(path: str | Path) -> bool:
    """Tell whether a Parquet file is there and has its end, without reading it."""
    if not isinstance(path, str) and not is_local(path):
        return _object_is_whole(path)
    # Not by a file object: tens of thousands of files are asked for at once.
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        size = os.fstat(number).st_size
        return size > 8 and os.pread(number, 4, size - 4) == b"PAR1"
    except OSError:
        return False
    finally:
        os.close(number)


def _object_is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            return file.read() == b"PAR1"
    except OSError:
        return False


def identity_in(table: pa.Table) -> dict[str, Any]:
    """Return what the identity of a score that was read was made of."""
    return _json_of(table.schema.metadata, IDENTITY_KEY)


def read_identity(path: Path) -> dict[str, Any]:
    """Read what a score file's identity was made of."""
    return _read_json(path, IDENTITY_KEY)


def read_identities(path: Path) -> dict[str, Any]:
    """Read `<step>/<task>-<identity>` -> what the identity was made of, of a file of merged scores."""
    return _read_json(path, IDENTITIES_KEY)


def _read_json(path: Path, key: bytes) -> dict[str, Any]:
    with path.open("rb") as file:
        return _json_of(pq.ParquetFile(file).schema_arrow.metadata, key)


def _json_of(metadata: dict[bytes, bytes] | None, key: bytes) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads((metadata or {}).get(key, b"{}"))
    except (ValueError, RecursionError):
        raise pa.ArrowInvalid("its metadata are not JSON") from None
    return value


def canonical_json(value: Any) -> str:
    """Write a value as JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

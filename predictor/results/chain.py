"""Records that are only ever added: one JSON file each, chained by hashes, so that a change or a removal shows.

    forecasts/
      000001.json    {"sha256": hash of all bytes after the first line, "number": 1, "previous": "", "kind": ..., ...}
      000002.json    the same, with the sha256 of 000001.json as `previous`
      head.json      number and hash of the newest record that was added to the end

A record is made under a temporary name and linked to its own, which fails where that name is taken: a reader sees all
of a record or none, and of two writers one takes the next number. On an object store it is put on the condition that no
such object exists. A kill between a record and `head.json` leaves a head that is one record behind, which is valid.

Whoever may write to the folder can make all of it anew. What nobody can do is to change a record whose hash was
published, see `verify`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from predictor.errors import StoreError
from predictor.places import is_local
from predictor.redaction import redact
from predictor.results.files import create_whole, locked, replace_whole

HEAD = "head.json"
_LOCK = ".lock"
_TEMPORARY = ".adding-"
_NAME = re.compile(r"([0-9]{6,})\.json")
_FIRST_LINE = re.compile(rb'\{"sha256": "([0-9a-f]{64})",')
# Object stores whose packages make an object only where there is none, in one request.
_EXCLUSIVE = {"s3", "s3a", "gs", "gcs", "memory"}
# Rounds against other writers; each that loses one has seen another record added.
_TRIES = 200
_OLD = 3600.0
_OWN = ("number", "previous", "kind", "time", "nonce")
_PERMISSION = "check the permissions of the store"


@dataclass(frozen=True)
class Record:
    """One record of a chain.

    Attributes:
        number: its place, from 1.
        kind: what it is, as `forecast`.
        time: when it was added, UTC in ISO 8601.
        previous: hash of the record before, empty for the first.
        sha256: its own hash: of all bytes of its file after the first line.
        body: what it says.
    """

    number: int
    kind: str
    time: str
    previous: str
    sha256: str
    body: dict[str, Any]


@dataclass(frozen=True)
class State:
    """What a chain holds.

    Attributes:
        records: those that are as they were written, by number.
        last: number of the last file, damaged or not; 0 for none.
        head: number and hash that `head.json` states, or None.
        faults: (file, what is wrong with it).
    """

    records: tuple[Record, ...]
    last: int
    head: tuple[int, str] | None
    faults: tuple[tuple[str, str], ...]

    @property
    def behind(self) -> int:
        """How many of the last records `head.json` does not cover: their removal would not show."""
        return max(self.last - (self.head[0] if self.head else 0), 0)


class Chain:
    """The records in one folder.

    Args:
        folder: local or on an object store; made with the first record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_local = is_local(folder)

    def read(self) -> State:
        """Read all records and compare every byte with the hashes.

        Raises:
            StoreError: the folder cannot be read.
        """
        try:
            # Before the records: one that is added meanwhile leaves a head that is behind, which is valid.
            head, fault = self._read_head()
            files = self._files()
            contents = {number: path.read_bytes() for number, path in sorted(files.items())}
        except Exception as error:
            raise self._unreadable(error) from None
        records, faults = _checked(contents)
        faults += _faults_of_head(head, fault, records, contents)
        return State(tuple(records.values()), max(contents, default=0), head, tuple(faults))

    def verify(self, published: str | None = None) -> State:
        """Read all records; the faults name whatever is not as it was written.

        Args:
            published: a hash that was made public when its record was added: that record must be in the chain.
        """
        state = self.read()
        if published is None or any(record.sha256 == published.lower() for record in state.records):
            return state
        fault = (str(self.folder.name), f"no record has the published hash {published}")
        return State(state.records, state.last, state.head, (*state.faults, fault))

    def append(self, kind: str, build: Callable[[Sequence[Record]], Mapping[str, Any] | None]) -> Record | None:
        """Add a record to the end.

        Args:
            kind: of the record.
            build: takes the records that are there and returns what the new one says, or None to add nothing. Called
                again where another process added a record meanwhile.

        Returns:
            the record, or None where nothing was added.

        Raises:
            StoreError: the folder cannot be written, or the last record is not as it was written.
        """
        self._prepare()
        with self._alone():
            for _ in range(_TRIES):
                state = self.read()
                body = build(state.records)
                if body is None:
                    return None
                number, previous = self._end_of(state)
                self._write_head(number, previous)
                content = _content(number + 1, previous, kind, body)
                try:
                    self._create(self.folder / f"{number + 1:06d}.json", content)
                except FileExistsError:
                    time.sleep(random.uniform(0.0, 0.05))
                    continue
                record = _parse(content)
                self._write_head(record.number, record.sha256)
                return record
        raise StoreError(f"others keep adding records to {self.folder}", "run the same command again")

    def _end_of(self, state: State) -> tuple[int, str]:
        """Return number and hash of the last record.

        Raises:
            StoreError: it was changed or removed: what is added to it would hide that.
        """
        if state.last == 0 and not state.faults:
            return 0, ""
        last = state.records[-1] if state.records else None
        # Faults in the middle stay visible whatever is added; those at the end would not.
        ends = (HEAD, f"{state.last:06d}.json", f"{state.last + 1:06d}.json")
        broken = [fault for fault in state.faults if fault[0].partition(" ")[0] in ends]
        if last is None or broken:
            file, what = (broken or list(state.faults))[0]
            raise StoreError(
                f"no record can be added to {self.folder}: {file}: {what}",
                "bring the file back from a backup, or move the folder away to begin a new chain",
            )
        return last.number, last.sha256

    # -- files --------------------------------------------------------------------------------------------------------

    def _files(self) -> dict[int, Path]:
        if not self.is_local:
            # Packages behind object stores remember listings; another process may have added a record since.
            self.folder.fs.invalidate_cache()  # type: ignore[attr-defined]
        if not self.folder.is_dir():
            return {}
        named = ((_NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return {int(match[1]): path for match, path in named if match}

    def _read_head(self) -> tuple[tuple[int, str] | None, str | None]:
        try:
            content = (self.folder / HEAD).read_bytes()
        except FileNotFoundError:
            return None, None
        try:
            value = json.loads(content)
            head = int(value["number"]), str(value["sha256"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return None, "it is not what was written"
        return (head, None) if _head(*head) == content else (None, "it is not what was written")

    def _prepare(self) -> None:
        if not self.is_local:
            protocol = str(getattr(self.folder, "protocol", ""))
            if protocol not in _EXCLUSIVE:
                raise StoreError(
                    f"records cannot be kept on {protocol}://, where a file may replace one made at the same moment",
                    "use a local store, s3:// or gs://",
                )
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep writers on this machine apart: nobody has to try twice. Elsewhere the names keep them apart."""
        if not self.is_local:
            yield
            return
        with locked(self.folder / _LOCK):
            for path in self.folder.glob(f"{_TEMPORARY}*"):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > _OLD:
                        path.unlink()
            yield

    def _create(self, path: Path, content: bytes) -> None:
        """Make a file that must not be there yet.

        Raises:
            FileExistsError: it is.
            StoreError: it cannot be written.
        """
        if not self.is_local:
            self._put(path, content)
            return
        try:
            create_whole(path, content, path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}"))
        except FileExistsError:
            raise
        except OSError as error:
            raise self._unwritable(error) from None

    def _put(self, path: Path, content: bytes) -> None:
        try:
            self._put_new(path, content)
        except Exception as error:
            # What the package behind an object store raises has no common class. A request that was sent twice, as
            # after a lost answer, is refused the second time: the content shows whose object it is.
            try:
                there = path.read_bytes() if path.exists() else None
            except Exception:
                raise self._unwritable(error) from None
            if there is None:
                raise self._unwritable(error) from None
            if there != content:
                raise FileExistsError(str(path)) from None
            return
        try:
            self._put_new(path, content)
        except Exception:
            return
        raise StoreError(
            f"{path} was made twice: this object store does not heed the condition that an object is new",
            "register into a local store: records made at the same moment could replace each other here",
        )

    def _put_new(self, path: Path, content: bytes) -> None:
        path.fs.pipe_file(path.path, content, mode="create")  # type: ignore[attr-defined]

    def _write_head(self, number: int, sha256: str) -> None:
        """Have the head cover a record; never fewer than it covers already."""
        head, _ = self._read_head()
        if number == 0 or (head is not None and head[0] >= number):
            return
        path, content = self.folder / HEAD, _head(number, sha256)
        try:
            if self.is_local:
                replace_whole(path, content, path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}"))
            else:
                path.write_bytes(content)
        except Exception as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> StoreError:
        return StoreError(f"{self.folder} cannot be written ({_cause(error)})", _PERMISSION)

    def _unreadable(self, error: Exception) -> StoreError:
        return StoreError(f"{self.folder} cannot be read ({_cause(error)})", _PERMISSION)


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return redact(f"{type(error).__name__}: {error}")[:200]


def _head(number: int, sha256: str) -> bytes:
    return (json.dumps({"number": number, "sha256": sha256}) + "\n").encode()


def _content(number: int, previous: str, kind: str, body: Mapping[str, Any]) -> bytes:
    """Write a record as bytes: its hash on the first line, of everything that follows."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    # The nonce makes every record another one: so a writer knows its own.
    own = {"number": number, "previous": previous, "kind": kind, "time": moment, "nonce": uuid.uuid4().hex}
    text = json.dumps({**own, **body}, indent=1, ensure_ascii=False, allow_nan=False)
    rest = (text.removeprefix("{\n") + "\n").encode(errors="replace")
    return b'{"sha256": "' + hashlib.sha256(rest).hexdigest().encode() + b'",\n' + rest


def _parse(content: bytes) -> Record:
    """Read a record.

    Raises:
        ValueError: it is not what was written.
    """
    first, _, rest = content.partition(b"\n")
    match = _FIRST_LINE.fullmatch(first)
    if match is None or hashlib.sha256(rest).hexdigest() != match[1].decode():
        raise ValueError("its content is not what was written: the hash differs")
    try:
        value = json.loads(b"{" + rest)
        own = int(value["number"]), str(value["kind"]), str(value["time"]), str(value["previous"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("it is no record") from None
    return Record(*own, match[1].decode(), {name: value[name] for name in value if name not in _OWN})


def _checked(contents: Mapping[int, bytes]) -> tuple[dict[int, Record], list[tuple[str, str]]]:
    """Return the records whose bytes are as they were written, and what breaks the chain."""
    records: dict[int, Record] = {}
    faults: list[tuple[str, str]] = []
    expected = 1
    for number, content in sorted(contents.items()):
        file = f"{number:06d}.json"
        faults += _removed(expected, number)
        expected = number + 1
        try:
            record = _parse(content)
        except ValueError as error:
            faults.append((file, str(error)))
            continue
        if record.number != number:
            faults.append((file, f"it holds record {record.number}"))
            continue
        before = records.get(number - 1)
        if before is not None and record.previous != before.sha256:
            faults.append((file, f"it does not follow {number - 1:06d}.json: one of the two was made anew"))
        elif number == 1 and record.previous:
            faults.append((file, "it names a record before the first"))
        records[number] = record
    return records, faults


def _removed(first: int, end: int) -> list[tuple[str, str]]:
    """Report that the records from `first` to before `end` are missing."""
    if first >= end:
        return []
    last = f" to {end - 1:06d}.json" if end - first > 1 else ""
    return [(f"{first:06d}.json{last}", "removed")]


def _faults_of_head(
    head: tuple[int, str] | None, fault: str | None, records: Mapping[int, Record], contents: Mapping[int, bytes]
) -> list[tuple[str, str]]:
    if fault is not None:
        return [(HEAD, fault)]
    if head is None:
        # Before the second record is added, the head covers the first.
        return [(HEAD, "removed, so that a removal of the last records would not show")] if len(contents) > 1 else []
    number, sha256 = head
    if number > max(contents, default=0):
        return _removed(max(contents, default=0) + 1, number + 1)
    if number in records and records[number].sha256 != sha256:
        return [(HEAD, f"its hash is not that of {number:06d}.json: one of the two was made anew")]
    return []

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
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from predictor.errors import StoreError
from predictor.places import is_local
from predictor.redaction import redact
from predictor.results.chain_records import (
    HEAD,
    Record,
    State,
    check_head,
    check_records,
    parse_head,
    parse_record,
    write_head,
    write_record,
)
from predictor.results.files import create_whole, locked, replace_whole

_LOCK = ".lock"
_TEMPORARY = ".adding-"
_NAME = re.compile(r"([0-9]{6,})\.json")
# Object stores whose packages make an object only where there is none, in one request.
_EXCLUSIVE = {"s3", "s3a", "gs", "gcs", "memory"}
# Rounds against other writers; each that loses one has seen another record added.
_TRIES = 200
_OLD = 3600.0
_PERMISSION = "check the permissions of the store"


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
        stated, contents = self.contents()
        head, fault = parse_head(stated)
        records, faults = check_records(contents)
        faults += check_head(head, fault, records, contents)
        return State(tuple(records.values()), max(contents, default=0), head, tuple(faults))

    def contents(self) -> tuple[bytes | None, dict[int, bytes]]:
        """Read the bytes of `head.json`, None where it is missing, and of each record by its number.

        Raises:
            StoreError: the folder cannot be read.
        """
        try:
            # Before the records: one that is added meanwhile leaves a head that is behind, which is valid.
            head = self._head_content()
            return head, {number: path.read_bytes() for number, path in sorted(self._files().items())}
        except Exception as error:
            raise StoreError(f"{self.folder} cannot be read ({_cause(error)})", _PERMISSION) from None

    def write(self, contents: Mapping[int, bytes], head: bytes | None) -> None:
        """Write records of another chain as they are, and then its head.

        Raises:
            StoreError: one of them is there, or the folder cannot be written.
        """
        self._prepare()
        with self._alone():
            for number, content in contents.items():
                path = self.folder / f"{number:06d}.json"
                try:
                    self._create(path, content)
                except FileExistsError:
                    raise StoreError(f"{path} was made meanwhile", "run the same command again") from None
            if head is not None:
                self._put_head(head)

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
                content = write_record(number + 1, previous, kind, body)
                try:
                    self._create(self.folder / f"{number + 1:06d}.json", content)
                except FileExistsError:
                    time.sleep(random.uniform(0.0, 0.05))
                    continue
                record = parse_record(content)
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

    def _head_content(self) -> bytes | None:
        try:
            return (self.folder / HEAD).read_bytes()
        except FileNotFoundError:
            return None

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
        head, _ = parse_head(self._head_content())
        if number > 0 and (head is None or head[0] < number):
            self._put_head(write_head(number, sha256))

    def _put_head(self, content: bytes) -> None:
        path = self.folder / HEAD
        try:
            if self.is_local:
                replace_whole(path, content, path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}"))
            else:
                path.write_bytes(content)
        except Exception as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> StoreError:
        return StoreError(f"{self.folder} cannot be written ({_cause(error)})", _PERMISSION)


def copy_chain(source: Chain, target: Chain) -> tuple[int, int]:
    """Copy a chain byte by byte, while records may be added to it; a later copy brings only what is new.

    Returns:
        number of files that were copied, and of those that were there already.

    Raises:
        StoreError: a record that is there differs from the source's, or is missing in the source; nothing of the target
            was changed. Or a folder cannot be read or written.
    """
    # In this order a record that is added meanwhile leaves the copy's head behind, which is valid.
    head, contents = source.contents()
    before, there = target.contents()
    if not contents and not there:
        return 0, 0
    for number, content in there.items():
        if contents.get(number) != content:
            what = "differs from" if number in contents else "was removed, and is kept as"
            raise StoreError(
                f"{source.folder / f'{number:06d}.json'} {what} the copy in {target.folder}",
                "see 'predictor registered verify' on both; bring the file back, or copy into a new folder",
            )
    # A head that was changed replaces no good one.
    whole = head if parse_head(head)[0] else None
    target.write({number: content for number, content in contents.items() if number not in there}, whole)
    copied = len(contents) - len(there)
    return copied + (head != before), len(there) + (head == before)


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return redact(f"{type(error).__name__}: {error}")[:200]

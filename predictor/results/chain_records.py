"""One record of a chain as bytes, and what many of them must agree in; see `predictor.results.chain`."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from predictor.results.files import present_time

HEAD = "head.json"
_FIRST_LINE = re.compile(rb'\{"sha256": "([0-9a-f]{64})",')
_OWN = ("number", "previous", "kind", "time", "nonce")


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


def write_head(number: int, sha256: str) -> bytes:
    """Write number and hash of the newest record as the bytes of `head.json`."""
    return (json.dumps({"number": number, "sha256": sha256}) + "\n").encode()


def parse_head(content: bytes | None) -> tuple[tuple[int, str] | None, str | None]:
    """Read number and hash out of the bytes of `head.json`, or say what is wrong with them."""
    if content is None:
        return None, None
    try:
        value = json.loads(content)
        head = int(value["number"]), str(value["sha256"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, "it is not what was written"
    return (head, None) if write_head(*head) == content else (None, "it is not what was written")


def write_record(number: int, previous: str, kind: str, body: Mapping[str, Any]) -> bytes:
    """Write a record as bytes: its hash on the first line, of everything that follows."""
    moment = present_time()
    # The nonce makes every record another one: so a writer knows its own.
    own = {"number": number, "previous": previous, "kind": kind, "time": moment, "nonce": uuid.uuid4().hex}
    text = json.dumps({**own, **body}, indent=1, ensure_ascii=False, allow_nan=False)
    rest = (text.removeprefix("{\n") + "\n").encode(errors="replace")
    return b'{"sha256": "' + hashlib.sha256(rest).hexdigest().encode() + b'",\n' + rest


def parse_record(content: bytes) -> Record:
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


def check_records(contents: Mapping[int, bytes]) -> tuple[dict[int, Record], list[tuple[str, str]]]:
    """Return the records whose bytes are as they were written, and what breaks the chain."""
    records: dict[int, Record] = {}
    faults: list[tuple[str, str]] = []
    expected = 1
    for number, content in sorted(contents.items()):
        file = f"{number:06d}.json"
        faults += _removed(expected, number)
        expected = number + 1
        try:
            record = parse_record(content)
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


def check_head(
    head: tuple[int, str] | None, fault: str | None, records: Mapping[int, Record], contents: Mapping[int, bytes]
) -> list[tuple[str, str]]:
    """Return what is wrong with `head.json`, and with the last records by what it says of them."""
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

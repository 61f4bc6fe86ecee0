"""Pages that were made, kept as they are sent: many visitors of one page cost as much as one."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

_MOST_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Page:
    """An answer as it is sent.

    Attributes:
        code: the status.
        content: the text, compressed.
        kind: its media type.
        tag: differs where the text does.
    """

    code: int
    content: bytes
    kind: str = "text/html; charset=utf-8"
    tag: str = ""

    @classmethod
    def of(cls, text: str, code: int = 200, kind: str = "text/html; charset=utf-8") -> Page:
        """Compress a text."""
        data = text.encode()
        return cls(code, gzip.compress(data, compresslevel=5, mtime=0), kind, f'W/"{zlib.crc32(data):08x}-{len(data)}"')


@dataclass
class _Entry:
    stamp: Hashable = None
    page: Page | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Pages:
    """The pages that were asked for last, each made once for each state of the results.

    Args:
        most_bytes: of all pages together.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        # Pages that are made at the same time only take the interpreter from each other, and from the server.
        self._making = threading.Lock()

    def last(self, address: str) -> Page | None:
        """Return a page as it was made last."""
        entry = self._entries.get(address)
        return None if entry is None else entry.page

    def known(self, address: str, stamp: Hashable) -> Page | None:
        """Return a page if it is there as the results are now, or is being made and there as they were."""
        entry = self._entries.get(address)
        if entry is None or entry.page is None:
            return None
        return entry.page if entry.stamp == stamp or entry.lock.locked() else None

    def get(self, address: str, stamp: Hashable, make: Callable[[], Page]) -> Page:
        """Return a page, made now if need be; whoever asks for the same one meanwhile waits for it."""
        with self._lock:
            entry = self._entries.setdefault(address, _Entry())
            self._entries.move_to_end(address)
        with entry.lock:
            if entry.page is None or entry.stamp != stamp:
                with self._making:
                    page = make()
                self._keep(address, entry, stamp, page)
                return page
            return entry.page

    def _keep(self, address: str, entry: _Entry, stamp: Hashable, page: Page) -> None:
        with self._lock:
            if page.code != 200:
                # Addresses that lead nowhere are without number.
                self._forget(address)
                return
            self._bytes += len(page.content) - (len(entry.page.content) if entry.page is not None else 0)
            entry.stamp, entry.page = stamp, page
            while self._bytes > self._most and len(self._entries) > 1:
                self._forget(next(iter(self._entries)))

    def _forget(self, address: str) -> None:
        entry = self._entries.pop(address, None)
        if entry is not None and entry.page is not None:
            self._bytes -= len(entry.page.content)

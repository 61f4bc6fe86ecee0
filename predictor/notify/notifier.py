"""Sending news through apprise, from threads of its own: an endpoint that does not answer delays nothing."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from predictor.distribution import install_command
from predictor.errors import ConfigError, InputError, first_line
from predictor.notify.news import News
from predictor.redaction import redact
from predictor.scheduling import Notify

_MOST = 200
"""Pieces of news of one kind that wait; of more, the oldest are dropped and counted."""
_ATTEMPTS = 3
_BOUND = 5.0
"""Seconds that the end of a process waits for messages that are under way."""
_REPEAT = 86_400.0
"""Seconds after which the same piece of news is sent again, where it still holds."""

_LASTING = ("alarm", "quarantine", "disk")

Tell = Callable[[str], None]


class Notifier:
    """Sends news to every address; `send` returns at once.

    Args:
        settings: `notify:` of checkpoints.yaml.
        sender: who writes, as the project's folder; begins every title.
        tell: takes lines on messages that could not be delivered.

    Raises:
        InputError: apprise is not installed.
        ConfigError: an address is none, or names a variable that is not set.
    """

    def __init__(self, settings: Notify, sender: str, tell: Tell = lambda line: None) -> None:
        self._kinds = frozenset(settings.events)
        self._sent: dict[tuple[str, str], float] = {}
        self._channels = [_Channel(url, settings.at_most, sender, tell) for url in read_addresses(settings.urls)]
        for channel in self._channels:
            channel.start()

    def __enter__(self) -> Notifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, news: Iterable[News]) -> None:
        """Hand news over for sending; kinds that are not wanted, and what was sent within a day, are left out."""
        for piece in news:
            now = time.monotonic()
            if piece.kind not in self._kinds:
                continue
            if piece.kind in _LASTING:
                # A state that lasts is seen at every look.
                what = (piece.kind, piece.title)
                if now - self._sent.get(what, -_REPEAT) < _REPEAT:
                    continue
                self._sent[what] = now
            for channel in self._channels:
                channel.put(piece)

    def close(self, bound: float = _BOUND) -> None:
        """Send what waits and end; no longer than `bound` seconds, whatever the endpoints do."""
        until = time.monotonic() + bound
        for channel in self._channels:
            channel.finish()
        for channel in self._channels:
            channel.join(max(0.0, until - time.monotonic()))


def make_notifier(settings: Notify, sender: str, tell: Tell = lambda line: None) -> Notifier | None:
    """Build a notifier, or None where nobody is to be told."""
    return Notifier(settings, sender, tell) if settings.urls else None


class Address:
    """One address that messages go to.

    Args:
        url: as apprise writes it, without variables.
        number: which of the addresses it is, from 1.

    Raises:
        ConfigError: apprise knows no such address.
    """

    def __init__(self, url: str, number: int) -> None:
        self.name = f"{url.partition(':')[0]} address {number}"
        import apprise

        self._format = apprise.NotifyFormat.TEXT
        self._server = apprise.Apprise()
        if not self._server.add(url):
            raise ConfigError(
                f"notify.urls: {self.name} is no address", "write it as apprise does, as mailto:// or json://"
            )

    def deliver(self, title: str, body: str) -> str | None:
        """Send a message; return None, or why it was not delivered."""
        try:
            if self._server.notify(title=redact(title), body=redact(body), body_format=self._format):
                return None
        except Exception as error:
            # Every service fails in its own way; nothing of that may end an evaluation.
            return redact(first_line(error))
        return "the service did not take it"


def read_addresses(urls: Sequence[str]) -> list[Address]:
    """Read the addresses of `notify.urls`, with `${NAME}` taken from the environment.

    Raises:
        InputError: apprise is not installed.
        ConfigError: an address is none, or names a variable that is not set.
    """
    try:
        import logging

        import apprise  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"the package {error.name} is not installed", install_command("notify")) from None
    # It writes addresses, and answers of services, into its log.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return [Address(re.sub(r"\$\{(\w+)\}", _variable, url), number) for number, url in enumerate(urls, 1)]


def _variable(match: re.Match[str]) -> str:
    name = match[1]
    if name not in os.environ:
        raise ConfigError(f"notify.urls names the variable {name}, which is not set", f"set {name}")
    return os.environ[name]


class _Channel(threading.Thread):
    """Sends the news of one address: of each kind at most one message in a time, gathered from what happened."""

    def __init__(self, address: Address, at_most: float, sender: str, tell: Tell) -> None:
        # A daemon: a service that never answers does not keep the process.
        super().__init__(name=f"notify {address.name}", daemon=True)
        self._address = address
        self._at_most = at_most
        self._sender = sender
        self._tell = tell
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[News]] = {}
        self._dropped: dict[str, int] = {}
        self._next: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._unreachable = False
        self._ending = False

    def put(self, piece: News) -> None:
        """Take a piece of news."""
        with self._changed:
            queue = self._waiting.setdefault(piece.kind, deque(maxlen=_MOST))
            if len(queue) == _MOST:
                self._dropped[piece.kind] = self._dropped.get(piece.kind, 0) + 1
            queue.append(piece)
            self._changed.notify()

    def finish(self) -> None:
        """Send what waits without regard to the rate, then end."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def run(self) -> None:
        """Send, until told to finish."""
        while (batch := self._take()) is not None:
            self._deliver(batch)

    def _take(self) -> list[News] | None:
        """Wait for news that may be sent; None at the end."""
        with self._changed:
            while True:
                now = time.monotonic()
                waiting = [kind for kind, queue in self._waiting.items() if queue]
                if self._ending:
                    batch = [piece for kind in waiting for piece in self._empty(kind)]
                    return batch or None
                due = [kind for kind in waiting if self._next.get(kind, 0.0) <= now]
                if due:
                    self._next[due[0]] = now + self._at_most
                    return self._empty(due[0])
                times = [self._next[kind] - now for kind in waiting]
                self._changed.wait(min(times) if times else None)

    def _empty(self, kind: str) -> list[News]:
        queue = self._waiting.pop(kind)
        return list(queue)

    def _deliver(self, batch: Sequence[News]) -> None:
        kind = batch[0].kind
        title, body = compose(batch, self._sender, self._dropped.pop(kind, 0))
        problem = self._address.deliver(title, body)
        if problem is None:
            self._failures.pop(kind, None)
            self._unreachable = False
            return
        failures = self._failures[kind] = self._failures.get(kind, 0) + 1
        if not self._unreachable:
            self._unreachable = True
            self._tell(f"a message to {self._address.name} was not delivered: {problem}")
        with self._changed:
            if self._ending or failures >= _ATTEMPTS:
                self._failures.pop(kind, None)
                return
            queue = self._waiting.setdefault(kind, deque(maxlen=_MOST))
            queue.extendleft(reversed(batch))


def compose(batch: Sequence[News], sender: str, dropped: int = 0) -> tuple[str, str]:
    """Write several pieces of news as one message.

    Args:
        batch: the news, oldest first.
        sender: who writes.
        dropped: how many earlier ones are left out.

    Returns:
        its title and its text.
    """
    more = len(batch) - 1 + dropped
    title = f"predictor, {sender}: {batch[0].title}{f' and {more} more' if more else ''}"
    blocks = ["\n".join([piece.title, *(f"  {line}" for line in piece.lines)]) for piece in batch]
    return title, "\n".join([*blocks, *([f"{dropped} earlier ones are left out"] if dropped else [])])

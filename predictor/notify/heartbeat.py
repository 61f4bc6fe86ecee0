"""A sign of life for a service that tells when it stops."""

from __future__ import annotations

import threading
import urllib.request
from urllib.error import URLError

_EVERY = 60.0
_PATIENCE = 10.0


class Heartbeat(threading.Thread):
    """Asks for a URL every minute while the work goes on, from a thread of its own.

    Args:
        url: what is asked for.
        every: seconds between two signs.
    """

    def __init__(self, url: str, every: float = _EVERY) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._url = url
        self._every = every
        self._ended = threading.Event()

    def run(self) -> None:
        """Send signs of life until stopped."""
        while True:
            self._beat()
            if self._ended.wait(self._every):
                return

    def stop(self) -> None:
        """Send no more; does not wait for a sign that is under way."""
        self._ended.set()

    def _beat(self) -> None:
        try:
            with urllib.request.urlopen(self._url, timeout=_PATIENCE):
                pass
        except (URLError, OSError, ValueError):
            # Whoever waits for the sign notices; there is nothing to be done here.
            return

"""A second process's look at the coordinators: one that was killed or hangs cannot tell so itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from predictor.notify.news import News
from predictor.results.leases import Coordinator
from predictor.results.ledger import Ledger


class SilenceWatch:
    """Finds coordinators that are not heard of any more, and those that are heard of again.

    Args:
        ledger: the ledger's file or URL.
        silent_after: seconds without a sign.
    """

    def __init__(self, ledger: str | Path, silent_after: float) -> None:
        self._ledger = ledger
        self._silent_after = silent_after
        self._silent: dict[str, Coordinator] = {}

    def look(self) -> Iterator[News]:
        """Read the ledger once; return what changed.

        A coordinator that ends in order takes itself off the list and is no news.
        """
        with Ledger(self._ledger, read_only=True) as ledger:
            listed = {coordinator.owner: coordinator for coordinator in ledger.coordinators.listed()}
        for owner, coordinator in listed.items():
            silent = coordinator.age > self._silent_after
            if silent and owner not in self._silent:
                self._silent[owner] = coordinator
                yield News("silent", f"coordinator silent: {_name(coordinator)}", (_when(coordinator),))
            elif not silent and self._silent.pop(owner, None) is not None:
                yield News("silent", f"coordinator is heard of again: {_name(coordinator)}", (coordinator.activity,))
        for owner in [owner for owner in self._silent if owner not in listed]:
            del self._silent[owner]


def _name(coordinator: Coordinator) -> str:
    return f"process {coordinator.pid} on {coordinator.host}"


def _when(coordinator: Coordinator) -> str:
    return f"last heard of {coordinator.age / 60:.0f} minutes ago; then: {coordinator.activity}"

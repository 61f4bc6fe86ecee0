"""What `evaluate` and `track` send to those whom `notify:` of checkpoints.yaml names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from predictor.cli.console import say

if TYPE_CHECKING:
    from predictor.evaluation import Outcome
    from predictor.forecasting.trajectory import RunTrack
    from predictor.project import Project


class Post:
    """Sends news while a command runs; does nothing where nobody is to be told.

    Args:
        project: checkpoints.yaml.
        store: the store's folder, whose disk is looked at.
        stays: whether the command stays, and gives signs of life.

    Raises:
        InputError: apprise is not installed.
        ConfigError: an address is none, or names a variable that is not set.
    """

    def __init__(self, project: Project, store: Path, stays: bool = False) -> None:
        self._settings = project.notify
        self._store = store
        self._notifier = None
        self._heartbeat = None
        if project.notify.urls:
            from predictor.notify import Notifier

            self._notifier = Notifier(project.notify, sender_of(project), say)
        if stays and project.notify.heartbeat is not None:
            from predictor.notify import Heartbeat

            self._heartbeat = Heartbeat(project.notify.heartbeat)

    def __enter__(self) -> Post:
        if self._heartbeat is not None:
            self._heartbeat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self._notifier is not None:
            self._notifier.close()

    def look(self, outcome: Outcome) -> None:
        """Send what a look did, and that the disk is nearly full."""
        if self._notifier is None:
            return
        from predictor.notify import news_of_disk, news_of_outcome

        disk = news_of_disk(self._store, self._settings.disk_below) if self._store.is_dir() else None
        self._notifier.send([*news_of_outcome(outcome), *([disk] if disk is not None else [])])

    def resolved(self, lines: Sequence[str]) -> None:
        """Send that registered forecasts were resolved."""
        if self._notifier is not None and lines:
            from predictor.notify import News

            self._notifier.send([News("resolved", f"{len(lines)} forecasts resolved", tuple(lines))])

    def alarms(self, tracks: Iterable[RunTrack]) -> None:
        """Send that tracked runs left their paths."""
        if self._notifier is None:
            return
        from predictor.notify import News

        for track in tracks:
            lines = tuple(alarm.describe() for alarm in track.alarms)
            if lines:
                self._notifier.send([News("alarm", f"{track.run} left its forecast ({len(lines)} alarms)", lines)])


def sender_of(project: Project) -> str:
    """Name the project in messages: its folder."""
    return project.root.resolve().name or "ladder"

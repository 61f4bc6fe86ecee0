"""`evaluate` again and again: looks for new checkpoints on an interval or a cron expression until it is stopped."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from predictor.errors import CheckpointError, ConfigError, EvaluationError
from predictor.evaluation.coordinator import Outcome, Progress, Session, with_limit
from predictor.evaluation.plan import EVERYTHING, Choice, Plan
from predictor.project import Project

EVERY = 300.0
"""Seconds between two looks, where nothing else is said."""
_STEP = 0.5
"""Seconds after which it sees that it is time."""


class Stopped(BaseException):
    """SIGTERM arrived. No error: what is in hand is given back and the process ends."""


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Turn the first SIGTERM into `Stopped`, raised in the main thread, so that all is left in order."""

    def stop(number: int, frame: FrameType | None) -> None:
        # A second one must not disturb the order that the first one makes.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    def ask_again(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, Stopped):
            hook(lost)
            return
        # Finalizers and callbacks of weak references, of which every import runs some, swallow what is raised in them.
        signal.signal(signal.SIGTERM, stop)
        main = threading.get_ident()
        # From elsewhere and later: what is raised in this function is swallowed, too.
        timer = threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGTERM))
        timer.daemon = True
        timer.start()

    hook, sys.unraisablehook = sys.unraisablehook, ask_again
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        sys.unraisablehook = hook


def watch(
    project: Project,
    *,
    store: str | Path | None = None,
    choice: Choice | None = None,
    limit: int | None = None,
    every: float | None = None,
    cron: str | None = None,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
    after: Callable[[Outcome], None] = lambda outcome: None,
) -> None:
    """Score what is missing, now and whenever it is time to look, until `Stopped` or an interrupt is raised.

    New checkpoints join the work while earlier ones are scored. Pairs that failed are tried again after the project's
    `backoff`, which doubles each time.

    Args:
        project: checkpoints.yaml, from `load_project`.
        store: another store than the project's.
        choice: what of the project is evaluated.
        limit: score only the first items of each task.
        every: seconds between two looks; the project's, or five minutes, when None.
        cron: a cron expression instead, in this machine's time zone.
        progress: shows how far it is.
        tell: takes lines on what is done.
        after: takes what was done, after each look that found work, failures or nothing new.

    Raises:
        ConfigError, UnknownNameError: the configuration is not what it should be.
        StoreError: another coordinator holds the store, or it cannot be written to.
    """
    tell = tell or (lambda line: None)
    clock = _Clock(make_trigger(project, every, cron))
    with Session(
        with_limit(project, limit), store, choice or EVERYTHING, progress, tell, trial=limit is not None
    ) as session:

        def look() -> Plan | None:
            if not clock.is_due():
                return None
            try:
                return session.plan(now=session.ledger.now())
            except (CheckpointError, EvaluationError) as error:
                # It may pass: a checkpoint that is moved, a file server that is away. The next look tries again.
                tell(f"this look failed: {error}")
                return None

        while True:
            plan = look()
            if plan is not None:
                try:
                    after(session.carry_out(plan, look))
                except EvaluationError as error:
                    tell(f"this look failed: {error}")
                session.presence.says(f"waiting; looks again at {clock.next_time:%H:%M:%S}")
            time.sleep(_STEP)


class _Clock:
    """When to look: now, and then at the times of a trigger. Times that passed during a look are made up for once.

    Args:
        trigger: of APScheduler.
    """

    def __init__(self, trigger: Any) -> None:
        self._trigger = trigger
        self.next_time = datetime.now(UTC).astimezone()

    def is_due(self) -> bool:
        """Return whether it is time to look, once for each time."""
        now = datetime.now(UTC).astimezone()
        if now < self.next_time:
            return False
        self.next_time = self._trigger.get_next_fire_time(now, now) or datetime.max.replace(tzinfo=UTC)
        return True


def make_trigger(project: Project, every: float | None = None, cron: str | None = None) -> Any:
    """Build the trigger of looks: what is given here, or what the project says.

    Raises:
        ConfigError: the cron expression is none.
    """
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    if every is None and cron is None:
        every, cron = project.watch.every, project.watch.cron
    if cron is None:
        return IntervalTrigger(seconds=max(1, round(every or EVERY)))
    try:
        return CronTrigger.from_crontab(cron)
    except ValueError as error:
        raise ConfigError(f"'{cron}' is no cron expression ({error})", "write five fields, as '*/10 * * * *'") from None

"""The coordinator: plans what is missing, gives it to workers, and keeps the ledger. One at a time per store."""

from __future__ import annotations

import fcntl
import functools
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from predictor.errors import StoreError
from predictor.evaluation.executors import make_executor, wait_for_workers
from predictor.evaluation.harness import Harness
from predictor.evaluation.plan import Plan, Planner
from predictor.evaluation.worker import FINISHED, STARTED, Report, Workshop
from predictor.project import Project
from predictor.results.ledger import Ledger, PairKey
from predictor.results.store import Store

LOCK, LOG, LEDGER = "evaluate.lock", "evaluate.log", "ledger.sqlite"

# Given a title and a total: a context that yields what is called once for each settled pair, with a line on it.
Progress = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]


@dataclass(frozen=True)
class Outcome:
    """What one call of `evaluate` did.

    Attributes:
        scored: pairs scored now.
        found: pairs that were done before.
        failed: pairs that failed now, each with its reason.
        given_up: pairs that failed too often before and were not tried, each with its reason.
        incomplete: checkpoints left alone: run, step, reason.
        planned: pairs that were missing.
        dry_run: whether they were only named.
    """

    scored: tuple[PairKey, ...] = ()
    found: tuple[PairKey, ...] = ()
    failed: tuple[tuple[PairKey, str], ...] = ()
    given_up: tuple[tuple[PairKey, str], ...] = ()
    incomplete: tuple[tuple[str, int, str], ...] = ()
    planned: tuple[PairKey, ...] = ()
    dry_run: bool = field(default=False)


def evaluate(
    project: Project,
    *,
    store: str | Path | None = None,
    runs: Sequence[str] = (),
    tasks: Sequence[str] = (),
    limit: int | None = None,
    roles: Sequence[str] = ("ladder",),
    retry_failed: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Score what is missing of a project's checkpoints, and write it into its store.

    Calling it again goes on where it was stopped, however it was stopped; what is done is never scored twice.

    Args:
        project: checkpoints.yaml, from `load_project`.
        store: another store than the project's.
        runs: only these runs, whatever their role.
        tasks: only these tasks of the suite.
        limit: score only the first items of each task; such scores are kept apart from those of all items.
        roles: which runs; `("target",)` scores the target's own run.
        retry_failed: try pairs again that failed three times.
        dry_run: only name what is missing; nothing of the store's scores or task table is changed.
        progress: shows how far it is, see `Progress`.
        tell: takes lines on what is done before scoring begins.

    Returns:
        what was done.

    Raises:
        ConfigError, UnknownNameError, CheckpointError, StoreError: nothing was scored, for the reason said.
    """
    if limit is not None:
        project = project.model_copy(update={"scoring": project.scoring.model_copy(update={"limit": limit})})
    target = Store(store if store is not None else project.store_path)
    target.create()
    with store_lock(target.path):
        wait_for_workers(target.path)
        target.clear_leavings()
        workshop = Workshop(target.path, project.scoring, project.offline, target.path / LOG)
        harness: Callable[[], Harness] = functools.lru_cache(maxsize=1)(workshop.harness)
        with Ledger(target.path / LEDGER) as ledger:
            planner = Planner(project, target, ledger, harness, tell or (lambda line: None))
            plan = planner.plan(runs, tasks, roles, retry_failed)
            planned = tuple(pair.key for unit in plan.units for pair in unit.pairs)
            incomplete = tuple((one.run, one.step, str(one.incomplete)) for one in plan.incomplete)
            outcome = Outcome((), plan.done, (), plan.given_up, incomplete, planned, dry_run)
            if dry_run:
                return outcome
            ledger.found(plan.done)
            ledger.lost()
            if not plan.tasks.empty:
                target.write_tasks(plan.tasks)
            target.write_runs(plan.runs)
            return _carry_out(plan, project, workshop, harness, ledger, outcome, progress or _no_progress)


def _carry_out(
    plan: Plan,
    project: Project,
    workshop: Workshop,
    harness: Callable[[], Harness],
    ledger: Ledger,
    before: Outcome,
    progress: Progress,
) -> Outcome:
    scored: list[PairKey] = []
    failed: list[tuple[PairKey, str]] = []
    for key, reason in plan.unloadable:
        ledger.failed(key, reason)
        failed.append((key, reason))
    if plan.missing:
        with progress("Scoring", plan.missing) as advance:

            def hear(report: Report) -> None:
                name = f"{report.key.run} step {report.key.step}, {report.key.task}"
                if report.event == STARTED:
                    ledger.started(report.key)
                elif report.event == FINISHED:
                    ledger.finished(report.key)
                    scored.append(report.key)
                    advance(name)
                else:
                    ledger.failed(report.key, report.reason)
                    failed.append((report.key, report.reason))
                    advance(f"{name}: failed: {report.reason}")

            make_executor(project.executor, workshop, harness).run(plan.units, hear)
    return Outcome(
        tuple(scored), before.found, tuple(failed), before.given_up, before.incomplete, before.planned, before.dry_run
    )


@contextmanager
def store_lock(folder: Path) -> Iterator[None]:
    """Hold a store for this process; the lock goes with the process, however it ends.

    Raises:
        StoreError: another process holds it.
    """
    path = folder / LOCK
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be opened ({error.strerror})", "check the permissions of the store") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise StoreError(
                f"the store {folder} is in use by {holder}", "wait for it, or give another --store"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _no_progress(title: str, total: int) -> AbstractContextManager[Callable[[str], None]]:
    return nullcontext(lambda line: None)

"""The coordinator: plans what is missing, hands it to an executor, and keeps the ledger.

With an SQLite ledger one process coordinates a store at a time; with PostgreSQL several may, each with its leases.

Each time that it looks, events follow in this order:

1. `Session.plan` finds what is missing.
2. `Session.carry_out` writes down what the plan learnt and adds its work to the queue.
3. The executor leases pieces from the queue and yields what happens to each pair; that is recorded in the ledger and
   shown before the next event is asked for.
4. Between two events a newer plan may add its work, as in 2.
5. Scores are copied to pairs of equal content.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from predictor.checkpoints import Observed
from predictor.errors import EvaluationError
from predictor.evaluation.costs import Costs
from predictor.evaluation.executors import make_executor
from predictor.evaluation.executors.local import wait_for_workers
from predictor.evaluation.harness import Harness
from predictor.evaluation.identity import versions
from predictor.evaluation.plan import EVERYTHING, Choice, Plan, Planner, Twin
from predictor.evaluation.presence import SILENT, Presence, ledger_of, store_lock, store_of, work_folder
from predictor.evaluation.trackers import Trackers
from predictor.evaluation.work_queue import WorkQueue
from predictor.evaluation.worker import Report, Workshop, describe
from predictor.project import Project
from predictor.results.ledger import Ledger, PairKey
from predictor.results.store import Store

LOG = "evaluate.log"
_STALE = 3600.0
"""Seconds after which a temporary file is a killed worker's, in a store in which other workers may be writing."""

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
        broken: checkpoints that can never be scored as they are: run, step, reason.
        unmatched: runs without any checkpoint: run, and where was looked.
        notes: what a reader should know of how checkpoints are read.
        planned: pairs that were missing.
        dry_run: whether they were only named.
        unscored: pairs that were planned, did not fail, and have no score all the same, as copies of one that failed.
    """

    scored: tuple[PairKey, ...] = ()
    found: tuple[PairKey, ...] = ()
    failed: tuple[tuple[PairKey, str], ...] = ()
    given_up: tuple[tuple[PairKey, str], ...] = ()
    incomplete: tuple[tuple[str, int, str], ...] = ()
    planned: tuple[PairKey, ...] = ()
    dry_run: bool = False
    unscored: tuple[PairKey, ...] = ()
    broken: tuple[tuple[str, int, str], ...] = ()
    unmatched: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan) -> Outcome:
        """Return what a plan says before anything of it was done."""
        left = [(found.broken, (found.run, found.step, str(found.incomplete))) for found in plan.incomplete]
        notes = [*plan.notes, *(f"run {run}: {reason}" for run, reason in plan.near)]
        # A run's checkpoints mostly share what is to be said.
        notes += dict.fromkeys(f"run {found.run}: {note}" for found in plan.noted for note in found.notes)
        return cls(
            found=plan.done,
            given_up=plan.given_up,
            incomplete=tuple(place for broken, place in left if not broken),
            planned=plan.missing,
            broken=tuple(place for broken, place in left if broken),
            unmatched=plan.unmatched,
            notes=tuple(notes),
        )

    @property
    def is_whole(self) -> bool:
        """Whether every pair of every whole checkpoint has its score now."""
        return not (self.failed or self.given_up or self.broken or self.unmatched or self.unscored)


def evaluate(
    project: Project,
    *,
    store: str | Path | None = None,
    runs: Sequence[str] = (),
    tasks: Sequence[str] = (),
    limit: int | None = None,
    roles: Sequence[str] = ("ladder",),
    retry_failed: bool = False,
    new_version: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Score what is missing of a project's checkpoints, and write it into its store.

    Calling it again resumes where it was stopped, however it was stopped; what is done is never scored twice.

    Args:
        project: checkpoints.yaml, from `load_project`.
        store: another store than the project's.
        runs: only these runs, whatever their role.
        tasks: only these tasks of the suite.
        limit: score only the first items of each task; such scores are kept apart from those of all items.
        roles: which runs; `("target",)` scores the target's own run.
        retry_failed: try pairs again that failed three times.
        new_version: score anew what an earlier version of lm-eval scored; by default those scores are kept.
        dry_run: only name what is missing; nothing of the store's scores or task table is changed.
        progress: shows how far it is, see `Progress`.
        tell: takes lines on what is done before scoring begins.

    Returns:
        what was done.

    Raises:
        ConfigError, UnknownNameError, CheckpointError, StoreError: nothing was scored, for the reason said.
    """
    choice = Choice(runs, tasks, roles, retry_failed, new_version)
    with Session(with_limit(project, limit), store, choice, progress, tell, trial=limit is not None) as session:
        plan = session.plan()
        return replace(Outcome.of(plan), dry_run=True) if dry_run else session.carry_out(plan)


def with_limit(project: Project, limit: int | None) -> Project:
    """The project, with only the first items of each task to be scored."""
    if limit is None:
        return project
    return project.model_copy(update={"scoring": project.scoring.model_copy(update={"limit": limit})})


class Session(contextlib.ExitStack):
    """A coordinator at work on one store.

    Args:
        project: checkpoints.yaml.
        store: another store than the project's.
        choice: what of it is evaluated.
        progress: shows how far it is.
        tell: takes lines on what is done.
        trial: only the first items are scored, to try something out: the store's task table is not to change by it.

    Raises:
        StoreError: another coordinator holds the store, or it or its ledger cannot be used.
    """

    def __init__(
        self,
        project: Project,
        store: str | Path | None = None,
        choice: Choice = EVERYTHING,
        progress: Progress | None = None,
        tell: Callable[[str], None] | None = None,
        trial: bool = False,
    ) -> None:
        super().__init__()
        # Workers on other machines are not in this process's folder.
        self.project = project.model_copy(update={"root": project.root.absolute()})
        self.trial = trial
        self.choice = choice
        self.store = store_of(self.project, store)
        if self.store.is_local:
            self.store = Store(self.store.path.absolute())
        self.observed = Observed()
        self._progress = progress or _no_progress
        self._said: set[str] = set()
        self._tell = tell or (lambda line: None)
        self._tasks = pd.DataFrame()
        self._described: set[str] = set()

    def __enter__(self) -> Session:
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def _open(self) -> None:
        project = self.project
        self.store.create()
        home = work_folder(project, self.store)
        where = ledger_of(project, self.store)
        exclusive = "://" not in str(where)
        if exclusive:
            self.enter_context(store_lock(home))
            wait_for_workers(home, self._tell)
        self.workshop = Workshop(
            self.store.path, project.scoring, project.offline, home / LOG, project.root / project.cache
        )
        self.harness: Callable[[], Harness] = functools.lru_cache(maxsize=1)(self.workshop.harness)
        self.ledger = self.enter_context(Ledger(where))
        if exclusive:
            # We hold the lock: any coordinator still listed has died.
            for gone in self.ledger.coordinators.listed():
                self.ledger.coordinators.leave(gone.owner)
        self.presence = self.enter_context(Presence(self.ledger, project.lease))
        owner = self.presence.owner
        self._sizes = {name: run.params for name, run in project.runs.items() if run.params is not None}
        costs = Costs(self._sizes)
        costs.learn(self.ledger.seconds())
        self.trackers = self.enter_context(Trackers(project, self.store, self.ledger, self._tell))
        self.executor = make_executor(project, self.workshop, self.harness, owner)
        self.queue = WorkQueue(project, self.ledger, self.store, owner, costs, self.executor.largest)
        alone = exclusive and not self.executor.adopt(self.queue)
        self.store.clear_leavings(0.0 if alone else _STALE)

    def plan(self, now: float = math.inf) -> Plan:
        """Find what is missing.

        Args:
            now: seconds since the epoch; pairs whose next attempt is later rest. By default no pair is held back.
        """
        for other in self.ledger.coordinators.listed():
            if other.age > max(SILENT, self.project.lease):
                self.ledger.coordinators.leave(other.owner)
        # Here and not only at the start: another coordinator that shares the ledger may go at any time.
        self.ledger.leases.lost(jobs_alive=self.executor.adopt(self.queue), owner=self.presence.owner)
        planner = Planner(self.project, self.store, self.ledger, self.harness, self._say_once, self.observed)
        plan = planner.plan(self.choice, now)
        plan = replace(plan, notes=tuple(self._upgrade(*kept) for kept in plan.earlier.items()))
        self._sizes |= {unit.checkpoint.run: unit.checkpoint.params for unit in plan.units}
        return plan

    def _upgrade(self, version: str, pairs: Sequence[PairKey]) -> str:
        """Return what scoring anew would cost where lm-eval was upgraded."""
        hours = sum(self.queue.costs.of(pair.run, pair.task) for pair in pairs) / 3600
        return (
            f"{len(pairs)} scores have the protocol of lm-eval {version}, which is {versions()['lm_eval']} now: they "
            "are kept, and new ones join them where the task is the same. "
            f"'predictor evaluate --new-version' scores them anew, in about {hours:.2g} hours of a worker"
        )

    def _say_once(self, line: str) -> None:
        """Say what a plan does that takes time; at the next look it has been done."""
        if line not in self._said:
            self._said.add(line)
            self._tell(line)

    def carry_out(self, plan: Plan, look: Callable[[], Plan | None] = lambda: None) -> Outcome:
        """Score what a plan finds missing.

        Args:
            plan: the plan.
            look: called every second or so; a new plan, whose work is added, or None.

        Returns:
            what was done.
        """
        scored: list[PairKey] = []
        failed = self._enter(plan)
        added = self.queue.add(plan.units)
        if added or self.queue.in_hand:
            with (
                self._progress("Scoring", added + self.queue.in_hand) as advance,
                closing(self.executor.run(self.queue)) as events,
            ):
                self.presence.says(f"scoring: {self.queue.waiting} waiting")
                try:
                    for event in events:
                        if isinstance(event, str):
                            self._tell(event)
                        elif isinstance(event, Report):
                            self._settle(event, scored, failed, advance)
                        newer = look()
                        if newer is not None:
                            failed += self._enter(newer)
                            self.queue.add(newer.units)
                except EvaluationError:
                    # The executor has ended its workers. A watch continues: nothing may stay leased to them.
                    self.queue.forget()
                    raise
        scored += self._copy_twins(plan.twins)
        unscored = self._unscored(plan.missing, {*scored, *(key for key, _ in failed)})
        return replace(Outcome.of(plan), scored=tuple(scored), failed=tuple(failed), unscored=unscored)

    def _settle(
        self,
        report: Report,
        scored: list[PairKey],
        failed: list[tuple[PairKey, str]],
        advance: Callable[[str], None],
    ) -> None:
        """Record what happened to a pair; where that decides its fate, show it."""
        settled = self.queue.record(report)
        if settled is None:
            return
        key, reason = settled
        name = f"{key.run} step {key.step}, {key.task}"
        if reason is None:
            self._describe({key.task})
            self.trackers.send([key])
            scored.append(key)
            advance(name)
        else:
            failed.append((key, reason))
            advance(f"{name}: failed: {reason}")
        self.presence.says(f"scoring: {len(scored)} done, {self.queue.waiting} waiting")

    def _unscored(self, planned: Sequence[PairKey], settled: set[PairKey]) -> tuple[PairKey, ...]:
        """Name pairs that have no score though they did not fail, without those that another coordinator holds."""
        left = [key for key in planned if key not in settled]
        left = [key for key in left if not self.store.has(key.run, key.step, key.task, key.identity)]
        states = self.ledger.unfinished() if left else {}
        return tuple(key for key in left if key.identity not in states or not states[key.identity].leased)

    def _enter(self, plan: Plan) -> list[tuple[PairKey, str]]:
        """Write down what a plan learnt beside the work it found; the pairs that failed by that, with the reason."""
        self.ledger.found(plan.done)
        planned = [pair.key for unit in plan.units for pair in unit.pairs]
        self.ledger.vanished(key for key in planned if not self.store.has(key.run, key.step, key.task, key.identity))
        self._tasks = plan.tasks
        self._described = set()
        # A new task is described before its first score, as no earlier ones count: so `status` can place every score,
        # also on a full disk.
        self._describe({key.task for key in plan.done} | self._undescribed())
        # What was scored before a tracker was configured, or while it was away.
        self.trackers.send(plan.done)
        with self.ledger.alone():
            self.store.write_runs(plan.runs)
        for key, reason in plan.unloadable:
            self.ledger.failed(key, reason, backoff_seconds=self.project.backoff)
        return list(plan.unloadable)

    def _undescribed(self) -> set[str]:
        """Name the plan's tasks of which the store says nothing."""
        known = self.store.read_tasks()
        there = set() if known is None else set(zip(known["task"], known["num_fewshot"], strict=True))
        return {
            str(row["task"]) for row in self._tasks.to_dict("records") if (row["task"], row["num_fewshot"]) not in there
        }

    def _describe(self, names: set[str]) -> None:
        """Say in the store how tasks are scored now, once they have a score: till then the earlier scores count."""
        new = names - self._described
        if not new or self._tasks.empty:
            return
        self._described |= new
        rows = self._tasks[self._tasks["task"].isin(new)]
        known = self.store.read_tasks()
        if self.trial and known is not None:
            there = set(zip(known["task"], known["num_fewshot"], strict=True))
            rows = rows[[place not in there for place in zip(rows["task"], rows["num_fewshot"], strict=True)]]
        if not rows.empty:
            with self.ledger.alone():
                self.store.write_tasks(rows)

    def _copy_twins(self, twins: Sequence[Twin]) -> list[PairKey]:
        """Give pairs of equal identity the one score that was computed for them."""
        copied = []
        for twin in twins:
            source = (twin.source.run, twin.source.step, twin.source.task, twin.source.identity)
            if self.store.has(*source):
                columns = describe(twin.checkpoint, twin.key.task, 0)
                del columns["num_fewshot"]
                self.store.copy(source, columns, twin.key.identity)
                copied.append(twin.key)
        return copied


@contextmanager
def _no_progress(title: str, total: int) -> Iterator[Callable[[str], None]]:
    yield lambda line: None

"""Workers on a cluster: jobs that are submitted, and listened to through their boxes in the store until they end."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from predictor.errors import EvaluationError
from predictor.evaluation.executors.job_box import JobBox
from predictor.evaluation.plan import Unit
from predictor.evaluation.work_queue import WorkQueue
from predictor.evaluation.worker import LOST, STARTED, Events, Gone, Report, Workshop
from predictor.results.ledger import PairKey

_PAUSE = 5.0
"""Seconds between two attempts to submit jobs that the cluster did not take."""
_PATIENCE = 600.0
"""Seconds for which a cluster that does not answer is waited for: about what a restart of its controller takes."""
_SILENCE = 300.0
"""Seconds before the same trouble is said again."""
LAST_WORD = 30.0
"""Seconds within which a file that a worker wrote on its node is seen by the coordinator."""
SILENT_END = "the worker ended without a word; does its node see the store under the same path?"


class BusyError(EvaluationError):
    """A cluster does not answer, and may well do so later."""


class Cluster(ABC):
    """Runs jobs somewhere: `run_job` with the job's name, in a process of its own."""

    poll_seconds: float
    array = 0
    """How many jobs may be submitted at once where none is there, to wait in the cluster's own queue."""

    @abstractmethod
    def slots(self) -> int:
        """How many jobs may run at the same time."""

    @abstractmethod
    def submit(self, packs: Sequence[Sequence[Unit]]) -> list[Any]:
        """Submit a job for each pack of units, which share their size and the name `unit.job`; a handle for each.

        Raises:
            BusyError: the cluster does not answer now; none was submitted.
            EvaluationError: the cluster refuses them; none was submitted.
        """

    @abstractmethod
    def gone(self, handle: Any) -> Gone | None:
        """Why a job is no longer there, or None while it waits or runs, or has ended well."""

    @abstractmethod
    def cancel(self, handles: Sequence[Any]) -> None:
        """End jobs, waiting ones too."""

    def delays(self) -> list[str]:
        """Name the reasons for which jobs wait, where they may not pass by themselves."""
        return []

    def name_of(self, handle: Any) -> str:
        """How the cluster calls a job, for another coordinator; empty if that could not ask for it anyway."""
        return ""

    def find(self, name: str) -> Any:
        """The handle of a job that an earlier coordinator submitted, or None if it cannot be asked for."""
        return None


@dataclass
class _Job:
    box: JobBox
    handle: Any
    open: list[PairKey]
    in_hand: PairKey | None = None
    beat: str = ""
    heard_at: float = field(default_factory=time.monotonic)


@dataclass
class Jobs:
    """Workers as jobs of a cluster.

    Attributes:
        workshop: what a worker needs.
        cluster: where they run.
        owner: the coordinator's name.
        lease_seconds: a worker that has begun and is not heard of for so long is given up.
    """

    workshop: Workshop
    cluster: Cluster
    owner: str
    lease_seconds: float
    largest = 8
    _jobs: dict[str, _Job] = field(default_factory=dict)
    _busy_since: float | None = None
    _submits_at: float = 0.0
    _said: dict[str, float] = field(default_factory=dict)

    def adopt(self, work: WorkQueue) -> list[str]:
        """Take over the jobs that an earlier coordinator left, if nobody else holds them."""
        alive = list(self._jobs)
        for box in JobBox.all(self.workshop.store):
            if box.job in self._jobs:
                continue
            units, leases = box.units(), work.ledger.leases
            pairs = leases.adopt(box.job, self.owner, self.lease_seconds, exclusive=not work.ledger.shared)
            if units and pairs:
                self._jobs[box.job] = _Job(box, self.cluster.find(box.handle()), pairs)
                for unit in units:
                    work.hold(unit, only={pair.identity for pair in pairs})
            elif not units or not leases.holds(box.job):
                box.remove()
                continue
            alive.append(box.job)
        return alive

    def run(self, work: WorkQueue) -> Events:
        """Keep as many jobs as may be there at once, until there is no work and none is left."""
        try:
            while True:
                yield from self._submit(work)
                if not self._jobs and not work.waiting:
                    return
                for job in list(self._jobs.values()):
                    yield from self._listen(job)
                for line in self.cluster.delays():
                    yield from self._once(line)
                yield None
                time.sleep(self.cluster.poll_seconds)
        except BaseException:
            self._end_all()
            raise

    def _submit(self, work: WorkQueue) -> Iterator[str]:
        if time.monotonic() < self._submits_at:
            return
        packs = work.packs(self.cluster.slots(), len(self._jobs), self.cluster.array)
        if not packs:
            return
        boxes = [JobBox(self.workshop.store, pack[0].job) for pack in packs]
        for box, pack in zip(boxes, packs, strict=True):
            box.put(pack, self.lease_seconds)
        try:
            handles = self.cluster.submit(packs)
        except EvaluationError as error:
            for box, pack in zip(reversed(boxes), reversed(packs), strict=True):
                box.remove()
                work.give_back(pack)
            yield self._put_off(error)
            return
        self._busy_since = None
        for box, pack, handle in zip(boxes, packs, handles, strict=True):
            box.put_handle(self.cluster.name_of(handle))
            self._jobs[box.job] = _Job(box, handle, [pair.key for unit in pack for pair in unit.pairs])

    def _put_off(self, error: EvaluationError) -> str:
        """Submit again later, if that may help: jobs that run are not to end because another one was not taken.

        Raises:
            EvaluationError: there is nothing left to wait for.
        """
        now = time.monotonic()
        if isinstance(error, BusyError):
            self._busy_since = self._busy_since or now
        may_pass = isinstance(error, BusyError) and now - (self._busy_since or now) < _PATIENCE
        if not may_pass and not self._jobs:
            raise error
        self._submits_at = now + _PAUSE
        return f"{error.message}; tried again in {_PAUSE:.0f} s"

    def _listen(self, job: _Job) -> Iterator[Report | str]:
        # Asked before the reports are read: what a job says in its last moment is heard before it is closed.
        gone = self.cluster.gone(job.handle) if job.handle is not None else None
        ended = job.box.ended
        yield from self._hear(job)
        if ended or not job.open:
            gone = Gone(LOST, "its worker ended without a word on it")
        elif gone is None and self._is_silent(job):
            gone = Gone(LOST, f"its worker was not heard of for {self.lease_seconds:.0f} s")
            job.box.revoke()
            if job.handle is not None:
                self.cluster.cancel([job.handle])
        if gone is not None:
            yield from self._close(job, gone)

    def _hear(self, job: _Job) -> Iterator[Report]:
        for report in job.box.new_reports():
            if report.key not in job.open:
                continue
            if report.event == STARTED:
                job.in_hand = report.key
            else:
                job.open.remove(report.key)
                job.in_hand = None
            yield report

    def _is_silent(self, job: _Job) -> bool:
        beat = job.box.beat()
        if beat != job.beat or (job.handle is not None and not beat):
            # A job that waits for its turn has no beat; that it waits is known from the cluster.
            job.beat, job.heard_at = beat, time.monotonic()
        return time.monotonic() - job.heard_at > self.lease_seconds

    def _once(self, line: str) -> Iterator[str]:
        """Say what stands in the way; the same again only after some minutes."""
        now = time.monotonic()
        if now - self._said.get(line, -_SILENCE) >= _SILENCE:
            self._said[line] = now
            yield line

    def _close(self, job: _Job, gone: Gone) -> Iterator[Report | str]:
        """Report what becomes of the pairs that a job left open, and forget it."""
        if job.open:
            name = self.cluster.name_of(job.handle) if job.handle is not None else ""
            yield from self._once(f"job {name or job.box.job}: {gone.reason}")
        yield from gone.reports(job.open, job.in_hand)
        job.box.remove()
        del self._jobs[job.box.job]

    def _end_all(self) -> None:
        """The coordinator ends in order: so do its jobs."""
        for job in self._jobs.values():
            job.box.revoke()
        self.cluster.cancel([job.handle for job in self._jobs.values() if job.handle is not None])
        for job in self._jobs.values():
            job.box.remove()
        self._jobs.clear()

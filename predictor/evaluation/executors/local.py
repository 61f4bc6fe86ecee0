"""Workers on this machine: one in this process, or several in processes of their own, each with its GPUs."""

from __future__ import annotations

import contextlib
import fcntl
import math
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, BinaryIO

from predictor.errors import StoreError
from predictor.evaluation.harness import Harness
from predictor.evaluation.plan import Unit
from predictor.evaluation.work_queue import WorkQueue
from predictor.evaluation.worker import FAILED, LOST, STARTED, Events, Gone, Report, Workshop, score_unit
from predictor.results.files import open_lock
from predictor.results.ledger import PairKey
from predictor.results.store import Store

WORKERS_LOCK = "workers.lock"
_TICK = 0.5
_PATIENCE = 10.0
"""Seconds within which the workers of a coordinator that was killed end by themselves; they look every 0.2 s."""


def count_gpus() -> tuple[str, ...]:
    """Name the GPUs that CUDA would show, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name for name in visible.split(",") if name and name != "-1")
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return tuple(map(str, range(count)))


@dataclass(frozen=True)
class InProcess:
    """One worker, in this process; tasks that were loaded for the plan are not loaded again."""

    workshop: Workshop
    harness: Callable[[], Harness]
    largest = 1

    def adopt(self, work: WorkQueue) -> list[str]:
        """No worker of this kind outlives its coordinator."""
        return []

    def run(self, work: WorkQueue) -> Events:
        """Score one unit after the other."""
        store = Store(self.workshop.store)
        harness: Harness | None = None
        try:
            while (unit := work.take()) is not None:
                harness = harness or self.harness()
                yield from score_unit(unit, harness, store, cache=self.workshop.cache, ahead=work.ahead())
        finally:
            # What was interrupted, or scored by another coordinator meanwhile: the process need not end only when it is
            # read, nor keep it.
            if harness is not None:
                harness.drop_ahead()


@dataclass
class _Worker:
    process: Any
    channel: Connection
    gpus: tuple[str, ...]
    number: int
    beat: Any
    began: bool = False
    left: list[PairKey] = field(default_factory=list)
    in_hand: PairKey | None = None
    last_beat: float = 0.0
    frozen: bool = False
    heard_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Processes:
    """Several workers, each a process that is given one unit after the other.

    A worker that dies (killed, out of memory) fails the pair that it had in hand; what was left of its unit waits for
    another one. A unit that needs more GPUs than its worker has waits until they are free, and gets them.

    Attributes:
        workshop: what a worker needs.
        workers: the most processes at a time.
        gpus: names of the GPUs to divide among them; without any, workers use the processor.
        lease_seconds: a worker whose heart has not beaten for so long is killed.
    """

    workshop: Workshop
    workers: int
    gpus: tuple[str, ...] = ()
    lease_seconds: float = 120.0

    @property
    def largest(self) -> int:
        """All GPUs together."""
        return max(1, len(self.gpus))

    def adopt(self, work: WorkQueue) -> list[str]:
        """No worker of this kind outlives its coordinator."""
        return []

    def run(self, work: WorkQueue) -> Events:
        """Score the units, several at a time."""
        team: dict[Connection, _Worker] = {}
        free = list(self.gpus)
        next_unit: Unit | None = None
        ticked_at = time.monotonic()
        try:
            while True:
                while len(team) < self.workers:
                    next_unit = next_unit or work.take(self.workers - len(team))
                    if next_unit is None or (self._needs(next_unit) > len(free) and team):
                        break
                    worker = self._hire([free.pop(0) for _ in range(min(self._needs(next_unit), len(free)))])
                    team[worker.channel] = worker
                    yield from self._give(worker, next_unit, work, self.workers - len(team))
                    next_unit = None
                if not team:
                    return
                for channel in wait(list(team), timeout=_TICK):
                    assert isinstance(channel, Connection)
                    worker = team[channel]
                    stays = yield from self._hear(worker, work, next_unit)
                    if not stays:
                        del team[channel]
                        work.dismiss(worker.number)
                        worker.process.join()
                        free += worker.gpus
                yield from self._end_frozen(list(team.values()), time.monotonic() - ticked_at)
                ticked_at = time.monotonic()
                yield None
        finally:
            for worker in team.values():
                worker.process.terminate()
            for worker in team.values():
                worker.process.join(timeout=10)
                # One that is stopped does not hear SIGTERM.
                worker.process.kill()
                worker.process.join()

    def _end_frozen(self, workers: Sequence[_Worker], since_tick: float) -> Iterator[str]:
        """Kill workers that do nothing any more, as stopped ones or those that hang in a driver."""
        now = time.monotonic()
        for worker in workers:
            if worker.beat.value != worker.last_beat or since_tick > self.lease_seconds / 4:
                # After a time in which this process was stopped itself, all begin anew.
                worker.last_beat, worker.heard_at = worker.beat.value, now
            elif now - worker.heard_at > self.lease_seconds and not worker.frozen:
                worker.frozen = True
                yield f"worker {worker.number} was not heard of for {self.lease_seconds:.0f} s: it is killed"
                worker.process.kill()

    def _needs(self, unit: Unit) -> int:
        # More processes than GPUs share them only where a worker of one GPU is asked for.
        return min(unit.checkpoint.gpus * unit.size, len(self.gpus)) if self.gpus else 0

    def _hire(self, gpus: Sequence[str]) -> _Worker:
        # spawn: a forked torch can hang, and forked workers would share the ledger's connection.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        beat = context.RawValue("d", 0.0)
        arguments = (theirs, self.workshop, threads, tuple(gpus), beat)
        process = context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, tuple(gpus), process.pid or 0, beat)

    def _give(
        self, worker: _Worker, unit: Unit | None, work: WorkQueue, idle: int = 0
    ) -> Generator[Report, None, bool]:
        """Send a worker its next unit, or None, upon which it ends; whether it stays."""
        worker.left = [pair.key for pair in unit.pairs] if unit is not None else []
        worker.in_hand, worker.began = None, False
        try:
            worker.channel.send((unit, work.ahead(worker.number, idle)) if unit is not None else None)
        except OSError:
            yield from Gone(LOST, "the worker had gone").reports(worker.left, None)
            worker.left = []
            return False
        return unit is not None

    def _hear(self, worker: _Worker, work: WorkQueue, waiting: Unit | None) -> Generator[Report, None, bool]:
        """Take one message of a worker; whether it stays.

        Raises:
            StoreError: the worker could not write to the store.
        """
        try:
            message = worker.channel.recv()
        except (EOFError, OSError):
            worker.process.join()
            yield from self._end_of(worker).reports(worker.left, worker.in_hand)
            return False
        if message is None:
            # While a unit waits for more GPUs, workers that are done make room for it.
            unit = work.take(worker=worker.number) if waiting is None else None
            if unit is not None and self._needs(unit) != len(worker.gpus):
                work.give_back([unit])
                unit = None
            return (yield from self._give(worker, unit, work))
        if isinstance(message, StoreError):
            raise message
        worker.in_hand, worker.began = (message.key if message.event == STARTED else None), True
        if message.event != STARTED:
            worker.left.remove(message.key)
        yield message
        return True

    def _end_of(self, worker: _Worker) -> Gone:
        """Return why a worker that ended has gone."""
        code = worker.process.exitcode
        cause = f"was killed by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
        if worker.frozen:
            # Through no fault of its pair, as far as is known: it counts as lost, and such losses are counted.
            return Gone(LOST, f"worker {worker.number} was not heard of for {self.lease_seconds:.0f} s")
        if worker.in_hand is not None:
            return Gone(FAILED, f"the worker {cause}; is memory short?", self.workshop.log_tail())
        if not worker.began:
            # Most likely while it was imported.
            return Gone(FAILED, f"the worker {cause} before it began", self.workshop.log_tail())
        return Gone(LOST, f"the worker {cause}")


def _work(channel: Connection, workshop: Workshop, threads: int, gpus: tuple[str, ...], beat: Any) -> None:
    """Score units until there are none: the body of a worker process."""
    _live_with_the_parent(beat)
    workshop.take_process()
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    with shared_lock(workshop.work_folder / WORKERS_LOCK):
        harness = workshop.harness()
        import torch

        torch.set_num_threads(threads)
        store = Store(workshop.store)
        while True:
            given = channel.recv()
            if given is None:
                # What was promised went to another worker: this process need not end only when it is read.
                harness.drop_ahead()
                return
            unit, ahead = given
            try:
                for report in score_unit(unit, harness, store, cache=workshop.cache, ahead=ahead):
                    channel.send(report)
            except StoreError as error:
                channel.send(error)
                return
            channel.send(None)


def _live_with_the_parent(beat: Any) -> None:
    """Show the coordinator that this process lives, and end it when that one is gone, even if it was killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            beat.value = time.monotonic()
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold a file's lock together with other workers; `wait_for_workers` waits until none holds it."""
    with open_lock(path) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def wait_for_workers(folder: Path, say: Callable[[str], None], patience: float = _PATIENCE) -> None:
    """Wait until the workers of a coordinator that was killed have gone, so that no pair is scored by two.

    Args:
        folder: the folder of their lock.
        say: takes a line on whom is waited for.
        patience: seconds after which those that have not ended, as they are stopped, are killed.

    Raises:
        StoreError: they cannot be killed.
    """
    began, killed_at = time.monotonic(), math.inf
    with open_lock(folder / WORKERS_LOCK) as file:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            waited, holders = time.monotonic() - began, _holders_of(file)
            named = f"worker {', '.join(map(str, holders))}" if holders else "a worker on another machine"
            if waited > patience and killed_at == math.inf:
                say(f"{named} of an earlier coordinator did not end within {patience:.0f} s: it is killed")
                for pid in holders:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                killed_at = time.monotonic()
            if time.monotonic() - killed_at > patience:
                raise StoreError(f"{named} of an earlier coordinator holds {folder / WORKERS_LOCK}", "end it by hand")
            time.sleep(0.1)


def _holders_of(file: BinaryIO) -> list[int]:
    """Name the processes of this machine that hold a file's lock, as Linux lists them."""
    stat = os.fstat(file.fileno())
    place = f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}:{stat.st_ino}"
    holders = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            # As `1: FLOCK  ADVISORY  READ 812 fe:01:3145731 0 EOF`; those that wait have `->` behind the number.
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place and int(fields[4]) != os.getpid():
                holders.append(int(fields[4]))
    return sorted(set(holders) - {0})

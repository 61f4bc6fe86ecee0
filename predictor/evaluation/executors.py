"""Where workers run. An executor takes units and hands back what the workers report of them.

`local` runs them on this machine: one in this process, or several in processes of their own.
"""

from __future__ import annotations

import collections
import fcntl
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from predictor.evaluation.harness import Harness
from predictor.evaluation.plan import Pair, Unit
from predictor.evaluation.worker import FAILED, FINISHED, STARTED, Report, Workshop, score_unit
from predictor.project import LocalExecutor
from predictor.results.store import Store

WORKERS_LOCK = "workers.lock"


class Executor(Protocol):
    """Runs units somewhere."""

    def run(self, units: Sequence[Unit], tell: Callable[[Report], None]) -> None:
        """Score all units; every report of a worker goes to `tell`, in this process."""


def make_executor(settings: LocalExecutor, workshop: Workshop, harness: Callable[[], Harness]) -> Executor:
    """Build the executor that checkpoints.yaml asks for.

    Args:
        settings: the executor's part of checkpoints.yaml.
        workshop: what its workers need.
        harness: lm-eval in this process, for workers that run in it.
    """
    if settings.workers == 1:
        return InProcess(workshop, harness)
    return Processes(workshop, settings.workers)


@dataclass(frozen=True)
class InProcess:
    """One worker, in this process; tasks that were loaded for the plan are not loaded again."""

    workshop: Workshop
    harness: Callable[[], Harness]

    def run(self, units: Sequence[Unit], tell: Callable[[Report], None]) -> None:
        """Score the units one after the other."""
        store = Store(self.workshop.store)
        for unit in units:
            score_unit(unit, self.harness(), store, tell)


@dataclass
class _Worker:
    process: Any
    channel: Connection
    unit: Unit | None = None
    settled: int = 0
    in_hand: Pair | None = None


@dataclass(frozen=True)
class Processes:
    """Several workers, each a process that is given one unit after the other.

    A worker that dies (killed, out of memory) fails the pair that it had in hand; what was left of its unit goes to
    another one.
    """

    workshop: Workshop
    workers: int

    def run(self, units: Sequence[Unit], tell: Callable[[Report], None]) -> None:
        """Score the units, several at a time."""
        queue = collections.deque(units)
        team: dict[Connection, _Worker] = {}
        try:
            while queue or team:
                while queue and len(team) < self.workers:
                    worker = self._hire()
                    team[worker.channel] = worker
                    self._give(worker, queue)
                for channel in wait(list(team)):
                    assert isinstance(channel, Connection)
                    worker = team[channel]
                    if self._hear(worker, queue, tell):
                        continue
                    del team[channel]
                    worker.process.join()
        finally:
            for worker in team.values():
                worker.process.terminate()
                worker.process.join()

    def _hire(self) -> _Worker:
        # spawn: a forked torch can hang, and forked workers would share the ledger's connection.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        process = context.Process(target=_work, args=(theirs, self.workshop, threads), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _give(self, worker: _Worker, queue: collections.deque[Unit]) -> bool:
        worker.unit = queue.popleft() if queue else None
        worker.settled, worker.in_hand = 0, None
        try:
            worker.channel.send(worker.unit)
        except (BrokenPipeError, OSError):
            if worker.unit is not None:
                queue.appendleft(worker.unit)
            return False
        return worker.unit is not None

    def _hear(self, worker: _Worker, queue: collections.deque[Unit], tell: Callable[[Report], None]) -> bool:
        """Take one message of a worker; False if the worker has gone."""
        try:
            message = worker.channel.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._mourn(worker, queue, tell)
            return False
        if message is None:
            return self._give(worker, queue)
        tell(message)
        assert worker.unit is not None
        if message.event == STARTED:
            worker.in_hand = next(pair for pair in worker.unit.pairs if pair.key == message.key)
        else:
            worker.settled, worker.in_hand = worker.settled + 1, None
        return True

    def _mourn(self, worker: _Worker, queue: collections.deque[Unit], tell: Callable[[Report], None]) -> None:
        if worker.unit is None:
            return
        code = worker.process.exitcode
        cause = f"was killed by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
        rest = worker.unit.pairs[worker.settled :]
        if worker.in_hand is not None:
            store = Store(self.workshop.store)
            key = worker.in_hand.key
            if store.has(key.run, key.step, key.task, key.identity):
                tell(Report(FINISHED, key))
            else:
                tell(Report(FAILED, key, f"the worker {cause}; is memory short?"))
            rest = rest[1:]
        elif worker.settled == 0 and rest:
            # It died before its first pair, most likely while it was imported: fail one pair, so that this ends.
            tell(Report(FAILED, rest[0].key, f"the worker {cause} before it began"))
            rest = rest[1:]
        if rest:
            queue.appendleft(replace(worker.unit, pairs=rest))


def _work(channel: Connection, workshop: Workshop, threads: int) -> None:
    """The body of a worker process: score units until there are none."""
    _die_with_the_parent()
    with shared_lock(workshop.store / WORKERS_LOCK):
        harness = workshop.harness()
        import torch

        torch.set_num_threads(threads)
        store = Store(workshop.store)
        while True:
            unit = channel.recv()
            if unit is None:
                return
            score_unit(unit, harness, store, channel.send)
            channel.send(None)


def _die_with_the_parent() -> None:
    """End this process when the coordinator is gone, even if it was killed without a chance to say so."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold a file's lock together with other workers; `wait_for_workers` waits until none holds it."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def wait_for_workers(folder: Path) -> None:
    """Wait until the workers of a coordinator that was killed have gone, so that no pair is scored by two."""
    with (folder / WORKERS_LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

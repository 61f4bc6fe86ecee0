"""The pieces of work that wait, leased from the ledger as they are handed out, and what became of them."""

from __future__ import annotations

import collections
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from predictor.evaluation.costs import Costs
from predictor.evaluation.plan import Pair, Unit
from predictor.evaluation.worker import FINISHED, LOST, STARTED, TOO_LARGE, Report
from predictor.project import Project
from predictor.results.ledger import Ledger, PairKey
from predictor.results.store import Store

_MOST_LOSSES = 20
"""A pair whose worker was lost so often is failed: something about it ends its workers."""


class WorkQueue:
    """What waits for a worker and what is in hand.

    Args:
        project: says how long leases and pieces are, and which runs want their newest checkpoint first.
        ledger: where pairs are leased and their ends recorded.
        store: where the scores are.
        owner: the coordinator's name.
        costs: what pairs take.
        largest: the most that a worker can grow, in multiples of a normal one.
    """

    def __init__(
        self, project: Project, ledger: Ledger, store: Store, owner: str, costs: Costs, largest: int = 1
    ) -> None:
        self.ledger, self.store, self.owner, self.costs, self.largest = ledger, store, owner, costs, largest
        self.piece_seconds = project.executor.piece
        self._project = project
        self._waiting: collections.deque[Unit] = collections.deque()
        self._in_hand: dict[str, tuple[Pair, Unit]] = {}
        self._losses: collections.Counter[str] = collections.Counter()
        self._promised: dict[int, str] = {}

    @property
    def waiting(self) -> int:
        """Number of pairs that wait."""
        return sum(len(unit.pairs) for unit in self._waiting)

    @property
    def in_hand(self) -> int:
        """Number of pairs that workers have."""
        return len(self._in_hand)

    def add(self, units: Iterable[Unit]) -> int:
        """Add work, without what waits or is in hand already.

        Returns:
            the number of pairs that are new.
        """
        known = {pair.key.identity for unit in self._waiting for pair in unit.pairs} | set(self._in_hand)
        count = 0
        for unit in units:
            new = tuple(pair for pair in unit.pairs if pair.key.identity not in known)
            known |= {pair.key.identity for pair in new}
            if new:
                self._waiting.extend(self.costs.split(replace(unit, pairs=new), self.piece_seconds))
                count += len(new)
        if count:
            # A checkpoint that appeared just now may be wanted before those that have waited for long.
            self._waiting = collections.deque(sorted(self._waiting, key=self._urgency))
        return count

    def _urgency(self, unit: Unit) -> tuple[bool, int]:
        newest = self._newest_first(unit)
        return (not newest, -unit.checkpoint.tokens if newest else 0)

    def _newest_first(self, unit: Unit) -> bool:
        """Whether the newest checkpoint of the unit's run is wanted before all others."""
        return self._project.selection_of(unit.checkpoint.run).newest_first

    def hold(self, unit: Unit, only: Collection[str] | None = None) -> None:
        """Take work as in hand; of a job that an earlier coordinator began, only the pairs of these identities."""
        pairs = [pair for pair in unit.pairs if only is None or pair.key.identity in only]
        self._in_hand |= {pair.key.identity: (pair, unit) for pair in pairs}

    # -- for executors ------------------------------------------------------------------------------------------------

    def take(self, idle: int = 1, worker: int = 0, job: str = "") -> Unit | None:
        """Hand out the next piece, leased; of the last pieces only a part, where more workers than pieces wait.

        Args:
            idle: workers that wait for a piece.
            worker: the worker that is given it; what is promised to others is left to them where something else waits.
            job: the name under which it is leased; a new one where empty.
        """
        while self._waiting:
            place = self._first_for(worker) or 0
            unit = self._waiting[place]
            del self._waiting[place]
            halves = self.costs.halve(unit) if idle > len(self._waiting) + 1 else None
            if halves is not None:
                unit, rest = halves
                self._waiting.insert(place, rest)
            # Another coordinator may have scored it since it was planned.
            keys = [pair.key for pair in unit.pairs if not self._is_done(pair.key)]
            name = job or uuid.uuid4().hex[:12]
            leased = self.ledger.leases.claim(keys, self.owner, name, self._project.lease)
            pairs = tuple(pair for pair in unit.pairs if pair.key.identity in leased)
            if pairs:
                unit = replace(unit, pairs=pairs, job=name)
                self.hold(unit)
                self._promised.pop(worker, None)
                return unit
        return None

    def packs(self, slots: int, running: int, array: int) -> list[tuple[Unit, ...]]:
        """Hand out packs of pieces, each for one job: small pieces of several checkpoints share its start.

        Args:
            slots: jobs that may run at the same time.
            running: jobs that are there.
            array: how many may be handed over to wait in the cluster's own queue, where none is there. What may be
                overtaken by a newer checkpoint is not.
        """
        overtaken = any(map(self._newest_first, self._waiting))
        most = slots - running if running or overtaken else max(slots, array)
        # Enough packs for all workers.
        pieces = 1 if overtaken else max(1, len(self._waiting) // max(1, slots))
        packs: list[tuple[Unit, ...]] = []
        while len(packs) < most and (first := self.take(max(0, slots - running - len(packs)))) is not None:
            packs.append(self._fill([first], pieces))
        return packs

    def _fill(self, pack: list[Unit], pieces: int) -> tuple[Unit, ...]:
        """Add pieces to a pack as long as they need a worker of its size and it takes no longer than a piece should."""
        first, seconds = pack[0], self.costs.of_unit(pack[0])
        while self._waiting and len(pack) < pieces:
            unit = self._waiting[0]
            seconds += self.costs.of_unit(unit)
            if seconds > self.piece_seconds or _size(unit) != _size(first):
                break
            added = self.take(job=first.job)
            if added is None or _size(added) != _size(first):
                self.give_back([added] if added is not None else [])
                break
            pack.append(added)
        return tuple(pack)

    def ahead(self, worker: int = 0, idle: int = 0) -> Unit | None:
        """The piece that a worker will most likely be given next, so that it can read its checkpoint beforehand.

        Others are given pieces of that checkpoint only when nothing else waits: no worker stands idle for a promise. Of
        a checkpoint that is wanted before all others nothing is promised: all workers are to score it.

        Args:
            worker: the worker.
            idle: others that are about to be given pieces.
        """
        self._promised.pop(worker, None)
        place = self._first_for(worker) if len(self._waiting) > idle else None
        if place is None:
            return None
        unit = self._waiting[place]
        if not self._newest_first(unit):
            self._promised[worker] = unit.digest
        return unit

    def _first_for(self, worker: int) -> int | None:
        """The first waiting piece that was promised to this worker, or else to no other; None where there is none."""
        own = self._promised.get(worker)
        if own is not None:
            for place, unit in enumerate(self._waiting):
                if unit.digest == own:
                    return place
        others = {digest for other, digest in self._promised.items() if other != worker}
        return next((place for place, unit in enumerate(self._waiting) if unit.digest not in others), None)

    def dismiss(self, worker: int) -> None:
        """Forget what was promised to a worker that has gone."""
        self._promised.pop(worker, None)

    def _is_done(self, key: PairKey) -> bool:
        return self.store.has(key.run, key.step, key.task, key.identity)

    def give_back(self, units: Sequence[Unit]) -> None:
        """Take back pieces that no worker has seen: their pairs wait again, still leased, in front of all others."""
        for unit in reversed(units):
            for pair in unit.pairs:
                del self._in_hand[pair.key.identity]
            self._waiting.appendleft(replace(unit, job=""))

    # -- for the coordinator ------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Give back everything, as all workers have gone: the next plan finds what of it is still missing."""
        self._waiting.clear()
        self._in_hand.clear()
        self._promised.clear()
        self.ledger.leases.give_back(self.owner)

    def record(self, report: Report) -> tuple[PairKey, str | None] | None:
        """Record what a worker says; what it lost waits again, and what is too large for it waits for a larger one.

        Returns:
            where that decides the pair's fate in this session: its key, and why it failed or None; otherwise None.
        """
        key = report.key
        if report.event == STARTED:
            self.ledger.started(key, self.owner)
            return None
        pair, unit = self._in_hand.pop(key.identity, (None, None))
        # A worker may end when the file is in place, before it has said so.
        if report.event == FINISHED or self._is_done(key):
            self.ledger.finished(key, report.seconds)
            if report.seconds is not None:
                self.costs.learn([(key.run, key.task, report.seconds)])
            return key, None
        reason = report.reason
        if report.event == LOST:
            self._losses[key.identity] += 1
            if pair is not None and unit is not None and self._losses[key.identity] < _MOST_LOSSES:
                self.ledger.release([key], reason, self.owner)
                self._wait_again(unit, pair)
                return None
            reason = f"its worker was lost {self._losses[key.identity]} times, the last time: {reason}"
        elif report.event == TOO_LARGE and unit is not None and pair is not None:
            if unit.size < self.largest:
                self.ledger.release([key], f"{reason}; a larger worker is asked for", self.owner)
                self._waiting.append(replace(unit, pairs=(pair,), job="", size=2 * unit.size))
                return None
            if unit.size > 1:
                reason += f", on a worker {unit.size} times as large"
        self.ledger.failed(
            key,
            reason,
            log=report.log,
            final=report.final or report.event == TOO_LARGE,
            backoff_seconds=self._project.backoff,
            owner=self.owner,
        )
        return key, reason

    def _wait_again(self, unit: Unit, pair: Pair) -> None:
        last = self._waiting[-1] if self._waiting else None
        # What one worker lost stays together, so that the model is loaded once for it.
        if last is not None and (last.digest, last.checkpoint, last.size) == (unit.digest, unit.checkpoint, unit.size):
            self._waiting[-1] = replace(last, pairs=(*last.pairs, pair))
        else:
            self._waiting.append(replace(unit, pairs=(pair,), job=""))


def _size(unit: Unit) -> tuple[int, int]:
    """What a unit asks of its worker."""
    return unit.checkpoint.gpus, unit.size

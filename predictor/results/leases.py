"""Who works on which pairs: coordinators that show that they live, and leases that run out where one has gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sql

from predictor.redaction import redact
from predictor.results.database import Database
from predictor.results.files import present_time
from predictor.results.ledger_schema import COORDINATORS, PAIRS
from predictor.results.pair_states import (
    DONE,
    NO_LEASE,
    RUNNING,
    UNTRIED,
    WAITING,
    Change,
    PairKey,
    place_of,
    record,
)

_LONGEST = 86_400.0
# Pairs that one statement names: databases limit how many values it may hold.
_NAMED = 500


class Leases:
    """The leases of one ledger.

    Args:
        database: where they are kept, with the pairs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, pairs: Sequence[PairKey], owner: str, job: str, seconds: float) -> set[str]:
        """Lease pairs to a coordinator's job, those that are not done and that nobody else holds.

        A lease that ran out is not taken from its job here: `adopt` and `lost` say first whether the job lives.

        Args:
            pairs: the pairs.
            owner: the coordinator.
            job: what it does with them; a worker's piece of work.
            seconds: how long the lease lasts unless it is renewed.

        Returns:
            the identities of the pairs that were leased now.
        """
        if not pairs:
            return set()

        def write(connection: sql.Connection) -> set[str]:
            until = self._database.now(connection) + seconds
            lease = {"lease_owner": owner, "lease_job": job, "lease_until": until}
            fresh = {**lease, **UNTRIED, "state": WAITING, "reason": "", "changed_at": present_time()}
            statement = self._database.insert(PAIRS).on_conflict_do_update(
                index_elements=["identity"],
                set_=lease,
                where=(PAIRS.c.state != DONE) & ((PAIRS.c.lease_owner == "") | (PAIRS.c.lease_owner == owner)),
            )
            connection.execute(statement, [{**place_of(pair), **fresh} for pair in pairs])
            held = sql.select(PAIRS.c.identity).where(PAIRS.c.lease_owner == owner, PAIRS.c.lease_job == job)
            return {row.identity for row in connection.execute(held)}

        return self._database.write(write) & {pair.identity for pair in pairs}

    def renew(self, owner: str, seconds: float) -> None:
        """Let all leases of a coordinator last that long from now."""

        def write(connection: sql.Connection) -> None:
            until = self._database.now(connection) + seconds
            connection.execute(sql.update(PAIRS).where(PAIRS.c.lease_owner == owner).values(lease_until=until))

        self._database.write(write)

    def adopt(self, job: str, owner: str, seconds: float, *, exclusive: bool = False) -> list[PairKey]:
        """Take over the pairs of a job whose coordinator has gone; empty while that one's lease lasts.

        Args:
            job: the job.
            owner: who takes it over.
            seconds: how long the lease lasts.
            exclusive: the caller is the only coordinator there can be: it need not wait for the lease to run out.
        """

        def write(connection: sql.Connection) -> list[PairKey]:
            now = self._database.now(connection)
            mine = (PAIRS.c.lease_job == job) & (PAIRS.c.state != DONE)
            free = (PAIRS.c.lease_owner == "") | (PAIRS.c.lease_owner == owner) | _run_out(now)
            taken = sql.update(PAIRS).where(mine, sql.true() if exclusive else free)
            connection.execute(taken.values(lease_owner=owner, lease_until=now + seconds))
            held = sql.select(PAIRS).where(mine, PAIRS.c.lease_owner == owner)
            return [PairKey.of(row) for row in connection.execute(held)]

        return self._database.write(write)

    def holds(self, job: str) -> bool:
        """Tell whether anybody leases pairs for a job."""
        held = sql.select(PAIRS.c.identity).where(PAIRS.c.lease_job == job).limit(1)
        return bool(self._database.select(held))

    def lost(self, jobs_alive: Iterable[str] = (), owner: str = "") -> int:
        """Put pairs back to waiting that a coordinator which has gone left as running or leased.

        In an SQLite ledger that is every lease, as one coordinator holds it; in a shared one those that ran out.

        Args:
            jobs_alive: jobs whose workers outlive a coordinator; their pairs are left alone.
            owner: the coordinator that asks; what it holds is not lost.

        Returns:
            the number of those that were running.
        """
        alive = tuple(jobs_alive)

        def write(connection: sql.Connection) -> int:
            gone = _run_out(self._database.now(connection)) if self._database.shared else sql.true()
            held = ((PAIRS.c.lease_owner != "") & (PAIRS.c.lease_owner != owner)) | (
                (PAIRS.c.lease_owner == "") & (PAIRS.c.state == RUNNING)
            )
            return self._end(connection, held & PAIRS.c.lease_job.not_in(alive) & gone & (PAIRS.c.state != DONE))

        return self._database.write(write)

    def give_back(self, owner: str) -> None:
        """Give back everything that a coordinator holds, as it ends."""
        self._database.write(lambda connection: self._end(connection, PAIRS.c.lease_owner == owner))

    def _end(self, connection: sql.Connection, chosen: sql.ColumnElement[bool]) -> int:
        """End leases; pairs that ran wait again. The number of those that ran."""
        # Locked until the end: of two that find the same lease run out, the slower must not end the other's new one.
        rows = list(connection.execute(sql.select(PAIRS).where(chosen).order_by(PAIRS.c.identity).with_for_update()))
        running = [row for row in rows if row.state == RUNNING]
        for row in running:
            record(self._database, connection, PairKey.of(row), Change("lost", WAITING))
        others = [row.identity for row in rows if row.state != RUNNING]
        for first in range(0, len(others), _NAMED):
            there = PAIRS.c.identity.in_(others[first : first + _NAMED])
            connection.execute(sql.update(PAIRS).where(there).values(**NO_LEASE))
        return len(running)


@dataclass(frozen=True)
class Coordinator:
    """A process that evaluates, as the ledger knows it.

    Attributes:
        owner: its name for leases.
        host: its machine.
        pid: its process there.
        started_at: when it began, seconds since the epoch.
        beat_at: when it was last heard of.
        activity: what it does now.
        age: seconds since it was last heard of, by the database's clock.
    """

    owner: str
    host: str
    pid: int
    started_at: float
    beat_at: float
    activity: str
    age: float


class Coordinators:
    """The coordinators of one ledger.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, owner: str, host: str, pid: int, activity: str) -> None:
        """Say that a coordinator lives, and what it does."""

        def write(connection: sql.Connection) -> None:
            now = self._database.now(connection)
            values = {"beat_at": now, "activity": redact(activity)}
            row = {"owner": owner, "host": host, "pid": pid, "started_at": now, **values}
            statement = self._database.insert(COORDINATORS).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=["owner"], set_=values))

        self._database.write(write)

    def leave(self, owner: str) -> None:
        """Forget a coordinator that has ended."""
        statement = COORDINATORS.delete().where(COORDINATORS.c.owner == owner)
        self._database.write(lambda connection: connection.execute(statement))

    def listed(self) -> list[Coordinator]:
        """Read the coordinators that did not say that they ended, the one last heard of first."""

        def read(connection: sql.Connection) -> list[Coordinator]:
            now = self._database.now(connection)
            rows = connection.execute(sql.select(COORDINATORS).order_by(COORDINATORS.c.beat_at.desc()))
            return [Coordinator(**row._mapping, age=max(0.0, now - row.beat_at)) for row in rows]

        return self._database.read(read)


def is_leased(owner: str, until: float, now: float) -> bool:
    """Tell whether a lease that was read holds at a time; both in seconds since the epoch."""
    return bool(owner) and now < until < now + _LONGEST


def _run_out(now: float) -> sql.ColumnElement[bool]:
    # A lease that ends further ahead than any lasts was made before the clock was set back.
    return (PAIRS.c.lease_until <= now) | (PAIRS.c.lease_until > now + _LONGEST)

"""The ledger: what was tried, when, by whom, and how it ended. Coordinators write it; the score files are the truth.

It is an SQLite file for one coordinator, or a PostgreSQL database, named by its URL, for several. A ledger that is lost
loses the history of attempts and nothing else: what is done is learnt from the files again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sql

from predictor.errors import StoreError
from predictor.redaction import redact
from predictor.results.database import Database
from predictor.results.files import present_time
from predictor.results.leases import Coordinator, Coordinators, Leases, is_leased
from predictor.results.ledger_schema import DIGESTS, EVENTS, PAIRS, SENT
from predictor.results.pair_states import (
    DONE,
    FAILED,
    NO_LEASE,
    RUNNING,
    UNTRIED,
    WAITING,
    Change,
    PairKey,
    PairState,
    place_of,
    record,
)

__all__ = ["DONE", "FAILED", "RUNNING", "WAITING", "Coordinator", "Ledger", "PairKey", "PairState"]

_MOST_LOG = 4000
# What a copy of a ledger holds: all but the coordinators that were at work.
_KEPT = (PAIRS, EVENTS, DIGESTS, SENT)
# What `PairState` is made of, and which pair it is of.
_STATE = tuple(column for column in PAIRS.c if column.name not in ("seconds", "changed_at"))


class Ledger:
    """The ledger of one store.

    Args:
        where: an SQLite file, or the URL of a database such as `postgresql://user@host/name`.
        read_only: only look; nothing is written to a ledger that has the present tables.

    Attributes:
        leases: who works on which pairs.
        coordinators: the processes that evaluate now.
        name: the file, or the URL without its password.
        shared: whether several coordinators may use it at once.

    Raises:
        StoreError: it cannot be opened, is damaged, or cannot be written.
    """

    def __init__(self, where: str | Path, *, read_only: bool = False) -> None:
        self._database = Database(where, read_only=read_only)
        self.name, self.shared = self._database.name, self._database.shared
        self.leases, self.coordinators = Leases(self._database), Coordinators(self._database)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other coordinators that do the same waiting, where several share the ledger."""
        with self._database.alone():
            yield

    def now(self) -> float:
        """Seconds since the epoch, by the clock that leases and back-off go by."""
        return self._database.read(self._database.now)

    # -- what happens to a pair ---------------------------------------------------------------------------------------

    def started(self, pair: PairKey, owner: str | None = None) -> None:
        """Record that a worker of a coordinator takes the pair in hand; `owner` as in `failed`."""
        self._record([pair], Change("started", RUNNING, keep_lease=True), owner)

    def finished(self, pair: PairKey, seconds: float | None = None) -> None:
        """Record that the pair's scores file is in place, and how long it took."""
        self._record([pair], Change("finished", DONE, seconds=seconds))

    def failed(
        self,
        pair: PairKey,
        reason: str,
        *,
        log: str = "",
        final: bool = False,
        backoff_seconds: float = 0.0,
        owner: str | None = None,
    ) -> None:
        """Record that the pair could not be scored, and why; it counts as an attempt.

        Args:
            pair: the pair.
            reason: one line.
            log: the tail of the log, kept for `predictor status`.
            final: trying again would end the same: give it up now.
            backoff_seconds: how long to wait before the second attempt; doubled for each further one.
            owner: the coordinator that says so: nothing changes where another one has taken the pair over meanwhile.
        """
        change = Change(
            "failed",
            FAILED,
            reason=redact(" ".join(reason.split())),
            log=redact(log)[-_MOST_LOG:],
            final=final,
            backoff_seconds=backoff_seconds,
        )
        self._record([pair], change, owner)

    def release(self, pairs: Iterable[PairKey], reason: str = "", owner: str | None = None) -> None:
        """Put pairs back to waiting, without counting an attempt: their worker has gone through no fault of theirs.

        Args:
            pairs: the pairs; those that have failed or that nobody tried stay as they are.
            reason: one line.
            owner: the coordinator that says so; see `failed`.
        """
        change = Change("lost", WAITING, detail=reason)

        def write(connection: sql.Connection) -> None:
            for pair in wanted:
                state = connection.execute(sql.select(PAIRS.c.state).where(PAIRS.c.identity == pair.identity)).scalar()
                if state in (RUNNING, WAITING):
                    record(self._database, connection, pair, change, owner)

        wanted = list(pairs)
        self._database.write(write)

    def found(self, pairs: Iterable[PairKey]) -> int:
        """Record the end of pairs whose scores file is there though the ledger had not heard of it.

        Returns:
            the number of such pairs, as those in hand when a coordinator was killed.
        """
        known = self._done()
        new = [pair for pair in pairs if pair.identity not in known]
        self._record(new, Change("finished", DONE, detail="found in the store"))
        return len(new)

    def vanished(self, pairs: Iterable[PairKey]) -> int:
        """Record that the files of finished pairs are gone, or were set aside; they wait to be scored again.

        Returns:
            the number of those that were finished.
        """
        known = self._done()
        gone = [pair for pair in pairs if pair.identity in known]
        self._record(gone, Change("vanished", WAITING, detail="its scores file is gone or was damaged"))
        return len(gone)

    def retry(self, identities: Iterable[str]) -> int:
        """Let failed pairs be tried again at once, as if for the first time.

        Returns:
            the number of pairs that were failed.
        """
        wanted = list(identities)
        fresh = {"state": WAITING, "changed_at": present_time(), **UNTRIED, **NO_LEASE}

        def write(connection: sql.Connection) -> int:
            count = 0
            for identity in wanted:
                chosen = (PAIRS.c.identity == identity) & (PAIRS.c.state == FAILED)
                row = connection.execute(sql.update(PAIRS).where(chosen).values(**fresh).returning(PAIRS)).first()
                if row is not None:
                    event = {"at": present_time(), "event": "retried", **place_of(PairKey.of(row))}
                    connection.execute(EVENTS.insert().values(**event))
                    count += 1
            return count

        return self._database.write(write)

    def _record(self, pairs: list[PairKey], change: Change, owner: str | None = None) -> None:
        def write(connection: sql.Connection) -> None:
            for pair in pairs:
                record(self._database, connection, pair, change, owner)

        if pairs:
            self._database.write(write)

    # -- reading ------------------------------------------------------------------------------------------------------

    def states(self) -> dict[str, PairState]:
        """Read how all pairs stand, by identity."""
        return {row.identity: state for row, state in self._pairs(sql.select(*_STATE))}

    def unfinished(self) -> dict[str, PairState]:
        """Read how the pairs stand that are not done, by identity."""
        return {row.identity: state for row, state in self._pairs(sql.select(*_STATE).where(PAIRS.c.state != DONE))}

    def latest(self) -> dict[tuple[str, int, str], PairState]:
        """Read how each (run, step, task) stood last, under whatever identity."""
        rows = self._pairs(sql.select(*_STATE).order_by(PAIRS.c.changed_at))
        return {(row.run, row.step, row.task): state for row, state in rows}

    def counts(self) -> list[tuple[str, str, int]]:
        """Count the pairs by run and state, each (run, step, task) as it stood last: run, state, number."""
        last = _last_states()
        statement = sql.select(last.c.run, last.c.state, sql.func.count()).group_by(last.c.run, last.c.state)
        rows: list[Any] = self._database.select(statement.where(last.c.place == 1).order_by(last.c.run))
        return [(run, state, number) for run, state, number in rows]

    def first_failures(self, most: int) -> list[tuple[str, int, str, str]]:
        """Read the first failed pairs by name: run, step, task, reason."""
        last = _last_states()
        statement = sql.select(last.c.run, last.c.step, last.c.task, last.c.reason)
        failed = statement.where(last.c.place == 1, last.c.state == FAILED)
        ordered = failed.order_by(last.c.run, last.c.step, last.c.task)
        rows: list[Any] = self._database.select(ordered.limit(most))
        return [(run, step, task, reason) for run, step, task, reason in rows]

    def failures(self) -> dict[PairKey, PairState]:
        """Read the failed pairs."""
        rows = self._pairs(sql.select(*_STATE).where(PAIRS.c.state == FAILED))
        return {PairKey.of(row): state for row, state in rows}

    def seconds(self) -> list[tuple[str, str, float]]:
        """Read what scoring took: run, task, seconds, for each pair that was measured."""
        statement = sql.select(PAIRS.c.run, PAIRS.c.task, PAIRS.c.seconds).where(PAIRS.c.seconds.is_not(None))
        return [(row.run, row.task, row.seconds) for row in self._database.select(statement)]

    def events(self) -> list[dict[str, Any]]:
        """Read all events, oldest first: number, at, event, identity, run, step, task, detail."""
        return [dict(row._mapping) for row in self._database.select(sql.select(EVENTS).order_by(EVENTS.c.number))]

    def _done(self) -> set[str]:
        done = sql.select(PAIRS.c.identity).where(PAIRS.c.state == DONE)
        return {row.identity for row in self._database.select(done)}

    def _pairs(self, statement: sql.Select[Any]) -> list[tuple[sql.Row[Any], PairState]]:
        def read(connection: sql.Connection) -> tuple[float, list[sql.Row[Any]]]:
            return self._database.now(connection), list(connection.execute(statement))

        now, rows = self._database.read(read)
        return [
            (
                row,
                PairState(
                    row.state,
                    row.attempts,
                    row.reason,
                    bool(row.given_up),
                    row.not_before,
                    row.log,
                    is_leased(row.lease_owner, row.lease_until, now),
                ),
            )
            for row in rows
        ]

    def take(self, other: Ledger) -> int:
        """Copy all of another ledger as it is at one moment, without who leases what; returns the number of pairs.

        Raises:
            StoreError: this ledger holds pairs already.
        """

        def read(connection: sql.Connection) -> dict[str, list[dict[str, Any]]]:
            # Events get numbers of their own again, in their order: a database counts on from those that it gave.
            columns = {table.name: [column for column in table.c if column is not EVENTS.c.number] for table in _KEPT}
            ordered: dict[str, Any] = {name: sql.select(*chosen) for name, chosen in columns.items()}
            ordered[EVENTS.name] = ordered[EVENTS.name].order_by(EVENTS.c.number)
            return {name: [dict(row._mapping) for row in connection.execute(ordered[name])] for name in ordered}

        rows = other._database.read(read)
        for pair in rows[PAIRS.name]:
            pair |= NO_LEASE | ({"state": WAITING} if pair["state"] == RUNNING else {})

        def write(connection: sql.Connection) -> None:
            if connection.execute(sql.select(PAIRS.c.identity).limit(1)).first() is not None:
                raise StoreError(f"the ledger {self.name} holds pairs already", "give one that is empty")
            for table in _KEPT:
                if rows[table.name]:
                    connection.execute(table.insert(), rows[table.name])

        self._database.write(write)
        return len(rows[PAIRS.name])

    # -- what need not be found out or done twice ---------------------------------------------------------------------

    def digests(self) -> dict[str, tuple[str, str]]:
        """Read the checkpoints' digests: path -> (fingerprint of the files, digest of their content)."""
        return {row.path: (row.fingerprint, row.digest) for row in self._database.select(sql.select(DIGESTS))}

    def keep_digest(self, path: str, fingerprint: str, digest: str) -> None:
        """Remember a checkpoint's digest for as long as its files have this fingerprint."""
        values = {"fingerprint": fingerprint, "digest": digest}
        statement = self._database.insert(DIGESTS).values(path=path, **values)
        self._database.write(
            lambda connection: connection.execute(statement.on_conflict_do_update(index_elements=["path"], set_=values))
        )

    def sent(self, tracker: str) -> set[str]:
        """Read the identities whose scores a tracker has had."""
        had = sql.select(SENT.c.identity).where(SENT.c.tracker == tracker)
        return {row.identity for row in self._database.select(had)}

    def keep_sent(self, tracker: str, identity: str) -> None:
        """Remember that a tracker has had a pair's scores."""
        statement = self._database.insert(SENT).values(tracker=tracker, identity=identity).on_conflict_do_nothing()
        self._database.write(lambda connection: connection.execute(statement))


def _last_states() -> sql.Subquery:
    """The pairs with a number: 1 for the last state of each (run, step, task), under whatever identity."""
    place = sql.func.row_number().over(
        partition_by=(PAIRS.c.run, PAIRS.c.step, PAIRS.c.task), order_by=(PAIRS.c.changed_at.desc(), PAIRS.c.identity)
    )
    return sql.select(
        PAIRS.c.run, PAIRS.c.step, PAIRS.c.task, PAIRS.c.state, PAIRS.c.reason, place.label("place")
    ).subquery()

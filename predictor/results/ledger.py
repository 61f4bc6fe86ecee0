"""The ledger: what was tried, when, by whom, and how it ended. Coordinators write it; the score files are the truth.

It is an SQLite file for one coordinator, or a PostgreSQL database, named by its URL, for several. A ledger that is lost
loses the history of attempts and nothing else: what is done is learnt from the files again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sql

from predictor.redaction import redact
from predictor.results.database import Database
from predictor.results.ledger_schema import COORDINATORS, DIGESTS, EVENTS, PAIRS, SENT

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
MOST_ATTEMPTS = 3
"""A pair that failed so often is given up until `predictor retry`."""
_LONGEST_LEASE = 86_400.0
_MOST_LOG = 4000


@dataclass(frozen=True)
class PairKey:
    """One (checkpoint, task) and its identity."""

    identity: str
    run: str
    step: int
    task: str


@dataclass(frozen=True)
class PairState:
    """How a pair stands in the ledger.

    Attributes:
        state: waiting, running, done or failed.
        attempts: how often it was started without being finished, and failed.
        reason: why it failed, one line.
        given_up: whether it is in quarantine: tried again only after `predictor retry`.
        not_before: the earliest time of the next attempt, seconds since the epoch.
        log: the tail of what was logged when it failed.
        leased: whether a coordinator holds it now.
    """

    state: str
    attempts: int
    reason: str
    given_up: bool = False
    not_before: float = 0.0
    log: str = ""
    leased: bool = False


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


class Ledger:
    """The ledger of one store.

    Args:
        where: an SQLite file, or the URL of a database such as `postgresql://user@host/name`.
        read_only: only look; nothing is written to a ledger that has the present tables.

    Raises:
        StoreError: it cannot be opened, is damaged, or cannot be written.
    """

    def __init__(self, where: str | Path, *, read_only: bool = False) -> None:
        self._database = Database(where, read_only=read_only)
        self.name, self.shared = self._database.name, self._database.shared

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    # -- leases -------------------------------------------------------------------------------------------------------

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

        def write(connection: sql.Connection) -> set[str]:
            now = self._database.now(connection)
            lease = {"lease_owner": owner, "lease_job": job, "lease_until": now + seconds}
            rows = [
                {**_place(pair), **lease, "state": WAITING, "attempts": 0, "reason": "", "changed_at": _stamp()}
                for pair in pairs
            ]
            statement = self._database.insert(PAIRS).on_conflict_do_update(
                index_elements=["identity"],
                set_=lease,
                where=(PAIRS.c.state != DONE) & ((PAIRS.c.lease_owner == "") | (PAIRS.c.lease_owner == owner)),
            )
            connection.execute(statement, rows)
            held = sql.select(PAIRS.c.identity).where(PAIRS.c.lease_owner == owner, PAIRS.c.lease_job == job)
            return {row.identity for row in connection.execute(held)}

        return self._database.write(write) & {pair.identity for pair in pairs} if pairs else set()

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
            change = {"lease_owner": owner, "lease_until": now + seconds}
            free = sql.true() if exclusive else _free(now, owner)
            connection.execute(sql.update(PAIRS).where(mine, free).values(**change))
            return [
                _key(row) for row in connection.execute(sql.select(PAIRS).where(mine, PAIRS.c.lease_owner == owner))
            ]

        return self._database.write(write)

    def holds(self, job: str) -> bool:
        """Tell whether anybody leases pairs for a job."""
        return bool(self._select(sql.select(PAIRS.c.identity).where(PAIRS.c.lease_job == job).limit(1)))

    def release(self, pairs: Iterable[PairKey], reason: str = "", owner: str | None = None) -> None:
        """Put pairs back to waiting, without counting an attempt: their worker has gone through no fault of theirs.

        Args:
            pairs: the pairs.
            reason: one line.
            owner: the coordinator that says so; see `failed`.
        """
        for pair in pairs:
            self._record("lost", pair, WAITING, detail=reason, only_from=(RUNNING, WAITING), owner=owner)

    def lost(self, jobs_alive: Iterable[str] = (), owner: str = "") -> int:
        """Put pairs back to waiting that a coordinator which has gone left as running or leased.

        In an SQLite ledger that is every lease, as one coordinator holds it; in a shared one those that ran out.

        Args:
            jobs_alive: jobs whose workers outlive a coordinator; their pairs are left alone.
            owner: the coordinator that asks; what it holds is not lost.

        Returns:
            their number.
        """
        alive = tuple(jobs_alive)

        def write(connection: sql.Connection) -> int:
            gone = _expired(self._database.now(connection)) if self.shared else sql.true()
            held = ((PAIRS.c.lease_owner != "") & (PAIRS.c.lease_owner != owner)) | (
                (PAIRS.c.lease_owner == "") & (PAIRS.c.state == RUNNING)
            )
            return self._end_leases(connection, held & PAIRS.c.lease_job.not_in(alive) & gone & (PAIRS.c.state != DONE))

        return self._database.write(write)

    def _end_leases(self, connection: sql.Connection, chosen: Any) -> int:
        """End leases; pairs that ran wait again. The number of those that ran."""
        # Locked until the end: of two that find the same lease run out, the slower must not end the other's new one.
        rows = list(connection.execute(sql.select(PAIRS).where(chosen).order_by(PAIRS.c.identity).with_for_update()))
        running = [row for row in rows if row.state == RUNNING]
        for row in running:
            self._change(connection, "lost", _key(row), WAITING, "", "")
        others = [row.identity for row in rows if row.state != RUNNING]
        for part in range(0, len(others), 500):
            there = PAIRS.c.identity.in_(others[part : part + 500])
            connection.execute(sql.update(PAIRS).where(there).values(**_NO_LEASE))
        return len(running)

    def unlease(self, owner: str) -> None:
        """Give back everything that a coordinator holds, as it ends."""
        self._database.write(lambda connection: self._end_leases(connection, PAIRS.c.lease_owner == owner))

    # -- what happens to a pair ---------------------------------------------------------------------------------------

    def started(self, pair: PairKey, owner: str | None = None) -> None:
        """Record that a worker of a coordinator takes the pair in hand; `owner` as in `failed`."""
        self._record("started", pair, RUNNING, keep_lease=True, owner=owner)

    def finished(self, pair: PairKey, seconds: float | None = None) -> None:
        """Record that the pair's scores file is in place, and how long it took."""
        self._record("finished", pair, DONE, seconds=seconds)

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
        text = redact(" ".join(reason.split()))
        self._record(
            "failed",
            pair,
            FAILED,
            text,
            log=redact(log)[-_MOST_LOG:],
            final=final,
            backoff_seconds=backoff_seconds,
            owner=owner,
        )

    def found(self, pairs: Iterable[PairKey]) -> int:
        """Record the end of pairs whose scores file is there though the ledger had not heard of it.

        Returns:
            the number of such pairs, as those in hand when a coordinator was killed.
        """
        known = self._done()
        new = [pair for pair in pairs if pair.identity not in known]

        def write(connection: sql.Connection) -> None:
            for pair in new:
                self._change(connection, "finished", pair, DONE, "", "found in the store")

        if new:
            self._database.write(write)
        return len(new)

    def vanished(self, pairs: Iterable[PairKey]) -> int:
        """Record that the files of finished pairs are gone, or were set aside; they wait to be scored again.

        Returns:
            the number of those that were finished.
        """
        known = self._done()
        gone = [pair for pair in pairs if pair.identity in known]
        for pair in gone:
            self._record("vanished", pair, WAITING, detail="its scores file is gone or was damaged")
        return len(gone)

    def retry(self, identities: Iterable[str]) -> int:
        """Let failed pairs be tried again at once, as if for the first time.

        Returns:
            the number of pairs that were failed.
        """
        wanted = list(identities)

        def write(connection: sql.Connection) -> int:
            count = 0
            for identity in wanted:
                chosen = (PAIRS.c.identity == identity) & (PAIRS.c.state == FAILED)
                row = connection.execute(sql.select(PAIRS).where(chosen)).first()
                if row is not None:
                    fresh = {"state": WAITING, "attempts": 0, "given_up": False, "not_before": 0.0, **_NO_LEASE}
                    connection.execute(sql.update(PAIRS).where(chosen).values(**fresh, changed_at=_stamp()))
                    connection.execute(EVENTS.insert().values(at=_stamp(), event="retried", **_place(_key(row))))
                    count += 1
            return count

        return self._database.write(write)

    # -- reading ------------------------------------------------------------------------------------------------------

    def states(self) -> dict[str, PairState]:
        """Read how all pairs stand, by identity."""
        return {row.identity: state for row, state in self._pairs(sql.select(*_STATE))}

    def unfinished(self) -> dict[str, PairState]:
        """Read how the pairs stand that are not done, by identity."""
        return {row.identity: state for row, state in self._pairs(sql.select(*_STATE).where(PAIRS.c.state != DONE))}

    def _done(self) -> set[str]:
        return {row.identity for row in self._select(sql.select(PAIRS.c.identity).where(PAIRS.c.state == DONE))}

    def latest(self) -> dict[tuple[str, int, str], PairState]:
        """Read how each (run, step, task) stood last, under whatever identity."""
        rows = self._pairs(sql.select(*_STATE).order_by(PAIRS.c.changed_at))
        return {(row.run, row.step, row.task): state for row, state in rows}

    def failures(self) -> dict[PairKey, PairState]:
        """Read the failed pairs."""
        rows = self._pairs(sql.select(*_STATE).where(PAIRS.c.state == FAILED))
        return {_key(row): state for row, state in rows}

    def _pairs(self, statement: Any) -> list[tuple[Any, PairState]]:
        def read(connection: sql.Connection) -> tuple[float, list[Any]]:
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
                    bool(row.lease_owner) and now < row.lease_until < now + _LONGEST_LEASE,
                ),
            )
            for row in rows
        ]

    def seconds(self) -> list[tuple[str, str, float]]:
        """Read what scoring took: run, task, seconds, for each pair that was measured."""
        statement = sql.select(PAIRS.c.run, PAIRS.c.task, PAIRS.c.seconds).where(PAIRS.c.seconds.is_not(None))
        return [(row.run, row.task, row.seconds) for row in self._select(statement)]

    def events(self) -> list[dict[str, Any]]:
        """Read all events, oldest first: number, at, event, identity, run, step, task, detail."""
        return [dict(row._mapping) for row in self._select(sql.select(EVENTS).order_by(EVENTS.c.number))]

    def digests(self) -> dict[str, tuple[str, str]]:
        """Read the checkpoints' digests: path -> (fingerprint of the files, digest of their content)."""
        return {row.path: (row.fingerprint, row.digest) for row in self._select(sql.select(DIGESTS))}

    def keep_digest(self, path: str, fingerprint: str, digest: str) -> None:
        """Remember a checkpoint's digest for as long as its files have this fingerprint."""
        values = {"fingerprint": fingerprint, "digest": digest}
        statement = self._database.insert(DIGESTS).values(path=path, **values)
        self._database.write(
            lambda connection: connection.execute(statement.on_conflict_do_update(index_elements=["path"], set_=values))
        )

    def sent(self, tracker: str) -> set[str]:
        """Read the identities whose scores a tracker has had."""
        return {row.identity for row in self._select(sql.select(SENT.c.identity).where(SENT.c.tracker == tracker))}

    def keep_sent(self, tracker: str, identity: str) -> None:
        """Remember that a tracker has had a pair's scores."""
        statement = self._database.insert(SENT).values(tracker=tracker, identity=identity).on_conflict_do_nothing()
        self._database.write(lambda connection: connection.execute(statement))

    # -- coordinators -------------------------------------------------------------------------------------------------

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

    def coordinators(self) -> list[Coordinator]:
        """Read the coordinators that did not say that they ended, the one last heard of first."""

        def read(connection: sql.Connection) -> list[Coordinator]:
            now = self._database.now(connection)
            rows = connection.execute(sql.select(COORDINATORS).order_by(COORDINATORS.c.beat_at.desc()))
            return [Coordinator(**row._mapping, age=max(0.0, now - row.beat_at)) for row in rows]

        return self._database.read(read)

    # -- the database -------------------------------------------------------------------------------------------------

    def _record(
        self,
        event: str,
        pair: PairKey,
        state: str,
        reason: str = "",
        detail: str = "",
        only_from: Sequence[str] = (),
        **more: Any,
    ) -> None:
        def write(connection: sql.Connection) -> None:
            if only_from:
                found = connection.execute(sql.select(PAIRS.c.state).where(PAIRS.c.identity == pair.identity)).scalar()
                if found not in only_from:
                    return
            self._change(connection, event, pair, state, reason, detail, **more)

        self._database.write(write)

    def _change(
        self,
        connection: sql.Connection,
        event: str,
        pair: PairKey,
        state: str,
        reason: str,
        detail: str,
        *,
        log: str = "",
        final: bool = False,
        backoff_seconds: float = 0.0,
        seconds: float | None = None,
        keep_lease: bool = False,
        owner: str | None = None,
    ) -> None:
        place = _place(pair)
        change: dict[str, Any] = {"state": state, "reason": reason, "changed_at": _stamp(), "log": log}
        if not keep_lease:
            change |= _NO_LEASE
        if seconds is not None:
            change["seconds"] = seconds
        fresh = {**change, "attempts": 0, "given_up": False, "not_before": 0.0}
        if state == DONE:
            change |= {"attempts": 0, "given_up": False, "not_before": 0.0}
        elif state == FAILED:
            now = self._database.now(connection)
            start = now if backoff_seconds else 0.0
            fresh |= {"attempts": 1, "given_up": final, "not_before": start + backoff_seconds}
            wait = sql.case(
                *((PAIRS.c.attempts == n, backoff_seconds * 2**n) for n in range(MOST_ATTEMPTS)),
                else_=backoff_seconds * 2**MOST_ATTEMPTS,
            )
            change |= {
                "attempts": PAIRS.c.attempts + 1,
                "given_up": sql.true() if final else PAIRS.c.attempts + 1 >= MOST_ATTEMPTS,
                "not_before": start + wait,
            }
        statement = self._database.insert(PAIRS).values(**place, **fresh)
        # A message that comes late or twice changes nothing of what is done: it ends as done once.
        wanted = sql.true() if event == "vanished" else PAIRS.c.state != DONE
        if owner is not None:
            wanted &= PAIRS.c.lease_owner.in_(("", owner))
        changed = statement.on_conflict_do_update(index_elements=["identity"], set_=change, where=wanted)
        # Asked for by RETURNING: how many rows an INSERT changed is not told alike by all databases.
        if connection.execute(changed.returning(PAIRS.c.identity)).first() is not None:
            connection.execute(EVENTS.insert().values(at=_stamp(), event=event, detail=detail or reason, **place))

    def now(self) -> float:
        """Seconds since the epoch, by the clock that leases and back-off go by."""
        return self._database.read(self._database.now)

    def _select(self, statement: Any) -> list[Any]:
        return self._database.read(lambda connection: list(connection.execute(statement)))


_NO_LEASE: dict[str, Any] = {"lease_owner": "", "lease_job": "", "lease_until": 0.0}
_STATE = tuple(column for column in PAIRS.c if column.name not in ("seconds", "changed_at"))


def _free(now: float, owner: str) -> Any:
    return (PAIRS.c.lease_owner == "") | (PAIRS.c.lease_owner == owner) | _expired(now)


def _expired(now: float) -> Any:
    # A lease that ends further ahead than any lasts was made before the clock was set back.
    return (PAIRS.c.lease_until <= now) | (PAIRS.c.lease_until > now + _LONGEST_LEASE)


def _place(pair: PairKey) -> dict[str, Any]:
    return {"identity": pair.identity, "run": pair.run, "step": pair.step, "task": pair.task}


def _key(row: Any) -> PairKey:
    return PairKey(row.identity, row.run, row.step, row.task)


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

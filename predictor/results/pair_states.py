"""What the ledger says of a (checkpoint, task): its key, how it stands, and how one state follows another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql

from predictor.results.database import Database
from predictor.results.files import present_time
from predictor.results.ledger_schema import EVENTS, PAIRS

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
MOST_ATTEMPTS = 3
"""A pair that failed so often is given up until `predictor retry`."""
NO_LEASE: dict[str, Any] = {"lease_owner": "", "lease_job": "", "lease_until": 0.0}
"""Columns of a pair that nobody leases."""
UNTRIED: dict[str, Any] = {"attempts": 0, "given_up": False, "not_before": 0.0}
"""Columns of a pair that has not failed, or not since it was done or retried."""


@dataclass(frozen=True)
class PairKey:
    """One (checkpoint, task) and its identity."""

    identity: str
    run: str
    step: int
    task: str

    @classmethod
    def of(cls, row: Any) -> PairKey:
        """Read it from a row of the pairs."""
        return cls(row.identity, row.run, row.step, row.task)


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
class Change:
    """What happens to a pair.

    Attributes:
        event: what the list of events calls it.
        state: how the pair stands from then on.
        reason: why it failed, one line.
        detail: what the event says beside that.
        log: the tail of the log.
        final: trying again would end the same.
        backoff_seconds: how long to wait before the second attempt; doubled for each further one.
        seconds: how long scoring took, where that was measured.
        keep_lease: whoever holds the pair goes on holding it.
    """

    event: str
    state: str
    reason: str = ""
    detail: str = ""
    log: str = ""
    final: bool = False
    backoff_seconds: float = 0.0
    seconds: float | None = None
    keep_lease: bool = False


def place_of(pair: PairKey) -> dict[str, Any]:
    """Give the columns that say which pair it is, the same in the pairs and in the events."""
    return {"identity": pair.identity, "run": pair.run, "step": pair.step, "task": pair.task}


def record(
    database: Database, connection: sql.Connection, pair: PairKey, change: Change, owner: str | None = None
) -> None:
    """Change a pair within a transaction and append the event; nothing happens to one that is done, unless it vanished.

    Args:
        database: the ledger's.
        connection: the transaction's.
        pair: the pair, which need not be known yet.
        change: what happens to it.
        owner: the coordinator that says so: nothing changes where another one has taken the pair over meanwhile.
    """
    place = place_of(pair)
    values: dict[str, Any] = {
        "state": change.state,
        "reason": change.reason,
        "changed_at": present_time(),
        "log": change.log,
        **({} if change.keep_lease else NO_LEASE),
        **({} if change.seconds is None else {"seconds": change.seconds}),
    }
    first = {**values, **UNTRIED}
    if change.state == DONE:
        values |= UNTRIED
    elif change.state == FAILED:
        now = database.now(connection) if change.backoff_seconds else 0.0
        first |= {"attempts": 1, "given_up": change.final, "not_before": now + change.backoff_seconds}
        values |= _one_more_attempt(change, now)
    statement = database.insert(PAIRS).values(**place, **first)
    # A message that comes late or twice changes nothing of what is done: it ends as done once.
    wanted = sql.true() if change.event == "vanished" else PAIRS.c.state != DONE
    if owner is not None:
        wanted &= PAIRS.c.lease_owner.in_(("", owner))
    changed = statement.on_conflict_do_update(index_elements=["identity"], set_=values, where=wanted)
    # Asked for by RETURNING: how many rows an INSERT changed is not told alike by all databases.
    if connection.execute(changed.returning(PAIRS.c.identity)).first() is not None:
        event = {"at": present_time(), "event": change.event, "detail": change.detail or change.reason}
        connection.execute(EVENTS.insert().values(**event, **place))


def _one_more_attempt(change: Change, now: float) -> dict[str, Any]:
    wait = sql.case(
        *((PAIRS.c.attempts == n, change.backoff_seconds * 2**n) for n in range(MOST_ATTEMPTS)),
        else_=change.backoff_seconds * 2**MOST_ATTEMPTS,
    )
    return {
        "attempts": PAIRS.c.attempts + 1,
        "given_up": sql.true() if change.final else PAIRS.c.attempts + 1 >= MOST_ATTEMPTS,
        "not_before": now + wait,
    }

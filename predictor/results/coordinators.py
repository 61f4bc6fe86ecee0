"""Which processes evaluate into a store now, as they say themselves."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sql

from predictor.redaction import redact
from predictor.results.database import Database
from predictor.results.ledger_schema import COORDINATORS


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

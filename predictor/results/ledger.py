"""The ledger: what was tried, when, and how it ended. One coordinator writes it; the score files are the truth.

A ledger that is lost loses the history of attempts and nothing else: what is done is learnt from the files again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from predictor.errors import StoreError

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"

_METADATA = sql.MetaData()
_PAIRS = sql.Table(
    "pairs",
    _METADATA,
    sql.Column("identity", sql.String, primary_key=True),
    sql.Column("run", sql.String, nullable=False),
    sql.Column("step", sql.Integer, nullable=False),
    sql.Column("task", sql.String, nullable=False),
    sql.Column("state", sql.String, nullable=False),
    sql.Column("attempts", sql.Integer, nullable=False, default=0),
    sql.Column("reason", sql.String, nullable=False, default=""),
    sql.Column("changed_at", sql.String, nullable=False),
)
# Only ever appended to: that no pair is scored twice can be read here.
_EVENTS = sql.Table(
    "events",
    _METADATA,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("at", sql.String, nullable=False),
    sql.Column("event", sql.String, nullable=False),
    sql.Column("identity", sql.String, nullable=False),
    sql.Column("run", sql.String, nullable=False),
    sql.Column("step", sql.Integer, nullable=False),
    sql.Column("task", sql.String, nullable=False),
    sql.Column("detail", sql.String, nullable=False, default=""),
)
_DIGESTS = sql.Table(
    "digests",
    _METADATA,
    sql.Column("path", sql.String, primary_key=True),
    sql.Column("fingerprint", sql.String, nullable=False),
    sql.Column("digest", sql.String, nullable=False),
)


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
    """

    state: str
    attempts: int
    reason: str


class Ledger:
    """The ledger of one store, an SQLite file in its folder.

    Raises:
        StoreError: the file cannot be opened, is damaged, or cannot be written.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._engine = sql.create_engine(f"sqlite:///{self.path}", connect_args={"timeout": 30})
        if not read_only:
            with self._connection() as connection:
                # Readers (`predictor status`) do not wait for the coordinator, nor it for them.
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                _METADATA.create_all(connection)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def started(self, pair: PairKey) -> None:
        """Record that a worker takes the pair in hand."""
        self._record("started", pair, RUNNING)

    def finished(self, pair: PairKey) -> None:
        """Record that the pair's scores file is in place."""
        self._record("finished", pair, DONE)

    def failed(self, pair: PairKey, reason: str) -> None:
        """Record that the pair could not be scored, and why; it counts as an attempt."""
        self._record("failed", pair, FAILED, " ".join(reason.split()))

    def found(self, pairs: Iterable[PairKey]) -> int:
        """Record the end of pairs whose scores file is there though the ledger had not heard of it.

        Returns:
            the number of such pairs, as those in hand when a coordinator was killed.
        """
        known = self.states()
        new = [pair for pair in pairs if pair.identity not in known or known[pair.identity].state != DONE]
        for pair in new:
            self._record("finished", pair, DONE, detail="found in the store")
        return len(new)

    def lost(self) -> int:
        """Put pairs back to waiting that a killed coordinator left as running.

        Returns:
            their number.
        """
        rows = self._read(sql.select(_PAIRS).where(_PAIRS.c.state == RUNNING))
        for row in rows:
            self._record("lost", PairKey(row.identity, row.run, row.step, row.task), WAITING)
        return len(rows)

    def states(self) -> dict[str, PairState]:
        """Read how all pairs stand, by identity."""
        rows = self._read(sql.select(_PAIRS))
        return {row.identity: PairState(row.state, row.attempts, row.reason) for row in rows}

    def latest(self) -> dict[tuple[str, int, str], PairState]:
        """Read how each (run, step, task) stood last, under whatever identity."""
        rows = self._read(sql.select(_PAIRS).order_by(_PAIRS.c.changed_at))
        return {(row.run, row.step, row.task): PairState(row.state, row.attempts, row.reason) for row in rows}

    def events(self) -> list[dict[str, Any]]:
        """Read all events, oldest first: number, at, event, identity, run, step, task, detail."""
        return [dict(row._mapping) for row in self._read(sql.select(_EVENTS).order_by(_EVENTS.c.number))]

    def digests(self) -> dict[str, tuple[str, str]]:
        """Read the checkpoints' digests: path -> (fingerprint of the files, digest of their content)."""
        return {row.path: (row.fingerprint, row.digest) for row in self._read(sql.select(_DIGESTS))}

    def keep_digest(self, path: str, fingerprint: str, digest: str) -> None:
        """Remember a checkpoint's digest for as long as its files have this fingerprint."""
        values = {"fingerprint": fingerprint, "digest": digest}
        with self._connection() as connection:
            statement = insert(_DIGESTS).values(path=path, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["path"], set_=values))

    def _record(self, event: str, pair: PairKey, state: str, reason: str = "", detail: str = "") -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        place = {"identity": pair.identity, "run": pair.run, "step": pair.step, "task": pair.task}
        change = {"state": state, "reason": reason, "changed_at": now}
        with self._connection() as connection:
            connection.execute(_EVENTS.insert().values(at=now, event=event, detail=detail or reason, **place))
            statement = insert(_PAIRS).values(**place, **change, attempts=int(state == FAILED))
            attempts = _PAIRS.c.attempts + 1 if state == FAILED else 0 if state == DONE else _PAIRS.c.attempts
            connection.execute(
                statement.on_conflict_do_update(index_elements=["identity"], set_={**change, "attempts": attempts})
            )

    def _read(self, statement: Any) -> list[Any]:
        with self._connection() as connection:
            return list(connection.execute(statement))

    def _connection(self) -> _Guarded:
        return _Guarded(self._engine, self.path)


class _Guarded:
    """A transaction whose database errors become a StoreError."""

    def __init__(self, engine: sql.Engine, path: Path) -> None:
        self._context = engine.begin()
        self._path = path

    def __enter__(self) -> sql.Connection:
        try:
            return self._context.__enter__()
        except SQLAlchemyError as error:
            raise self._as_store_error(error) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._context.__exit__(kind, error, trace)
        except SQLAlchemyError as failure:
            raise self._as_store_error(failure) from None
        if isinstance(error, SQLAlchemyError):
            raise self._as_store_error(error) from None

    def _as_store_error(self, error: SQLAlchemyError) -> StoreError:
        cause = str(error).splitlines()[0]
        return StoreError(
            f"the ledger {self._path} cannot be used ({cause})",
            "move it away: 'predictor evaluate' makes a new one and learns what is done from the score files",
        )

"""The database behind a ledger: an SQLite file or PostgreSQL, its transactions, its clock, and what it answers.

A transaction is done as a whole or not at all, whenever a process is killed, and is done again where another process,
or a database that restarts, stands in its way for a while.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from predictor.distribution import install_command
from predictor.errors import StoreError
from predictor.redaction import redact
from predictor.results.files import is_writable
from predictor.results.ledger_schema import METADATA, lacks

_PATIENCE = 120.0
"""Seconds for which a database that has gone or is busy is waited for: about what a restart of PostgreSQL takes."""
_WRITES = "predictor_writes"

T = TypeVar("T")


class Database:
    """The database of one ledger, with its present tables.

    Args:
        where: an SQLite file, or the URL of a database such as `postgresql://user@host/name`.
        read_only: only look; nothing is written to a database that has the present tables.

    Raises:
        StoreError: it cannot be opened, is damaged, or cannot be written.
    """

    def __init__(self, where: str | Path, *, read_only: bool = False) -> None:
        self._engine = _engine(where, read_only)
        self.shared = self._engine.dialect.name != "sqlite"
        self.name = redact(self._engine.url.render_as_string(hide_password=True)) if self.shared else str(where)
        if read_only:
            self._look_only()
        elif self.read(lacks):
            self.write(self._prepare)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def read(self, read: Callable[[sql.Connection], T]) -> T:
        """Carry out a transaction that only reads.

        Raises:
            StoreError: the database cannot be used.
        """
        return self._carry_out(read, writes=False)

    def write(self, change: Callable[[sql.Connection], T]) -> T:
        """Carry out a transaction; a database that has gone or is busy is waited for, and the transaction done again.

        Raises:
            StoreError: the database cannot be used.
        """
        return self._carry_out(change, writes=True)

    def select(self, statement: sql.Select[Any]) -> list[sql.Row[Any]]:
        """Read the rows of one statement.

        Raises:
            StoreError: the database cannot be used.
        """
        return self.read(lambda connection: list(connection.execute(statement)))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold a lock that all processes share which use the database; one that waits for it waits in the database.

        Raises:
            StoreError: the database cannot be used.
        """
        if not self.shared:
            yield
            return
        connection = self._patiently(self._lock)
        try:
            yield
        finally:
            # A database that restarted has let go of the lock by itself.
            with contextlib.suppress(SQLAlchemyError):
                connection.close()

    def _lock(self) -> sql.Connection:
        connection = self._engine.connect()
        try:
            connection.execute(sql.text("SELECT pg_advisory_xact_lock(7027154)"))
        except SQLAlchemyError:
            connection.close()
            raise
        return connection

    def insert(self, table: sql.Table) -> Any:
        """An INSERT that can say what happens ON CONFLICT, in the database's dialect."""
        if self.shared:
            from sqlalchemy.dialects import postgresql

            return postgresql.insert(table)
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)

    def now(self, connection: sql.Connection) -> float:
        """Seconds since the epoch: of the database where hosts share one, so that their clocks need not agree."""
        if self.shared:
            return float(connection.execute(sql.text("SELECT extract(epoch FROM clock_timestamp())")).scalar() or 0.0)
        return time.time()

    def _prepare(self, connection: sql.Connection) -> None:
        if self.shared:
            # Two coordinators that start together must not both make the tables.
            connection.execute(sql.text("SELECT pg_advisory_xact_lock(7027153)"))
        METADATA.create_all(connection)
        self._refuse_if(lacks(connection))

    def _look_only(self) -> None:
        lacking = self.read(lacks)
        if len(lacking) == len(METADATA.tables):
            # Nobody has evaluated yet: it is shown as an empty one.
            self._engine.dispose()
            self._engine = sql.create_engine(
                "sqlite://", poolclass=sql.StaticPool, connect_args={"check_same_thread": False}
            )
            METADATA.create_all(self._engine)
            # What stands in for it is no shared database: it has no clock of its own.
            self.shared = False
        else:
            self._refuse_if(lacking)

    def _refuse_if(self, lacking: list[str]) -> None:
        if lacking:
            raise StoreError(
                f"the ledger {self.name} was made by another version: it has no {lacking[0]}",
                "move it away: 'predictor evaluate' makes a new one and learns what is done from the score files",
            )

    def _carry_out(self, change: Callable[[sql.Connection], T], *, writes: bool) -> T:
        def transaction() -> T:
            with self._engine.connect() as connection:
                connection = connection.execution_options(**{_WRITES: writes})
                with connection.begin():
                    return change(connection)

        return self._patiently(transaction)

    def _patiently(self, act: Callable[[], T]) -> T:
        """Do something, again where the database stands in the way for a while."""
        until = time.monotonic() + _PATIENCE
        pause = 0.1
        while True:
            try:
                return act()
            except OperationalError as error:
                if time.monotonic() > until or not self._may_pass(error):
                    raise self._as_store_error(error) from None
                time.sleep(pause)
                pause = min(2 * pause, 5.0)
            except SQLAlchemyError as error:
                raise self._as_store_error(error) from None

    def _may_pass(self, error: OperationalError) -> bool:
        """Whether a database's error is of a kind that passes: it restarts, is busy, or the network is away."""
        text = str(error).lower()
        if not self.shared:
            return "database is locked" in text
        return not any(word in text for word in ("authentication failed", "does not exist", "no password supplied"))

    def _as_store_error(self, error: SQLAlchemyError) -> StoreError:
        cause = redact(str(error).splitlines()[0])
        if self.shared:
            remedy = "check the URL, the user's rights and the password (PGPASSWORD or ~/.pgpass), and that it runs"
            return StoreError(f"the ledger {self.name} cannot be used ({cause})", remedy)
        if "disk is full" in cause or "disk I/O error" in cause:
            return StoreError(f"the ledger {self.name} cannot be written ({cause})", "make room on its disk")
        if "readonly database" in cause:
            return StoreError(f"the ledger {self.name} is read-only", "evaluate into another --store")
        if "database is locked" in cause:
            return StoreError(f"the ledger {self.name} is held by another process", "see which one, and try again")
        return StoreError(
            f"the ledger {self.name} cannot be used ({cause})",
            "move it away: 'predictor evaluate' makes a new one and learns what is done from the score files",
        )


def _engine(where: str | Path, read_only: bool) -> sql.Engine:
    if "://" not in str(where):
        engine = sql.create_engine(_url_of(Path(where), read_only), connect_args={"timeout": 30})
        sql.event.listen(engine, "connect", _no_transactions if read_only else _set_up)
        sql.event.listen(engine, "begin", _begin)
        return engine
    try:
        url = sql.make_url(str(where))
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() != "postgresql":
            raise _unknown(where)
        if "@" in f"{url.host}{url.database}":
            raise _unknown(where, "write an @ or / in the password as %40 or %2F, or give the password by PGPASSWORD")
        return sql.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except (ArgumentError, NoSuchModuleError):
        raise _unknown(where) from None
    except ValueError:
        # What stands after the last colon is no number: a port that was mistyped, or an unquoted / in a password.
        raise _unknown(where, "the port must be a number, and / in a password is written as %2F") from None
    except ModuleNotFoundError:
        raise StoreError(
            "a ledger in PostgreSQL needs psycopg, which is not installed", install_command("postgres")
        ) from None


def _url_of(path: Path, read_only: bool) -> sql.URL:
    """Name an SQLite file; a ledger that is only looked at is written by no means, not even its write-ahead log."""
    # Not as text: in a URL a `?` of the path would begin its settings.
    if not read_only or not path.is_file():
        return sql.URL.create("sqlite", database=str(path))
    query = {"mode": "ro", "uri": "true"}
    log = path.with_name(f"{path.name}-wal")
    if not is_writable(path.parent):
        if log.is_file() and log.stat().st_size:
            path = _copy(path, log)
        else:
            # SQLite cannot make the files beside it that it shares with writers: there can be none.
            query["immutable"] = "1"
    return sql.URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


def _copy(path: Path, log: Path) -> Path:
    """Copy a ledger whose last changes are still in its log, which a read-only folder does not let SQLite read."""
    folder = Path(tempfile.mkdtemp(prefix="predictor-ledger-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for file in (path, log):
        shutil.copyfile(file, folder / file.name)
    return folder / path.name


def _unknown(
    where: str | Path, remedy: str = "give the path of an SQLite file, or postgresql://user@host/name"
) -> StoreError:
    return StoreError(f"the ledger {redact(str(where))} is no database that is known", remedy)


def _no_transactions(connection: Any, _: Any) -> None:
    # Python's module would begin no transaction for a new table or a first SELECT: a process that is killed would leave
    # half of the tables, and two that start together would both make them. `_begin` begins it.
    connection.isolation_level = None


def _set_up(connection: Any, _: Any) -> None:
    _no_transactions(connection, _)
    # Readers (`predictor status`) do not wait for the coordinator, nor it for them.
    connection.execute("PRAGMA journal_mode=WAL")
    # With a write-ahead log this loses at most the last moments of history when the machine loses power.
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin(connection: sql.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, True)
    # A transaction that reads and then writes must hold the lock from its beginning: later it may no longer be had.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

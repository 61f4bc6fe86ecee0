"""The ledger's tables, and how a database is brought to them. Changes are Alembic migrations in `migrations/`."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sql

REVISION = "0002"
"""The newest migration; a ledger of this revision needs none."""

METADATA = sql.MetaData()

PAIRS = sql.Table(
    "pairs",
    METADATA,
    # The unique key by which nothing is scored twice.
    sql.Column("identity", sql.String, primary_key=True),
    sql.Column("run", sql.String, nullable=False),
    sql.Column("step", sql.Integer, nullable=False),
    sql.Column("task", sql.String, nullable=False),
    sql.Column("state", sql.String, nullable=False),
    sql.Column("attempts", sql.Integer, nullable=False, default=0, server_default="0"),
    sql.Column("reason", sql.String, nullable=False, default="", server_default=""),
    sql.Column("changed_at", sql.String, nullable=False),
    sql.Column("given_up", sql.Boolean, nullable=False, default=False, server_default=sql.false()),
    sql.Column("log", sql.String, nullable=False, default="", server_default=""),
    sql.Column("seconds", sql.Float, nullable=True),
    # Seconds since the epoch by the database's clock, or by this host's for SQLite.
    sql.Column("not_before", sql.Float, nullable=False, default=0.0, server_default="0"),
    sql.Column("lease_owner", sql.String, nullable=False, default="", server_default=""),
    sql.Column("lease_job", sql.String, nullable=False, default="", server_default=""),
    sql.Column("lease_until", sql.Float, nullable=False, default=0.0, server_default="0"),
)
# Only ever appended to: that no pair is scored twice can be read here.
EVENTS = sql.Table(
    "events",
    METADATA,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("at", sql.String, nullable=False),
    sql.Column("event", sql.String, nullable=False),
    sql.Column("identity", sql.String, nullable=False),
    sql.Column("run", sql.String, nullable=False),
    sql.Column("step", sql.Integer, nullable=False),
    sql.Column("task", sql.String, nullable=False),
    sql.Column("detail", sql.String, nullable=False, default="", server_default=""),
)
DIGESTS = sql.Table(
    "digests",
    METADATA,
    sql.Column("path", sql.String, primary_key=True),
    sql.Column("fingerprint", sql.String, nullable=False),
    sql.Column("digest", sql.String, nullable=False),
)
COORDINATORS = sql.Table(
    "coordinators",
    METADATA,
    sql.Column("owner", sql.String, primary_key=True),
    sql.Column("host", sql.String, nullable=False),
    sql.Column("pid", sql.Integer, nullable=False),
    sql.Column("started_at", sql.Float, nullable=False),
    sql.Column("beat_at", sql.Float, nullable=False),
    sql.Column("activity", sql.String, nullable=False, default="", server_default=""),
)
# Which pairs' scores were sent to which tracker.
SENT = sql.Table(
    "sent",
    METADATA,
    sql.Column("tracker", sql.String, primary_key=True),
    sql.Column("identity", sql.String, primary_key=True),
)


def is_current(connection: sql.Connection) -> bool:
    """Tell whether a database has the tables above."""
    if not sql.inspect(connection).has_table("alembic_version"):
        return False
    return connection.execute(sql.text("SELECT version_num FROM alembic_version")).scalar() == REVISION


def migrate(connection: sql.Connection) -> None:
    """Bring a database, empty or of an earlier version, to the tables above."""
    # Asked first: a ledger that is as it should be does not cost the import of Alembic.
    if is_current(connection):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)

"""The first ledger: pairs, events, digests. Ledgers made before there were migrations have these tables already."""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables where they are missing."""
    text, number = sql.String, sql.Integer
    place = (("identity", text), ("run", text), ("step", number), ("task", text))
    op.create_table(
        "pairs",
        *(sql.Column(name, kind, nullable=False, primary_key=name == "identity") for name, kind in place),
        sql.Column("state", text, nullable=False),
        sql.Column("attempts", number, nullable=False),
        sql.Column("reason", text, nullable=False),
        sql.Column("changed_at", text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "events",
        sql.Column("number", number, primary_key=True, autoincrement=True),
        sql.Column("at", text, nullable=False),
        sql.Column("event", text, nullable=False),
        *(sql.Column(name, kind, nullable=False) for name, kind in place),
        sql.Column("detail", text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "digests",
        sql.Column("path", text, primary_key=True),
        sql.Column("fingerprint", text, nullable=False),
        sql.Column("digest", text, nullable=False),
        if_not_exists=True,
    )

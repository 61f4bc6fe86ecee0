"""Leases, back-off, quarantine with the log's tail, measured seconds, who coordinates, and what trackers got."""

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and the table of coordinators."""
    added = (
        ("given_up", sql.Boolean, sql.false()),
        ("log", sql.String, ""),
        ("not_before", sql.Float, "0"),
        ("lease_owner", sql.String, ""),
        ("lease_job", sql.String, ""),
        ("lease_until", sql.Float, "0"),
    )
    for name, kind, default in added:
        op.add_column("pairs", sql.Column(name, kind, nullable=False, server_default=default))
    op.add_column("pairs", sql.Column("seconds", sql.Float, nullable=True))
    op.create_table(
        "coordinators",
        sql.Column("owner", sql.String, primary_key=True),
        sql.Column("host", sql.String, nullable=False),
        sql.Column("pid", sql.Integer, nullable=False),
        sql.Column("started_at", sql.Float, nullable=False),
        sql.Column("beat_at", sql.Float, nullable=False),
        sql.Column("activity", sql.String, nullable=False, server_default=""),
    )
    op.create_table(
        "sent",
        sql.Column("tracker", sql.String, primary_key=True),
        sql.Column("identity", sql.String, primary_key=True),
    )
    op.create_index("pairs_by_lease", "pairs", ["lease_owner"])

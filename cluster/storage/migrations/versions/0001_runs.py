"""Runs, their entries and their sittings."""

import sqlalchemy as sql
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "runs",
        sql.Column("id", sql.String(32), primary_key=True),
        sql.Column("folder", sql.Text, nullable=False),
        sql.Column("created", sql.Float, nullable=False),
        sql.Column("term", sql.Integer, nullable=False),
        sql.Column("holder", sql.Text),
        sql.Column("until", sql.Float, nullable=False),
    )
    op.create_table(
        "entries",
        sql.Column("run", sql.String(32), sql.ForeignKey("runs.id"), primary_key=True),
        sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
        sql.Column("kind", sql.String(16), nullable=False),
        sql.Column("body", sql.Text, nullable=False),
        sql.Column("hash", sql.String(64), nullable=False),
    )
    op.create_table(
        "sittings",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column("run", sql.String(32), sql.ForeignKey("runs.id"), nullable=False),
        sql.Column("started", sql.Float, nullable=False),
        sql.Column("last_seen", sql.Float, nullable=False),
    )

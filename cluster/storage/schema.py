"""Schema: the tables that runs are journalled in. What changes here needs a migration beside it."""

import sqlalchemy as sql

REVISION = "0001"
"""The newest migration in `migrations/versions`: what this version reads and writes."""

metadata = sql.MetaData()

runs = sql.Table(
    "runs",
    metadata,
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("folder", sql.Text, nullable=False),
    sql.Column("created", sql.Float, nullable=False),
    sql.Column("term", sql.Integer, nullable=False),  # grows with every process that holds it
    sql.Column("holder", sql.Text),  # JSON: host, pid, process; null between holders
    sql.Column("until", sql.Float, nullable=False),  # the end of the hold, if not prolonged
)
entries = sql.Table(
    "entries",
    metadata,
    sql.Column("run", sql.ForeignKey("runs.id"), primary_key=True),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),  # from 0
    sql.Column("kind", sql.String(16), nullable=False),  # asked, answered, noted, finetuned
    sql.Column("body", sql.Text, nullable=False),  # JSON
    sql.Column("hash", sql.String(64), nullable=False),  # SHA-256, over the one before, too
)
sittings = sql.Table(
    "sittings",
    metadata,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("run", sql.ForeignKey("runs.id"), nullable=False),
    sql.Column("started", sql.Float, nullable=False),
    sql.Column("last_seen", sql.Float, nullable=False),
)

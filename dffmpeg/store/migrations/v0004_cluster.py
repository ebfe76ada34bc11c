"""Several coordinators on one database: who lives, who minds which worker, and what they tell each other."""

from __future__ import annotations

import sqlalchemy as sa

from dffmpeg.store.columns import ID, NUMBER, TEXT
from dffmpeg.store.migrations import ddl

# As they were when this step was made, whatever the schema says later: a step is never changed.
_metadata = sa.MetaData()
sa.Table(
    "coordinators",
    _metadata,
    sa.Column("coordinator_id", ID, primary_key=True),
    sa.Column("address", TEXT),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("version", TEXT),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("renewed_at", sa.Double, nullable=False),
    sa.Column("renewals", sa.BigInteger, nullable=False),
)
sa.Table(
    "changes",
    _metadata,
    sa.Column("seq", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("coordinator_id", ID, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", ID, nullable=False),
    sa.Index("changes_by_time", "at"),
    sqlite_autoincrement=True,
)


def upgrade(connection: sa.Connection) -> None:
    """Add the tables, and what a worker's row says of its process and of its coordinator."""
    for column in ("instance", "home"):
        ddl.add_column(connection, "workers", column, ID)
    ddl.create(connection, _metadata)

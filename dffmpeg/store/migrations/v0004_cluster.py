"""Several coordinators on one database: who lives, who minds which worker, and what they tell each other."""

from __future__ import annotations

import sqlalchemy as sa

ID = sa.String(128)

_metadata = sa.MetaData()
sa.Table(
    "coordinators",
    _metadata,
    sa.Column("coordinator_id", ID, primary_key=True),
    sa.Column("address", sa.Text),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("version", sa.Text),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("renewed_at", sa.Double, nullable=False),
    sa.Column("renewals", sa.BigInteger, nullable=False),
)
sa.Table(
    "changes",
    _metadata,
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    sa.Column("coordinator_id", ID, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", ID, nullable=False),
    sa.Index("changes_by_time", "at"),
    sqlite_autoincrement=True,
)


def upgrade(connection: sa.Connection) -> None:
    """Add the tables, and what a worker's row says of its process and of its coordinator."""
    kind = ID.compile(connection.dialect)
    for column in ("instance", "home"):
        connection.exec_driver_sql(f"ALTER TABLE workers ADD COLUMN {column} {kind}")
    _metadata.create_all(connection, checkfirst=False)

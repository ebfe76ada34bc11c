"""Servers that several coordinators share: which steps leave older programs at work, and whose turn it is to
write a recipient's messages."""

from __future__ import annotations

import sqlalchemy as sa

from dffmpeg.store.columns import ID, NUMBER
from dffmpeg.store.migrations import ddl

_metadata = sa.MetaData()
sa.Table(
    "message_turns",
    _metadata,
    sa.Column("recipient_id", ID, primary_key=True),
    sa.Column("turn", NUMBER, nullable=False),
)


def upgrade(connection: sa.Connection) -> None:
    """Add the column and the table."""
    ddl.add_column(connection, "schema_version", "expands", sa.SmallInteger(), 0)
    ddl.create(connection, _metadata)

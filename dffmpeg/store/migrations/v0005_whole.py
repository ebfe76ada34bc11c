"""How long outputs were, so that what is missing can be told; what shows that a worker's process is alone."""

from __future__ import annotations

import sqlalchemy as sa

from dffmpeg.store.columns import TEXT
from dffmpeg.store.migrations import ddl


def upgrade(connection: sa.Connection) -> None:
    """Add the columns; of what was there before nothing is known."""
    ddl.add_column(connection, "attempts", "outputs", TEXT)
    ddl.add_column(connection, "workers", "sole_on", sa.String(64))

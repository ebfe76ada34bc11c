"""What a program inherits from its caller travels with the job."""

from __future__ import annotations

import sqlalchemy as sa

from dffmpeg.store.columns import BYTES
from dffmpeg.store.migrations import ddl


def upgrade(connection: sa.Connection) -> None:
    """Add the column; jobs from before have none."""
    ddl.add_column(connection, "jobs", "launch", BYTES)

"""What a program inherits from its caller travels with the job."""

from __future__ import annotations

import sqlalchemy as sa


def upgrade(connection: sa.Connection) -> None:
    """Add the column; jobs from before have none."""
    kind = sa.LargeBinary().compile(connection.dialect)
    connection.exec_driver_sql(f"ALTER TABLE jobs ADD COLUMN launch {kind}")

"""How long outputs were, so that what is missing can be told; what shows that a worker's process is alone."""

from __future__ import annotations

import sqlalchemy as sa


def upgrade(connection: sa.Connection) -> None:
    """Add the columns; of what was there before nothing is known."""
    text, name = (kind.compile(connection.dialect) for kind in (sa.Text(), sa.String(64)))
    connection.exec_driver_sql(f"ALTER TABLE attempts ADD COLUMN outputs {text}")
    connection.exec_driver_sql(f"ALTER TABLE workers ADD COLUMN sole_on {name}")

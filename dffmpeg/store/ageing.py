"""Rows that have had their time: some of the oldest, in one transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dffmpeg.store.database import Database


async def forget(
    database: Database, key: sa.Column[Any], time: sa.Column[Any], before: float, limit: int
) -> int:
    """Delete the oldest rows of a table. Durable on return.

    Args:
        key: the table's primary key.
        time: a column of it, with an index.
        before: rows whose time is earlier are old.
        limit: how many go at most.

    Returns:
        How many went.
    """
    # What another janitor is at is its own.
    old = sa.select(key).where(time < before).order_by(time).limit(limit).with_for_update(skip_locked=True)

    def operation(connection: sa.Connection) -> int:
        keys = connection.scalars(old).all()
        if keys:
            connection.execute(sa.delete(key.table).where(key.in_(keys)))
        return len(keys)

    return await database.write(operation)

"""Numbered steps from an empty database to the schema of today. Forward only; none is ever changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from dffmpeg.store import schema
from dffmpeg.store.errors import SchemaMismatch
from dffmpeg.store.migrations import v0001_first, v0002_launch, v0003_scheduling, v0004_cluster, v0005_whole

STEPS: Sequence[Callable[[sa.Connection], None]] = (
    v0001_first.upgrade,
    v0002_launch.upgrade,
    v0003_scheduling.upgrade,
    v0004_cluster.upgrade,
    v0005_whole.upgrade,
)
"""Step n leads from version n-1 to version n."""


def version(connection: sa.Connection) -> int:
    """The database's version; 0 for an empty one."""
    if not sa.inspect(connection).has_table(schema.schema_version.name):
        return 0
    found = connection.scalar(sa.select(sa.func.max(schema.schema_version.c.version)))
    return int(found or 0)


def require_current(connection: sa.Connection) -> int:
    """The database's version, which must be the one that this program was made for.

    Raises:
        SchemaMismatch: it is older or newer.
    """
    found = version(connection)
    if found != len(STEPS):
        raise mismatch(found)
    return found


def mismatch(found: int) -> SchemaMismatch:
    """What is wrong with a version that is not this program's, and what to do."""
    advice = (
        "use the newer dffmpeg that wrote it"
        if found > len(STEPS)
        else "stop what uses it, then: dffmpeg-admin db migrate"
    )
    return SchemaMismatch(
        f"the database has schema version {found}, this program knows {len(STEPS)}: {advice}"
    )


def migrate(connection: sa.Connection) -> int:
    """Bring the database up to date, inside the caller's transaction.

    Returns:
        How many steps were taken.

    Raises:
        SchemaMismatch: the database is newer than this program.
    """
    found = version(connection)
    if found > len(STEPS):
        raise mismatch(found)
    for number in range(found + 1, len(STEPS) + 1):
        STEPS[number - 1](connection)
        connection.execute(sa.insert(schema.schema_version).values(version=number, applied_at=time.time()))
    return len(STEPS) - found

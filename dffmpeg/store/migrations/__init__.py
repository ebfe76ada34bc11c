"""Numbered steps from an empty database to the schema of today. Forward only; none is ever changed.

**Expand, then contract.** Several coordinators share a server, and are not all upgraded at the same time. So
a step either *expands*: the programs of the version before go on working with what it leaves (it adds
tables, indexes, and columns that may be NULL or have a default). Or it is only made once nobody else has the
database open, and programs that do not know it refuse the database. A column that is to go, or to mean
something else, takes two releases: one that expands and writes both, and a later one that contracts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from dffmpeg.store import schema
from dffmpeg.store.errors import SchemaMismatch
from dffmpeg.store.migrations import (
    ddl,
    v0001_first,
    v0002_launch,
    v0003_scheduling,
    v0004_cluster,
    v0005_whole,
    v0006_servers,
    v0007_people,
)


@dataclass(frozen=True, slots=True)
class Step:
    """From one version to the next.

    Attributes:
        expands: whether programs that do not know it can use what it leaves.
    """

    upgrade: Callable[[sa.Connection], None]
    expands: bool = False


STEPS: Sequence[Step] = (
    Step(v0001_first.upgrade),
    Step(v0002_launch.upgrade),
    Step(v0003_scheduling.upgrade),
    Step(v0004_cluster.upgrade),
    Step(v0005_whole.upgrade),
    # Programs before this one look at the number only.
    Step(v0006_servers.upgrade),
    Step(v0007_people.upgrade, expands=True),
)
"""Step n leads from version n-1 to version n."""

_TELLS = 6
"""The version from which on rows of `schema_version` tell whether their steps expand."""

_v = schema.schema_version.c


def version(connection: sa.Connection) -> int:
    """The database's version; 0 for an empty one."""
    if not sa.inspect(connection).has_table(schema.schema_version.name):
        return 0
    return int(connection.scalar(sa.select(sa.func.max(_v.version))) or 0)


def usable(connection: sa.Connection) -> bool:
    """Whether this program can work with the database as it is: it has all that the program knows, and what
    else it has does no harm."""
    found = version(connection)
    if found <= len(STEPS):
        return found == len(STEPS)
    beyond = sa.select(sa.func.count()).where(_v.version > len(STEPS), _v.expands == 0)
    return connection.scalar(beyond) == 0


def require_usable(connection: sa.Connection) -> None:
    """Return if `usable`.

    Raises:
        SchemaMismatch: otherwise.
    """
    if not usable(connection):
        raise mismatch(version(connection))


def mismatch(found: int) -> SchemaMismatch:
    """What is wrong with a version that this program cannot use, and what to do."""
    advice = (
        "use the newer dffmpeg that wrote it"
        if found > len(STEPS)
        else "stop what uses it, then: dffmpeg-admin db migrate"
    )
    return SchemaMismatch(
        f"the database has schema version {found}, this program knows {len(STEPS)}: {advice}"
    )


def only_expands(found: int) -> bool:
    """Whether programs that know this version, and no later one, can go on while the rest is done."""
    return all(step.expands for step in STEPS[found:])


def migrate(connection: sa.Connection, is_alone: Callable[[], bool] = lambda: True) -> int:
    """Bring the database up to date, inside the caller's transaction.

    An engine that commits each change of a table by itself may be left in the middle of a step; the next
    time that step is done again, and what is there already is passed over.

    Args:
        is_alone: tells whether nobody else has the database open.

    Returns:
        How many steps were taken.

    Raises:
        SchemaMismatch: the database is newer than this program, or others would be harmed.
    """
    if usable(connection):
        return 0
    found = version(connection)
    if found > len(STEPS):
        raise mismatch(found)
    if found and not only_expands(found) and not is_alone():
        raise SchemaMismatch(
            f"the database has schema version {found}, and coordinators that use it cannot go on with version"
            f" {len(STEPS)}: stop them all, then start again"
        )
    for number, step in enumerate(STEPS[found:], found + 1):
        step.upgrade(connection)
        row = {"version": number, "applied_at": time.time()}
        if number >= _TELLS:
            row["expands"] = int(step.expands)
        ddl.record(connection, sa.insert(schema.schema_version).values(row))
    return len(STEPS) - found

"""Several queries that see the same: what other connections commit between them is not among it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import sqlalchemy as sa

T = TypeVar("T")

_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

_BEGIN: Mapping[str, tuple[str, ...]] = {
    "sqlite": ("BEGIN",),
    "postgresql": ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",),
    "mysql": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", _SNAPSHOT),
    "mariadb": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", _SNAPSHOT),
}
"""By the name of the engine. The connections of readers commit by themselves, each query alone."""


def at_one_moment(query: Callable[[sa.Connection], T]) -> Callable[[sa.Connection], T]:
    """A reader's query that is made of several, each of which is to see the same rows."""

    def run(connection: sa.Connection) -> T:
        for statement in _BEGIN[connection.dialect.name]:
            connection.exec_driver_sql(statement)
        try:
            return query(connection)
        finally:
            if not connection.invalidated:
                connection.exec_driver_sql("ROLLBACK")

    return run

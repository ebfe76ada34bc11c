"""Everything in a database, row by row, into another one, of whichever engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from dffmpeg.store import schema
from dffmpeg.store.columns import BYTES, TEXT, Json, Packed
from dffmpeg.store.errors import StoreUnavailable, translated

TABLES: Mapping[str, tuple[sa.Table, ...]] = {
    "auth": (schema.identities, schema.audit),
    "jobs": (
        schema.jobs,
        schema.attempts,
        schema.job_predecessors,
        schema.settings,
        schema.janitor_runs,
        schema.hook_calls,
        schema.samples,
    ),
    "workers": (schema.workers,),
    "messages": (schema.messages, schema.message_turns),
    "streams": (schema.stream_chunks,),
}
"""By repository. What coordinators tell each other is of the moment, and stays."""

BATCH = 500
LARGE_BATCH = 32
"""Rows in one transaction; of output, where a row has up to 256 KiB."""

Report = Callable[[str, int], None]
"""Told a table's name, and how many of its rows are there so far."""


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one moment, whoever writes meanwhile."""
    level = "SERIALIZABLE" if engine.dialect.name == "sqlite" else "REPEATABLE READ"
    with translated(), engine.connect() as connection:
        yield connection.execution_options(isolation_level=level)


def rows_in(engine: sa.Engine, tables: Collection[sa.Table]) -> dict[str, int]:
    """How many rows there are, by table, where there are any."""
    with translated(), engine.connect() as connection:
        return {table.name: number for table in tables if (number := _count(connection, table))}


def copy(source: sa.Connection, target: sa.Engine, table: sa.Table, report: Report) -> int:
    """Copy a table's rows into its empty like, and count them there.

    Returns:
        How many.

    Raises:
        StoreUnavailable: a database failed, or fewer arrived.
    """
    raw = _raw(table)
    size = LARGE_BATCH if table is schema.stream_chunks else BATCH
    query = sa.select(raw).order_by(*(raw.c[column.name] for column in table.primary_key))
    expected = _count(source, table)
    done = 0
    with translated():
        found = source.execute(query, execution_options={"yield_per": size})
        with found, target.connect() as connection:
            for rows in found.mappings().partitions():
                with connection.begin():
                    connection.execute(sa.insert(raw), [dict(row) for row in rows])
                done += len(rows)
                report(table.name, done)
            with connection.begin():
                _count_on(connection, table)
                arrived = _count(connection, table)
    if not expected == done == arrived:
        raise StoreUnavailable(f"table {table.name}: {arrived} of {expected} rows arrived: begin anew")
    return done


def _raw(table: sa.Table) -> sa.TableClause:
    """The table with what stands in it, which is not decoded on its way."""
    return sa.table(table.name, *(sa.column(column.name, _plain(column)) for column in table.columns))


def _plain(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    if isinstance(column.type, Json):
        return TEXT
    return BYTES if isinstance(column.type, Packed) else column.type


def _count(connection: sa.Connection, table: sa.Table) -> int:
    with translated():
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def _count_on(connection: sa.Connection, table: sa.Table) -> None:
    """Have numbers that are drawn from now on come behind those that were copied: others do it themselves."""
    if connection.dialect.name != "postgresql" or "seq" not in table.c:
        return
    connection.execute(
        sa.text(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', 'seq'), max(seq))"  # noqa: S608
            f" FROM {table.name} HAVING max(seq) IS NOT NULL"
        )
    )

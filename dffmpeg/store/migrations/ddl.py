"""Changing tables on every engine.

MySQL commits each such statement by itself, so a migration can be cut off between two of them, and with
Galera two servers may be told the same at once. There, what is there already counts as done.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

_THERE_ALREADY = frozenset(
    # MySQL's numbers for a table, a column, an index, and a row.
    {1050, 1060, 1061, 1062}
)


def create(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Create tables and their indexes."""
    for table in metadata.sorted_tables:
        run(connection, str(CreateTable(table).compile(dialect=connection.dialect)) + _options(connection))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            run(connection, str(CreateIndex(index).compile(dialect=connection.dialect)))


def add_column(
    connection: sa.Connection,
    table: str,
    name: str,
    kind: sa.types.TypeEngine[Any],
    default: str | int | bytes | None = None,
) -> None:
    """Add a column.

    Args:
        default: what rows from before have in it; with None it may be NULL, and is.
    """
    quoted = connection.dialect.identifier_preparer.quote(name)
    column = f"{quoted} {kind.compile(connection.dialect)}"
    if default is not None:
        column += f" NOT NULL DEFAULT {_literal(connection, default)}"
    run(connection, f"ALTER TABLE {table} ADD COLUMN {column}")


def run(connection: sa.Connection, statement: str) -> None:
    """Run a statement that changes tables."""
    _unless_there(connection, lambda: connection.exec_driver_sql(statement))


def record(connection: sa.Connection, statement: sa.Insert) -> None:
    """Add a row that says what has been done."""
    _unless_there(connection, lambda: connection.execute(statement))


def _unless_there(connection: sa.Connection, action: Any) -> None:
    try:
        action()
    except sa.exc.DBAPIError as error:
        code = error.orig.args[0] if error.orig is not None and error.orig.args else None
        if connection.dialect.name != "mysql" or code not in _THERE_ALREADY:
            raise


def _options(connection: sa.Connection) -> str:
    dialect = connection.dialect
    if dialect.name != "mysql":
        return ""
    # By bytes, in which case and trailing spaces count as they do elsewhere.
    collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
    return f" ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation}"


def _literal(connection: sa.Connection, value: str | int | bytes) -> str:
    name = connection.dialect.name
    if isinstance(value, bytes):
        # `x'80'` is a string of bits to PostgreSQL.
        text = f"'\\x{value.hex()}'::bytea" if name == "postgresql" else f"x'{value.hex()}'"
    elif isinstance(value, str):
        text = f"'{value}'"
    else:
        text = str(value)
    # MySQL takes a literal for no text, an expression for any column.
    return f"({text})" if name == "mysql" else text

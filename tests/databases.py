"""Databases for tests: of each engine one of its own, which is gone afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from dffmpeg.store import REPOSITORIES, StoreSettings, schema
from dffmpeg.store.mysql import MysqlDatabase
from dffmpeg.store.postgresql import PostgresqlDatabase
from tests import services

SERVERS: Mapping[str, type[PostgresqlDatabase] | type[MysqlDatabase]] = {
    "postgresql": PostgresqlDatabase,
    "mysql": MysqlDatabase,
}
ENGINES = ("sqlite", *SERVERS)

Options = dict[str, Any]


def server(engine: str) -> Options:
    """What a configuration says of the tests' server, which takes connections; else as `services.require`."""
    url = services.listening(engine)
    options: Options = {"host": url.hostname, "port": url.port, "database": url.path.strip("/")}
    options |= {"user": unquote(url.username)} if url.username else {}
    return options | ({"password": unquote(url.password)} if url.password else {})


@contextmanager
def created(engine: str) -> Iterator[Options]:
    """An empty database of a server around a block."""
    options = server(engine)
    name = f"dffmpeg_test_{secrets.token_hex(6)}"
    with connected(engine, options) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield {**options, "database": name}
        finally:
            force = " WITH (FORCE)" if engine == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")


@contextmanager
def connected(engine: str, options: Mapping[str, Any]) -> Iterator[sa.Connection]:
    """A connection whose statements are committed one by one; not one of the program's own."""
    url = sa.URL.create(
        SERVERS[engine].dialect,
        username=options.get("user"),
        password=options.get("password"),
        host=options["host"],
        port=options["port"],
        database=options["database"],
    )
    made = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with made.connect() as connection:
        yield connection


def emptied(engine: str, options: Mapping[str, Any]) -> None:
    """Take all rows away but those that say which tables there are."""
    with connected(engine, options) as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table is not schema.schema_version and sa.inspect(connection).has_table(table.name):
                connection.exec_driver_sql(f"DELETE FROM {table.name}")


def settings(engine: str, options: Mapping[str, Any]) -> StoreSettings:
    """Everything on one engine."""
    return StoreSettings(engine_defaults={engine: dict(options)}, engines=dict.fromkeys(REPOSITORIES, engine))


def sqlite(path: Path) -> Options:
    return {"path": str(path)}

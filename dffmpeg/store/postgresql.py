"""PostgreSQL, by way of psycopg."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa

from dffmpeg.errors import ConfigurationError
from dffmpeg.store import postgresql_ear
from dffmpeg.store.database import Ear
from dffmpeg.store.errors import Unreachable, told
from dffmpeg.store.server import IDLE_S, LOCK_S, PROGRAM, Connect, ServerDatabase
from dffmpeg.store.server_settings import ServerSettings

OLDEST = 120_000
"""Version 12."""

_SSLMODE = {"off": "disable", "prefer": "prefer", "require": "require", "verify": "verify-full"}
_DURABLE = ("fsync", "full_page_writes")
_MIGRATION = 0x64666670
"""Names the lock of those who migrate; any number that other programs do not use."""

_SESSIONS = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = :program AND pid <> pg_backend_pid()"
)


class PostgresqlDatabase(ServerDatabase):
    engine = "postgresql"
    driver = "psycopg"
    dialect = "postgresql+psycopg"
    port = 5432
    # The server is stopped, or starts.
    lost = frozenset({"57P01", "57P02", "57P03"})

    @classmethod
    def connecting(cls, settings: ServerSettings, *, writing: bool, hurried: bool = True) -> Connect:
        parameters = _parameters(settings)
        session = _session(settings, writing=writing, hurried=hurried)

        def connect() -> Any:
            import psycopg

            try:
                connection = psycopg.connect(**parameters, autocommit=True)
            except psycopg.Error as error:
                raise Unreachable(told(error)) from error
            try:
                connection.execute(session)
                _require(connection)
                connection.autocommit = False
            except BaseException as error:
                # Nobody has it yet who could close it, whatever went wrong; the error goes on.
                connection.close()
                if isinstance(error, psycopg.Error):
                    raise Unreachable(told(error)) from error
                raise
            return connection

        return connect

    def ring(self, connection: sa.Connection, by: str) -> None:
        postgresql_ear.notify(connection, by)

    @asynccontextmanager
    async def listening(self, own: str) -> AsyncIterator[Ear]:
        connect = self.connecting(self._settings, writing=False)
        async with postgresql_ear.listening(connect, own) as ear:
            yield ear

    @classmethod
    def sessions(cls, connection: sa.Connection) -> int:
        # What a transaction has seen of others it sees again, unless it forgets it.
        connection.execute(sa.select(sa.func.pg_stat_clear_snapshot()))
        return int(connection.scalar(_SESSIONS, {"program": PROGRAM}) or 0)

    @classmethod
    def doubts(cls, connection: sa.Connection) -> list[str]:
        off = [name for name in _DURABLE if connection.exec_driver_sql(f"SHOW {name}").scalar() == "off"]
        return [f"the server has {name} = off: it may lose what it has acknowledged" for name in off]

    @classmethod
    def lock(cls, connection: sa.Connection) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION)))


def _parameters(settings: ServerSettings) -> dict[str, Any]:
    # Those of libpq: https://www.postgresql.org/docs/current/libpq-connect.html
    wanted: dict[str, Any] = {
        "host": settings.socket or ",".join(host for host, _ in settings.hosts),
        "port": None if settings.socket else ",".join(str(port) for _, port in settings.hosts),
        "dbname": settings.database,
        "user": settings.user,
        "password": settings.password,
        # It knows whole seconds, and takes 1 for 2.
        "connect_timeout": max(2, round(settings.connect_timeout)),
        "application_name": PROGRAM,
        "client_encoding": "utf-8",
        "target_session_attrs": "read-write",
        "sslmode": _SSLMODE[settings.tls],
        "sslrootcert": settings.ca or ("system" if settings.tls == "verify" else None),
        "sslcert": settings.cert,
        "sslkey": settings.key,
        # A server that vanished without a word is noticed.
        "tcp_user_timeout": round(settings.timeout * 1000),
        "keepalives_idle": max(1, round(settings.timeout / 3)),
        "keepalives_interval": max(1, round(settings.timeout / 6)),
        "keepalives_count": 3,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _session(settings: ServerSettings, *, writing: bool, hurried: bool) -> str:
    timeout = round(settings.timeout * 1000) if hurried else 0
    # Changing a table waits for whoever uses it, and takes what its size takes.
    wanted = {"statement_timeout": timeout, "lock_timeout": LOCK_S * 1000 if hurried else 0}
    statements = [f"SET {name} = {value}" for name, value in wanted.items()]
    if writing:
        statements.append(f"SET idle_in_transaction_session_timeout = {IDLE_S * 1000 if hurried else 0}")
        # What was acknowledged is on the server's disk, whatever is usual there.
        statements.append(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
    else:
        statements.append("SET default_transaction_read_only = on")
    return "; ".join(statements)


def _require(connection: Any) -> None:
    """Raise ConfigurationError for a server that cannot hold our rows."""
    if connection.info.server_version < OLDEST:
        raise ConfigurationError("PostgreSQL 12 or newer is needed")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database has the encoding {encoding}; expected UTF8: CREATE DATABASE … ENCODING 'UTF8'"
        )

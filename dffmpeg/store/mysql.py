"""MariaDB and MySQL, by way of PyMySQL."""

from __future__ import annotations

import ssl
from typing import Any

import sqlalchemy as sa

from dffmpeg.errors import ConfigurationError
from dffmpeg.store.errors import StoreUnavailable, Unreachable, told
from dffmpeg.store.server import IDLE_S, LOCK_S, PROGRAM, Connect, ServerDatabase
from dffmpeg.store.server_settings import ServerSettings

MIGRATION_S = 3600
"""Seconds for which another process's migration is waited for."""

_OLDEST = {True: (10, 6), False: (8, 0, 17)}
"""By whether it is MariaDB."""

_SESSIONS = sa.text(
    "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    " AND user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"
)


class MysqlDatabase(ServerDatabase):
    engine = "mysql"
    driver = "pymysql"
    dialect = "mysql+pymysql"
    port = 3306
    # The server stops; the connection was killed; a node of a Galera cluster that is no part of it
    # now; a server that only reads.
    lost = frozenset({1053, 1077, 1079, 1927, 1047, 1290, 1836, 3169})

    @classmethod
    def connecting(cls, settings: ServerSettings, *, writing: bool, hurried: bool = True) -> Connect:
        common = _parameters(settings, hurried=hurried)
        places = [{"host": host, "port": port} for host, port in settings.hosts] or [
            {"unix_socket": settings.socket}
        ]

        def connect() -> Any:
            refusals: list[str] = []
            for place in places:
                try:
                    return _connect({**common, **place}, writing=writing, hurried=hurried)
                except Unreachable as error:
                    refusals.append(str(error))
            raise Unreachable("; ".join(refusals))

        return connect

    @classmethod
    def sessions(cls, connection: sa.Connection) -> int:
        return int(connection.scalar(_SESSIONS) or 0)

    @classmethod
    def doubts(cls, connection: sa.Connection) -> list[str]:
        names = "'innodb_flush_log_at_trx_commit', 'wsrep_on'"
        rows = connection.exec_driver_sql(f"SHOW VARIABLES WHERE variable_name IN ({names})").all()
        found = {str(name).lower(): str(value) for name, value in rows}
        level = found.get("innodb_flush_log_at_trx_commit")
        # A cluster has it on other machines, too.
        if level == "1" or found.get("wsrep_on") == "ON":
            return []
        return [
            f"the server has innodb_flush_log_at_trx_commit = {level}: only 1 keeps what was acknowledged"
        ]

    @classmethod
    def lock(cls, connection: sa.Connection) -> None:
        # Its name is the server's, so that each database has to have its own; at most 64 characters.
        name = sa.func.concat("dffmpeg.", sa.func.md5(sa.func.database()))
        if connection.scalar(sa.select(sa.func.get_lock(name, MIGRATION_S))) != 1:
            raise StoreUnavailable(f"another process has been changing its tables for {MIGRATION_S} s")


def _connect(parameters: dict[str, Any], *, writing: bool, hurried: bool) -> Any:
    import pymysql

    try:
        connection = pymysql.connect(**parameters)
    except pymysql.Error as error:
        raise Unreachable(told(error)) from error
    try:
        _require(connection)
        with connection.cursor() as cursor:
            for statement in _session(_is_mariadb(connection), writing=writing, hurried=hurried):
                cursor.execute(statement)
    except BaseException as error:
        # Nobody has it yet who could close it, whatever went wrong; the error goes on.
        connection.close()
        if isinstance(error, pymysql.Error):
            raise Unreachable(told(error)) from error
        raise
    return connection


def _parameters(settings: ServerSettings, *, hurried: bool) -> dict[str, Any]:
    from pymysql.constants import CLIENT

    wanted: dict[str, Any] = {
        "database": settings.database,
        "user": settings.user,
        # A text would be taken for Latin-1.
        "password": None if settings.password is None else settings.password.encode(),
        "charset": "utf8mb4",
        "connect_timeout": settings.connect_timeout,
        "read_timeout": settings.timeout if hurried else None,
        "write_timeout": settings.timeout if hurried else None,
        "program_name": PROGRAM,
        # A statement tells how many rows it found, not how many it made different.
        "client_flag": CLIENT.FOUND_ROWS,
        "sql_mode": "STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO"
        ",NO_ENGINE_SUBSTITUTION",
    }
    if settings.tls == "off":
        wanted["ssl_disabled"] = True
    elif settings.tls != "prefer" or settings.ca or settings.cert:
        wanted["ssl"] = _context(settings)
    return {name: value for name, value in wanted.items() if value is not None}


def _context(settings: ServerSettings) -> ssl.SSLContext:
    """What TLS has to be like."""
    try:
        context = ssl.create_default_context(cafile=settings.ca)
        if settings.cert is not None:
            context.load_cert_chain(settings.cert, settings.key)
    except OSError as error:
        # Of its own errors, too.
        names = ", ".join(name for name in (settings.ca, settings.cert, settings.key) if name)
        raise ConfigurationError(
            f"database.engine_defaults.mysql: cannot use the TLS files {names}: {error.strerror or error}"
        ) from None
    # Certificates that a server has made for itself lack what strictness asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.tls != "verify":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _session(mariadb: bool, *, writing: bool, hurried: bool) -> list[str]:
    wanted = [f"SET SESSION innodb_lock_wait_timeout = {LOCK_S}"]
    if mariadb:
        # With Galera: whoever reads sees what any other node had committed by then.
        wanted.append("SET SESSION wsrep_sync_wait = 1")
    if writing and hurried:
        # MySQL knows no such time for transactions only; coordinators show signs of life more often.
        wanted.append(f"SET SESSION {'idle_transaction_timeout' if mariadb else 'wait_timeout'} = {IDLE_S}")
    if not writing:
        wanted.append("SET SESSION TRANSACTION READ ONLY")
    return wanted


def _is_mariadb(connection: Any) -> bool:
    return "MariaDB" in connection.get_server_info()


def _require(connection: Any) -> None:
    """Raise ConfigurationError for a server that is too old."""
    told_version = connection.get_server_info()
    mariadb = _is_mariadb(connection)
    # MariaDB puts this before its own, for old replicas.
    plain = told_version.removeprefix("5.5.5-").split("-")[0]
    if tuple(int(part) for part in plain.split(".") if part.isdecimal()) < _OLDEST[mariadb]:
        raise ConfigurationError(f"MariaDB 10.6 or MySQL 8.0.17, or newer, is needed; this is {told_version}")

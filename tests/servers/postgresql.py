"""A PostgreSQL server of one's own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import trio

from tests.servers.account import Account
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess
from tests.servers.requirements import program

DATABASE = "dffmpeg"
USER = "dffmpeg"
PASSWORD = "dffmpeg-test"

PACKAGE = "postgresql"

SMALL = {
    "shared_buffers": "16MB",
    "max_connections": "100",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "autovacuum_max_workers": "1",
    "max_worker_processes": "1",
    "max_parallel_workers": "0",
}


class PostgreSQL:
    """A running server. `process` is its process: kill it, start it again, freeze it.

    Attributes:
        port: on the loopback address; kept across restarts.
        database, user, password: made for whoever uses it; the user owns the database.
    """

    database = DATABASE
    user = USER
    password = PASSWORD

    def __init__(self, process: ServerProcess, port: int) -> None:
        self.process = process
        self.port = port
        self.host = LOOPBACK

    async def run(self, statement: str) -> list[tuple[object, ...]]:
        """One statement as the administrator.

        Raises:
            psycopg.Error: the server refuses, or is not there.
        """
        return await trio.to_thread.run_sync(_run, self.port, statement)


@asynccontextmanager
async def open_postgresql(options: Mapping[str, str] | None = None) -> AsyncIterator[PostgreSQL]:
    """A server around a block.

    Args:
        options: settings of the server, by name.

    Raises:
        Missing: this machine has none.
        ServerFailed: it does not start.
    """
    account = Account("postgres")
    with account.folder("postgresql") as folder:
        places = _places()
        await _install(account, folder, places)
        port = free_port()
        settings = {
            **SMALL,
            "listen_addresses": LOOPBACK,
            "port": f"{port}",
            "unix_socket_directories": f"{folder}",
            **(options or {}),
        }
        argv = account.command(program("postgres", PACKAGE, places=places), "-D", f"{folder}/data")
        argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = ServerProcess("postgresql", argv, folder / "log", lambda: _answers(port))
        server = PostgreSQL(process, port)
        try:
            await process.start()
            await server.run(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
            await server.run(f"CREATE DATABASE {DATABASE} OWNER {USER}")
            yield server
        finally:
            await process.kill()


def _places() -> list[str]:
    """Debian keeps each version's programs away from the PATH; the newest first."""
    versions = Path("/usr/lib/postgresql")
    found = [path for path in versions.glob("*/bin") if path.parent.name.isdigit()]
    return [str(path) for path in sorted(found, key=lambda path: -int(path.parent.name))]


async def _install(account: Account, folder: Path, places: list[str]) -> None:
    command = account.command(
        program("initdb", PACKAGE, places=places),
        f"--pgdata={folder}/data",
        "--username=postgres",
        # Nobody but this machine's users reaches it.
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    )
    await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT, cwd="/")


async def _answers(port: int) -> bool:
    try:
        await trio.to_thread.run_sync(_run, port, "SELECT 1")
    except psycopg.Error:
        return False
    return True


def _run(port: int, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(
        host=LOOPBACK, port=port, user="postgres", dbname="postgres", autocommit=True, connect_timeout=10
    ) as connection:
        cursor = connection.execute(statement.encode())
        return list(cursor.fetchall()) if cursor.description is not None else []

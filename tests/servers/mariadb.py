"""A MariaDB server of one's own, and what its nodes share with those of a Galera cluster."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.servers import sql
from tests.servers.account import Account
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerProcess
from tests.servers.requirements import program

DATABASE = "dffmpeg"
USER = "dffmpeg"
PASSWORD = "dffmpeg-test"

PACKAGE = "mariadb-server"

SMALL = {
    "innodb-buffer-pool-size": "24M",
    "innodb-log-file-size": "32M",
    "innodb-log-buffer-size": "2M",
    "key-buffer-size": "1M",
    "aria-pagecache-buffer-size": "1M",
    "performance-schema": "OFF",
    "max-connections": "200",
    "table-open-cache": "200",
    "skip-name-resolve": "ON",
}
"""What keeps a node below 150 MB."""


class MariaDB:
    """A running server, and hands to break it with. `process` is its process.

    Attributes:
        port: on the loopback address; kept across restarts.
        database, user, password: made for whoever uses it, with all rights on that database.
    """

    database = DATABASE
    user = USER
    password = PASSWORD

    def __init__(self, process: ServerProcess, port: int) -> None:
        self.process = process
        self.port = port
        self.host = LOOPBACK

    async def run(self, statement: str) -> list[tuple[object, ...]]:
        """One statement as the administrator."""
        return await sql.run(self.port, statement)


def arguments(
    account: Account, folder: Path, port: int, options: Mapping[str, str], *, defaults: Path | None = None
) -> list[str]:
    """The command line of a node whose data is `folder/data`.

    Args:
        options: by name without dashes; they go before those of `defaults`.
        defaults: a configuration file; the machine's own is for the machine's own server.
    """
    settings = {
        **SMALL,
        "datadir": f"{folder}/data",
        "socket": f"{folder}/socket",
        "pid-file": f"{folder}/pid",
        "tmpdir": f"{folder}",
        "bind-address": LOOPBACK,
        "port": f"{port}",
        **options,
    }
    server = program("mariadbd", PACKAGE)
    source = "--no-defaults" if defaults is None else f"--defaults-file={defaults}"
    return account.command(server, source, *(f"--{name}={value}" for name, value in settings.items()))


async def install(account: Account, folder: Path) -> None:
    """Make `folder/data` with its system tables, and root without a password from the loopback address."""
    account.subfolder(folder / "data")
    command = account.command(
        program("mariadb-install-db", PACKAGE),
        "--no-defaults",
        f"--datadir={folder}/data",
        f"--tmpdir={folder}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
        "--innodb-flush-method=nosync",
    )
    await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT)


async def prepare(port: int) -> None:
    """Make the database and its user."""
    for statement in (
        f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4",
        f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT ALL ON {DATABASE}.* TO {USER}@'%'",
    ):
        await sql.run(port, statement)


@asynccontextmanager
async def open_mariadb(options: Mapping[str, str] | None = None) -> AsyncIterator[MariaDB]:
    """A server around a block.

    Args:
        options: of mariadbd, by name without dashes.

    Raises:
        Missing: this machine has none.
        ServerFailed: it does not start.
    """
    account = Account("mysql")
    with account.folder("mariadb") as folder:
        await install(account, folder)
        port = free_port()
        process = ServerProcess(
            "mariadb",
            arguments(account, folder, port, options or {}),
            folder / "log",
            lambda: sql.answers(port),
        )
        try:
            await process.start()
            await prepare(port)
            yield MariaDB(process, port)
        finally:
            await process.kill()

"""A Mosquitto broker of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.servers.account import Account
from tests.servers.ports import LOOPBACK, free_port, listens
from tests.servers.process import ServerProcess
from tests.servers.requirements import program

PACKAGE = "mosquitto"


class Mosquitto:
    """A running broker. `process` is its process: kill it, start it again, freeze it.

    Attributes:
        port: on the loopback address; kept across restarts. Messages for those who are away are not.
    """

    def __init__(self, process: ServerProcess, port: int) -> None:
        self.process = process
        self.port = port
        self.host = LOOPBACK


@asynccontextmanager
async def open_mosquitto(
    *, access: str | None = None, passwords: dict[str, str] | None = None
) -> AsyncIterator[Mosquitto]:
    """A broker around a block.

    Args:
        access: the text of an `acl_file`; None lets everybody do everything.
        passwords: by user; None lets everybody in.

    Raises:
        Missing: this machine has none.
        ServerFailed: it does not start.
    """
    account = Account("mosquitto")
    argv = account.command(program("mosquitto", PACKAGE))
    with account.folder("mosquitto") as folder:
        port = free_port()
        lines = [f"listener {port} {LOOPBACK}", f"allow_anonymous {str(passwords is None).lower()}"]
        if access is not None:
            lines.append(f"acl_file {account.write(folder / 'acl', access)}")
        if passwords is not None:
            file = account.write(folder / "passwords", "")
            for user, password in passwords.items():
                tool = program("mosquitto_passwd", PACKAGE)
                await trio.run_process(account.command(tool, "-b", str(file), user, password))
            lines.append(f"password_file {file}")
        configuration = account.write(folder / "mosquitto.conf", "\n".join(lines) + "\n")
        process = ServerProcess(
            "mosquitto", [*argv, "-c", str(configuration)], folder / "log", lambda: listens(port)
        )
        try:
            await process.start()
            yield Mosquitto(process, port)
        finally:
            await process.kill()

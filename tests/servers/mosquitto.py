"""A Mosquitto broker of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.servers.account import Account
from tests.servers.ports import LOOPBACK, free_port, listens
from tests.servers.process import ServerProcess
from tests.servers.requirements import program

PACKAGE = "mosquitto"

EXAMPLE = Path(__file__).parents[2] / "config/mosquitto/mosquitto.conf"


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
    *, passwords: Mapping[str, str] | None = None, access: str = ""
) -> AsyncIterator[Mosquitto]:
    """A broker around a block.

    Args:
        passwords: by user, who then are let in as the example in `config/` says; None lets everybody in, to
            do everything.
        access: the text of the `acl_file` with it.

    Raises:
        Missing: this machine has none.
        ServerFailed: it does not start.
    """
    account = Account("mosquitto")
    argv = account.command(program("mosquitto", PACKAGE))
    with account.folder("mosquitto") as folder:
        port = free_port()
        listener = f"listener {port} {LOOPBACK}"
        if passwords is None:
            text = f"{listener}\nallow_anonymous true\n"
        else:
            await _write_passwords(account, folder / "passwords", passwords)
            account.write(folder / "acl", access)
            example = EXAMPLE.read_text("utf-8").replace("/mosquitto/config/", f"{folder}/")
            text = example.replace("listener 1883", listener)
        configuration = account.write(folder / "mosquitto.conf", text)
        process = ServerProcess(
            "mosquitto", [*argv, "-c", str(configuration)], folder / "log", lambda: listens(port)
        )
        try:
            await process.start()
            yield Mosquitto(process, port)
        finally:
            await process.kill()


async def _write_passwords(account: Account, file: Path, passwords: Mapping[str, str]) -> None:
    account.write(file, "")
    tool = program("mosquitto_passwd", PACKAGE)
    for user, password in passwords.items():
        await trio.run_process(account.command(tool, "-b", str(file), user, password))

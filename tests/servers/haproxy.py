"""An HAProxy of one's own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.servers.account import Account
from tests.servers.ports import listens
from tests.servers.process import ServerProcess
from tests.servers.requirements import program

PACKAGE = "haproxy"


async def check(configuration: Path) -> str:
    """What HAProxy has against a configuration; nothing if it takes it.

    Raises:
        Missing: this machine has none.
    """
    command = [program("haproxy", PACKAGE), "-c", "-f", str(configuration)]
    result = await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT, check=False)
    return result.stdout.decode("utf-8", "replace") if result.returncode != 0 else ""


@asynccontextmanager
async def open_haproxy(configuration: str, ports: Sequence[int]) -> AsyncIterator[ServerProcess]:
    """HAProxy around a block, with that configuration; it is its process.

    Args:
        ports: where it listens, to know when it is ready.

    Raises:
        Missing: this machine has none.
        ServerFailed: it does not start, for example because the configuration is wrong.
    """
    # It may run as anybody.
    account = Account()
    with account.folder("haproxy") as folder:
        file = account.write(folder / "haproxy.cfg", configuration)

        async def ready() -> bool:
            return all([await listens(port) for port in ports])

        # Without a master process: the one that is started is the one that serves.
        argv = [program("haproxy", PACKAGE), "-db", "-f", str(file)]
        process = ServerProcess("haproxy", argv, folder / "log", ready)
        try:
            await process.start()
            yield process
        finally:
            await process.kill()

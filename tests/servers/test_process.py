"""What every server has: it starts, or says why not; it freezes and thaws; it does not outlive its owner."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.cluster.kit import GUARD, open_pidfd, read_line
from tests.servers.ports import LOOPBACK, free_port, listens
from tests.servers.process import ServerFailed, ServerProcess

LISTENER = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].close()
"""


def listener(folder: Path, port: int) -> ServerProcess:
    argv = [sys.executable, "-c", LISTENER, str(port)]
    return ServerProcess("listener", argv, folder / "log", lambda: listens(port))


async def test_it_is_ready_once_it_serves_and_gone_once_it_was_killed(tmp_path: Path) -> None:
    port = free_port()
    server = listener(tmp_path, port)
    for _life in range(2):
        await server.start()
        assert await listens(port)
        await server.kill()
        assert not server.running
        assert not await listens(port)


async def test_one_that_ends_at_once_says_why(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    server = ServerProcess("broken", ["sh", "-c", "echo no disk; exit 3"], tmp_path / "log", never)
    with pytest.raises(ServerFailed, match=r"broken ended with status 3[\s\S]*no disk"):
        await server.start()


async def test_one_that_ends_by_itself_is_not_killed(tmp_path: Path) -> None:
    script = "trap 'echo bye; exit' TERM; echo up; while true; do sleep 0.05; done"
    log = tmp_path / "log"

    async def up() -> bool:
        return "up" in log.read_text()

    server = ServerProcess("polite", ["sh", "-c", script], log, up)
    await server.start()
    await server.stop()
    assert log.read_text().split() == ["up", "bye"]
    await server.stop()


async def test_a_frozen_one_takes_connections_and_says_nothing(tmp_path: Path) -> None:
    port = free_port()
    server = listener(tmp_path, port)
    await server.start()
    server.freeze()
    # The kernel takes the connection; only the program would close it.
    stream = await trio.open_tcp_stream(LOOPBACK, port)
    closed = trio.Event()

    async def wait() -> None:
        assert await stream.receive_some() == b""
        closed.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        state = Path("/proc", str(server.pid), "stat").read_text().rsplit(")", 1)[1].split()[0]
        assert state == "T"
        assert not closed.is_set()
        server.thaw()
        with trio.fail_after(GUARD):
            await closed.wait()
    await stream.aclose()
    await server.kill()


OWNER = """
import sys, trio
from pathlib import Path
from tests.servers.test_process import listener
async def main():
    server = listener(Path(sys.argv[1]), int(sys.argv[2]))
    await server.start()
    print(server.pid, flush=True)
    await trio.sleep_forever()
trio.run(main)
"""


async def test_it_dies_with_its_owner(tmp_path: Path) -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path, str(port)], stdout=subprocess.PIPE, text=True
    ) as owner:
        pid = int(read_line(owner.stdout))
        with open_pidfd(pid) as ended:
            os.kill(owner.pid, signal.SIGKILL)
            assert select.select([ended], [], [], GUARD)[0]

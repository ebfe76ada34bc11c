"""Stand-ins and agents as real processes of a user's own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import trio

from dffmpeg.client import stand_ins
from dffmpeg.shim import rendezvous
from tests.client.programs import GUARD, Programs, ended


class Agents(Programs):
    """The programs, with stand-ins as an installation has them, and agents in a folder of their own."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        # A socket's path is short, and a test's folder is not.
        self._short = tempfile.TemporaryDirectory(prefix="dffmpeg-")
        self.runtime = Path(self._short.name)
        self.sockets = self.runtime / "dffmpeg"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in stand_ins.STANDARD:
            stand_ins.write_one(self.bin / name, self.config)
        self._running: list[trio.Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):
            for process in self._running:
                process.kill()
                await process.wait()
        self._short.cleanup()

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "PYTHONPATH": str(rendezvous.PACKAGE_PARENT),
        }

    @property
    def socket(self) -> Path:
        """Where the agent for the configuration as it is now listens."""
        return self.sockets / f"{rendezvous.identity(str(self.config))}.sock"

    async def agent(self, *arguments: str) -> trio.Process:
        """An agent that answers."""
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "dffmpeg.client", "agent", "--config", str(self.config), *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
        )
        self._running.append(process)
        await self.until(self.socket.exists)
        return process

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that other processes do to files, which nobody tells."""
        with trio.fail_after(GUARD):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.02)

    async def call(
        self,
        name: str,
        *arguments: str | bytes,
        stdin: int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
    ) -> trio.Process:
        """Start a stand-in."""
        return await trio.lowlevel.open_process(
            [self.bin / name, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.env, **(env or {})},
        )

    async def run_stand_in(
        self, name: str, *arguments: str | bytes, env: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run a stand-in to its end."""
        return await ended(await self.call(name, *arguments, env=env))

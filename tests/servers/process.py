"""One process of a server: started, killed, frozen, and never there longer than its owner."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from dffmpeg.standalone.child import describe_end, wait_ended

GUARD = 180.0
"""Seconds after which a server counts as hanging. A slow machine starts one in a tenth of that."""

STOP = 20.0
"""Seconds that a server gets to end by itself."""

Ready = Callable[[], Awaitable[bool]]


class ServerFailed(Exception):
    """A server ended, or did not become ready; the text has the end of its log."""


@dataclass
class ServerProcess:
    """A server's process, which may live several times.

    It must be started from the main thread: the kernel takes the end of a thread for that of the parent.

    Args:
        name: for messages.
        argv: the whole command line; the program must stay in the foreground under its first process id.
        log: where its output goes; appended to.
        ready: whether it does its work; asked again and again while it starts.
        environment: variables to set.
        whole: whether what it started itself dies with it, as with its machine, when it is killed; else
            only the process does.
    """

    name: str
    argv: Sequence[str]
    log: Path
    ready: Ready
    environment: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """The process's id; it must run."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def aborted(self) -> bool:
        """Whether it has ended by abort(3)."""
        return self._process is not None and self._process.poll() == -signal.SIGABRT

    async def start(self) -> None:
        """Start it and return when it is ready.

        Raises:
            ServerFailed: it ended before that, or takes too long.
        """
        self.spawn()
        await self.wait_ready()

    def spawn(self) -> None:
        """Start it; it is not ready yet."""
        assert not self.running, f"{self.name} runs already"
        # The group is for what the server starts itself, the signal for the case that we are killed.
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    async def wait_ready(self, ready: Ready | None = None) -> None:
        """Return when it is ready, or when another condition of it holds.

        Raises:
            ServerFailed: it ended before that, or takes too long.
        """
        condition = self.ready if ready is None else ready
        with trio.move_on_after(GUARD):
            while self.running:
                if await condition():
                    return
                await trio.sleep(0.05)
        state = "is not ready" if self.running else self._ending()
        raise ServerFailed(f"{self.name} {state}; the end of {self.log}:\n{self.tail()}")

    def freeze(self) -> None:
        """Stop its whole group, as a machine that hangs or is cut off would."""
        os.killpg(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        await self._end()

    async def stop(self) -> None:
        """Let it end in good order; kill it if it does not. Nothing if it does not run."""
        if not self.running:
            return
        with trio.move_on_after(STOP):
            self.thaw()
            os.kill(self.pid, signal.SIGTERM)
            assert self._process is not None
            await wait_ended(self._process)
        await self._end()

    def tail(self, lines: int = 30) -> str:
        """What it said last, and before that its errors: the end of a log often says only that it ends."""
        if not self.log.is_file():
            return "(it is empty)"
        said = self.log.read_text("utf-8", "replace").splitlines()
        errors = [line for line in said[:-lines] if "ERROR" in line]
        return "\n".join([*errors[-lines:], *said[-lines:]])

    async def _end(self) -> None:
        if self._process is None:
            return
        with trio.CancelScope(shield=True):
            # A group also when the process is gone itself: something that it started may not be.
            with suppress(ProcessLookupError):
                if self.whole:
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
            if self.running:
                await wait_ended(self._process)

    def _ending(self) -> str:
        assert self._process is not None
        return describe_end(self._process.returncode)

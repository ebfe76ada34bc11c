"""One process of the cluster as an actor: started, watched, and stopped with growing insistence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Never

import trio

from dffmpeg.actors.runtime import Actor
from dffmpeg.client.stand_ins import PACKAGE_PARENT, is_installed
from dffmpeg.errors import DffmpegError
from dffmpeg.standalone import bound
from dffmpeg.standalone.processes import Processes, Program

PATIENCE = (2.0, 5.0)
"""Seconds after the first SIGTERM, on which a worker lets its jobs end, and after the second."""

SHUTDOWN = sum(PATIENCE) + 3.0

LOG_LIMIT = 16 * 1024 * 1024
"""Bytes of a log at which a new start sets it aside."""


class StartFailed(DffmpegError):
    """A process ended before the cluster was ready."""


class ChildProcess(Actor[Never]):
    """Owns one process for one life of it; ends when the process does.

    It must be run from the process's main thread: see `bound`.

    Args:
        program: what to start.
        processes: where its state is noted.
        serves: returns when the process does its work; None if being started is enough.
        say: takes a line for the person at the terminal.
    """

    def __init__(
        self,
        program: Program,
        processes: Processes,
        serves: Callable[[], Awaitable[None]] | None,
        say: Callable[[str], None],
    ) -> None:
        self._program = program
        self._processes = processes
        self._serves = serves
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = trio.Event()
        self._is_ready = False

    async def run(self) -> None:
        """Start the process and stay until it has ended."""
        async with _process(self._program) as process:
            self._process = process
            self._processes.started(self._program, process.pid)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._report_ready)
                await wait_ended(process)
                nursery.cancel_scope.cancel()
        self._ended.set()
        self._note_end(process)

    async def stop(self) -> None:
        """SIGTERM, SIGTERM again, SIGKILL."""
        for patience in PATIENCE:
            self._signal(signal.SIGTERM)
            with trio.move_on_after(patience):
                await self._ended.wait()
                return
        self._signal(signal.SIGKILL)
        await self._ended.wait()

    async def _report_ready(self) -> None:
        if self._serves is not None:
            await self._serves()
        self._is_ready = True
        self.context.ready()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def _note_end(self, process: subprocess.Popen[bytes]) -> None:
        if self.context.stopping.is_set():
            self._processes.stopped(self._program.name, None)
            return
        said = _last_line(self._program.log)
        line = f"{self._program.name} {describe_end(process.returncode)}{said}; see {self._program.log}"
        self._processes.stopped(self._program.name, line)
        if not self._is_ready:
            raise StartFailed(line)
        self._say(line)


def describe_end(status: int) -> str:
    """A `returncode` in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


async def wait_ended(process: subprocess.Popen[bytes]) -> None:
    """Return when the process has ended; its `returncode` is set then."""
    descriptor = os.pidfd_open(process.pid)
    try:
        while process.poll() is None:
            await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _process(program: Program) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A running process; whatever happens in the block, it does not run behind it."""
    process = _spawn(program)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            with trio.CancelScope(shield=True):
                await wait_ended(process)


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    with _open_log(program.log) as log:
        # Popen itself and not trio's: that one starts the process from a thread of a pool, at whose
        # end the kernel takes the parent for dead.
        return subprocess.Popen(
            [sys.executable, "-IS", bound.__file__, str(os.getpid()), *program.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=program.config.parent,
            env=_environment(),
            # Ctrl-C at the terminal is for us; we tell the others.
            start_new_session=True,
        )


@contextlib.contextmanager
def _open_log(file: Path) -> Iterator[int]:
    if file.is_file() and file.stat().st_size > LOG_LIMIT:
        file.replace(file.with_name(f"{file.name}.1"))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _last_line(file: Path) -> str:
    """What a process said last, where it fits into a line of ours."""
    with file.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 1000))
        lines = log.read().decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f' ("{last}")' if last.isprintable() and 0 < len(last) <= 300 else ""


def _environment() -> dict[str, str]:
    """The caller's, and where this package is, where an interpreter does not find it by itself."""
    environment = dict(os.environ, PYTHONSAFEPATH="1", PYTHONUNBUFFERED="1")
    if not is_installed():
        paths = [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment

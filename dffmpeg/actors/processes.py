"""The processes that this worker runs: who owns them, how they end, and that they end with it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import trio

from dffmpeg.actors.runtime import Actor
from dffmpeg.actors.spawning import (
    Born,
    CannotStart,
    Command,
    Guardian,
    SpawnThread,
    death_signal,
    kill_group,
    spawn,
)
from dffmpeg.supervisors import Backoff

logger = logging.getLogger("dffmpeg.worker.processes")

_KILL_SECONDS = 5.0
"""How long a killed process may take to be gone; one in uninterruptible sleep takes longer."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: exactly one of the two is set."""

    code: int | None = None
    signal: int | None = None


class RunningProcess:
    """A process, its group and its pipes. Made and owned by `Processes`."""

    def __init__(self, born: Born, *, prefixed: bool) -> None:
        self._popen = born.popen
        self._prefixed = prefixed
        self.pidfd = born.pidfd
        self.scratch = born.scratch
        self.stdout = trio.lowlevel.FdStream(born.stdout)
        self.stderr = trio.lowlevel.FdStream(born.stderr)
        self.exited = trio.Event()
        self.failure: str | None = None
        """Why the program itself was never reached, where that showed only afterwards."""
        self._exit: Exit | None = None

    @property
    def pid(self) -> int:
        """Also the number of its process group."""
        return self._popen.pid

    @property
    def exit(self) -> Exit:
        """How it ended; only after `exited`."""
        assert self._exit is not None
        return self._exit

    def send_signal(self, number: int) -> None:
        """Send a signal to the whole group; nothing happens after the end."""
        if self._exit is None:
            kill_group(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self.send_signal(signal.SIGKILL)

    def bury(self) -> None:
        """Kill what is left of the group and reap the process, which has ended.

        In this order: until it is reaped, no other group can have its number.
        """
        if self._prefixed and _still_named(self.pid, "setpriv"):
            self.failure = "the program cannot be executed on this worker"
        self.kill()
        code = self._popen.wait()
        self._exit = Exit(signal=-code) if code < 0 else Exit(code=code)
        os.close(self.pidfd)
        self.exited.set()


def _still_named(pid: int, name: str) -> bool:
    """Whether a process that ended bears this name: then it never became another program by exec."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip() == name
    except OSError:
        return False


class Processes:
    """Starts processes; see that they end. Open while a `ProcessesActor` runs it."""

    def __init__(self) -> None:
        self._thread: SpawnThread | None = None
        self._nursery: trio.Nursery | None = None
        self._guardian = Guardian()
        self._prefix: tuple[bytes, ...] = ()
        self._live: dict[RunningProcess, trio.CancelScope] = {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Have the thread and the guardian; at the end every process is killed and reaped."""
        thread = self._thread = SpawnThread()
        self._guardian = Guardian()
        try:
            self._prefix = await thread.call(death_signal)
            if not self._prefix:
                logger.warning("there is no setpriv(1) here: only the guardian watches over processes")
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._keep_guardian, Backoff(0.05, 5.0))
                try:
                    yield
                finally:
                    await self._end_all()
                    nursery.cancel_scope.cancel()
        finally:
            self._nursery = self._thread = None
            await thread.call(self._guardian.stop)
            thread.close()

    async def _end_all(self) -> None:
        for process in self._live:
            process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _KILL_SECONDS):
            for process in list(self._live):
                await process.exited.wait()
        for process, waiting in self._live.items():
            logger.error("process %d does not die", process.pid)
            waiting.cancel()

    async def _keep_guardian(self, backoff: Backoff) -> None:
        """Have a guardian, for ever: one that dies is replaced and told every group."""
        assert self._thread is not None
        attempt = 0
        while True:
            born = trio.current_time()
            pidfd = await self._thread.call(self._guardian.start)
            try:
                await trio.lowlevel.wait_readable(pidfd)
            finally:
                os.close(pidfd)
            logger.warning("the guardian process died and is replaced")
            attempt = backoff.attempt(attempt, trio.current_time() - born)
            await trio.sleep(backoff.delay(attempt, 0.0))

    @contextlib.asynccontextmanager
    async def running(self, command: Command) -> AsyncIterator[RunningProcess]:
        """Start a program; leaving kills its group, waits for its end and removes what was its own.

        Raises:
            CannotStart: see there.
        """
        process = await self._start(command)
        try:
            yield process
        finally:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _KILL_SECONDS):
                await process.exited.wait()
                await process.stdout.aclose()
                await process.stderr.aclose()
                if process.scratch is not None:
                    # In a thread: what a program left behind may be large.
                    await trio.to_thread.run_sync(partial(shutil.rmtree, process.scratch, ignore_errors=True))
                    if self._thread is not None:
                        await self._thread.call(partial(self._guardian.forget_folder, process.scratch))

    async def _start(self, command: Command) -> RunningProcess:
        if self._thread is None or self._nursery is None:
            raise CannotStart("the worker is stopping")
        born = await self._thread.call(partial(spawn, command, self._prefix, self._guardian))
        process = RunningProcess(
            born, prefixed=bool(self._prefix) and not command.program.endswith(b"setpriv")
        )
        self._live[process] = trio.CancelScope(shield=True)
        self._nursery.start_soon(self._await_end, process)
        return process

    async def _await_end(self, process: RunningProcess) -> None:
        # Shielded: an end that nobody waits for would leave a zombie, and its group's number in doubt.
        with self._live[process]:
            await trio.lowlevel.wait_readable(process.pidfd)
            process.bury()
        del self._live[process]
        if self._thread is not None:
            await self._thread.call(partial(self._guardian.forget, process.pid))


class ProcessesActor(Actor[None]):
    """Keeps `Processes` open. Its crash ends every process, as its stop does."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def run(self) -> None:
        async with self._processes.open():
            self.context.ready()
            await trio.sleep_forever()


__all__ = ["CannotStart", "Command", "Exit", "Processes", "ProcessesActor", "RunningProcess"]

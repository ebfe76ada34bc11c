"""The processes that this worker runs: who owns them, how they end, and that they end with it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial

import trio

from dffmpeg.actors.runtime import Actor
from dffmpeg.actors.worker.processes.descriptors import Opening, close_files
from dffmpeg.actors.worker.processes.exec_chain import Entry, Tools, find_tools
from dffmpeg.actors.worker.processes.guardians import Guardian, kill_group
from dffmpeg.actors.worker.processes.launches import CannotStart, Command, reached
from dffmpeg.actors.worker.processes.namespaces import Namespaces
from dffmpeg.actors.worker.processes.printed import with_callers_names
from dffmpeg.actors.worker.processes.spawning import Born, Parent, SpawnThread, set_apart, spawn
from dffmpeg.actors.worker.processes.streams import ProcessStreams
from dffmpeg.supervisors import Backoff

logger = logging.getLogger("dffmpeg.worker.processes")

_KILL_SECONDS = 5.0
"""How long a killed process may take to be gone; one in uninterruptible sleep takes longer."""

_MOST_OPENINGS = 1000
"""Threads that open files for programs."""

_TOOL_FAILURES = (1, 125, 126, 127)
"""With what setpriv, nsenter and env end when they did not become the next program."""

_PENDING_SECONDS = 0.001
"""Between two looks at a signal that was sent and not yet delivered."""

_GROUP_SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: exactly one of the two is set."""

    code: int | None = None
    signal: int | None = None


class RunningProcess:
    """A process, its group and its streams. Made and owned by `Processes`.

    Attributes:
        command: what was started.
        outputs, inputs: see `ProcessStreams`. They are closed by `Processes`; others may close inputs.
    """

    def __init__(self, command: Command, born: Born) -> None:
        self.command = command
        self.pid = born.pid
        """Also the number of its process group."""
        self.pidfd = born.pidfd
        self.scratch = born.scratch
        self.let_go = born.let_go
        """To be called once it has ended; only then."""
        self._tools = born.tools
        self._streams = ProcessStreams(born.ends)
        self.outputs = with_callers_names(command, self._streams.outputs)
        self.inputs = self._streams.inputs
        self.end_input = self._streams.end_input
        self.close_output = self._streams.close_output
        self.resize = self._streams.resize
        self.exited = trio.Event()
        self.failure: str | None = None
        """Why the program itself was never reached, where that showed only afterwards."""
        self.limit: str | None = None
        """Which of its limits ended it, as a sentence; known once it has ended."""
        self._exit: Exit | None = None

    @property
    def exit(self) -> Exit:
        """How it ended; only after `exited`."""
        assert self._exit is not None
        return self._exit

    def send_signal(self, number: int) -> None:
        """Send a signal to the whole group; nothing happens after the end."""
        if self._exit is None:
            kill_group(self.pid, number)

    async def taken(self, number: int, patience: float) -> None:
        """Wait until the program has taken a signal that was sent before, `patience` seconds at most.

        Of several that wait the kernel keeps one, signal(7), and a program may count them, as ffmpeg does.
        """
        with trio.move_on_after(patience):
            while _is_pending(self.pid, number):  # noqa: ASYNC110 - nobody tells
                await trio.sleep(_PENDING_SECONDS)

    def pass_on(self, number: int) -> None:
        """Do to the program what its caller was sent.

        What stops, continues and kills goes to the whole group, and a stop from a terminal is one that
        nobody can ignore: in a group without a parent in its session the kernel drops the other.
        """
        if number == signal.SIGTSTP:
            number = signal.SIGSTOP
        if number in _GROUP_SIGNALS:
            self.send_signal(number)
        elif self._exit is None:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except (ProcessLookupError, PermissionError):
                return
            except OSError as error:
                logger.warning("signal %d cannot be passed on: %s", number, error.strerror)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self.send_signal(signal.SIGKILL)

    async def aclose(self) -> None:
        """Close its streams."""
        await self._streams.aclose()

    def bury(self) -> None:
        """Kill what is left of the group and reap the process, which has ended.

        In this order: until it is reaped, no other group can have its number.
        """
        name = _name(self.pid)
        self.kill()
        _, status, usage = os.wait4(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.limit = reached(self.command.limits, code, usage.ru_utime + usage.ru_stime)
        if name in self._tools and code in _TOOL_FAILURES:
            self.failure = f"the program cannot be executed on this worker ({name} ended with {code})"
            if name == "env" and self.command.may_hang:
                directory = os.fsdecode(self.command.directory or b"")
                self.failure = f"the working directory {directory} cannot be entered on this worker"
        self._exit = Exit(signal=-code) if code < 0 else Exit(code=code)
        os.close(self.pidfd)
        self.exited.set()


def _is_pending(pid: int, number: int) -> bool:
    """Whether a signal waits to be delivered to a process, proc(5)."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            sets = [int(line.split()[1], 16) for line in file if line.startswith((b"SigPnd", b"ShdPnd"))]
    except OSError:
        return False
    return any(pending >> (number - 1) & 1 for pending in sets)


def _name(pid: int) -> str | None:
    """The name of a process that ended: if it is still a tool's, it never became the program by exec."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().removesuffix("\n")
    except OSError:
        return None


def _close_soon(files: Mapping[int, int]) -> None:
    """Close files in a thread of their own: that too asks the file system, which may just have hung."""
    if files:
        trio.lowlevel.start_thread_soon(partial(close_files, files), lambda _: None)


class Processes:
    """Starts processes; sees that they end. Open while a `ProcessesActor` runs it.

    Args:
        views: whether path views are wanted.

    Attributes:
        namespaces: the path views.
    """

    def __init__(self, *, views: bool = False) -> None:
        self._views = views
        self._thread: SpawnThread | None = None
        self._nursery: trio.Nursery | None = None
        self._parent = Parent(Guardian(), Tools(), apart=False)
        self.namespaces = Namespaces(Tools(), enabled=False)
        self.scratch_folder = b""
        """Where programs' temporary directories are made."""
        self._live: dict[RunningProcess, trio.CancelScope] = {}
        # Their own, because one that hangs with a file system keeps its token; there are at most as many
        # as attempts that were given back because of that.
        self._openings = trio.CapacityLimiter(_MOST_OPENINGS)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Have the thread and the guardian; at the end every process is killed and reaped."""
        thread = self._thread = SpawnThread()
        guardian = Guardian()
        try:
            tools = await thread.call(find_tools)
            self.scratch_folder = os.fsencode(await thread.call(lambda: guardian.parent))
            self._parent = Parent(guardian, tools, await thread.call(set_apart))
            self.namespaces = Namespaces(tools, enabled=self._views)
            if not tools.death_signal:
                logger.warning("there is no setpriv(1) here: only the guardian watches over processes")
            await self.namespaces.try_out()
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
            self.namespaces.close()
            await thread.call(guardian.stop)
            thread.close()

    @property
    def tools(self) -> Tools:
        """What was found on this machine."""
        return self._parent.tools

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
            pidfd = await self._thread.call(self._parent.guardian.start)
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
        async with contextlib.AsyncExitStack() as stack:
            entry = None
            if command.view is not None:
                # For as long as the program runs: it may enter a moment after it was started.
                entry = await stack.enter_async_context(self.namespaces.entered(command.view))
            process = await self._start(command, entry)
            try:
                yield process
            finally:
                await self._end(process)

    async def _end(self, process: RunningProcess) -> None:
        process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _KILL_SECONDS):
            await process.exited.wait()
        if not process.exited.is_set():
            logger.warning("process %d was killed and does not end: the kernel holds it", process.pid)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _KILL_SECONDS):
            await process.aclose()
            if process.scratch is not None:
                # In a thread: what a program left behind may be large.
                await trio.to_thread.run_sync(partial(shutil.rmtree, process.scratch, ignore_errors=True))
                if self._thread is not None:
                    await self._thread.call(partial(self._parent.guardian.forget_folder, process.scratch))

    async def _start(self, command: Command, entry: Entry | None) -> RunningProcess:
        files = await self._open_files(command)
        try:
            if self._thread is None or self._nursery is None:
                raise CannotStart("the worker is stopping")
            born = await self._thread.call(partial(spawn, command, self._parent, files, entry))
        finally:
            _close_soon(files)
        process = RunningProcess(command, born)
        self._live[process] = trio.CancelScope(shield=True)
        self._nursery.start_soon(self._await_end, process)
        return process

    async def _open_files(self, command: Command) -> Mapping[int, int]:
        """Apart from the thread that starts programs, which must not hang with a file system."""
        if command.confinement is None and all(one.kind != "file" for one in command.descriptors):
            return {}
        opening = Opening(command.descriptors, command.confinement)
        try:
            return await trio.to_thread.run_sync(opening.run, abandon_on_cancel=True, limiter=self._openings)
        except trio.Cancelled:
            _close_soon(opening.abandon())
            raise

    async def _await_end(self, process: RunningProcess) -> None:
        # Shielded: an end that nobody waits for would leave a zombie, and its group's number in doubt.
        try:
            with self._live[process]:
                await trio.lowlevel.wait_readable(process.pidfd)
                process.bury()
        finally:
            process.let_go()
        del self._live[process]
        if self._thread is not None:
            await self._thread.call(partial(self._parent.guardian.forget, process.pid))


class ProcessesActor(Actor[None]):
    """Keeps `Processes` open. Its crash ends every process, as its stop does."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def run(self) -> None:
        async with self._processes.open():
            self.context.ready()
            await trio.sleep_forever()


__all__ = ["CannotStart", "Command", "Exit", "Processes", "ProcessesActor", "RunningProcess"]

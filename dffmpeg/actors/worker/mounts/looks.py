"""Looks at directories from another process, so that one which never answers holds up nothing here.

One small process (`dffmpeg/worker/looker.py`) forks a child for each look. A child that does not answer in
time is killed, and left if that does not help: while it hangs there is no other look at the same mount.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

import dffmpeg
from dffmpeg.actors.worker.processes.actor import Processes, RunningProcess
from dffmpeg.actors.worker.processes.launches import CannotStart, Command, Descriptor
from dffmpeg.model.mount_table import Mounted, covering, mount_points
from dffmpeg.model.mounts import Faulty, Fine, Silent, judged
from dffmpeg.supervisors import Backoff

logger = logging.getLogger("dffmpeg.worker.mounts")

MOST_HUNG = 4
"""Looks at one directory that hang, each at another mount that was there: with more it is left alone."""

_KILL_SECONDS = 1.0
"""How long a killed look may take to be gone before it counts as one that hangs in the kernel."""

_START_SECONDS = 10.0
"""How long a look waits for a looker, if there is none; that is not the directory's fault."""

_LOOKER = Path(dffmpeg.__file__).with_name("worker") / "looker.py"
_COMMAND = Command(
    os.fsencode(sys.executable),
    (b"-I", b"-S", os.fsencode(_LOOKER)),
    directory=b"/",
    descriptors=(Descriptor(0, "pipe"), Descriptor(1, "pipe", "out"), Descriptor(2, "null")),
)

_MOST_BYTES = 4096
"""Of a line of the looker."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is looked at: a directory; in it a file that is to be read; whether one is to be written."""

    path: bytes
    read: bytes | None = None
    write: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """A look that hung in the kernel has ended: the directory may answer again."""

    path: bytes


@dataclass(frozen=True, slots=True)
class TableChanged:
    """Something was mounted or unmounted."""


@dataclass(slots=True)
class _Asked:
    """A look that was asked for."""

    place: Place
    mounted: Mounted | None
    pid: int | None = None
    result: Fine | Faulty | None = None
    done: trio.Event = field(default_factory=trio.Event)


@dataclass(frozen=True, slots=True, eq=False)
class _Hung:
    """A look's process that was killed and has not ended."""

    mounted: Mounted | None
    pidfd: int


def read_mount_points() -> dict[bytes, Mounted]:
    """What is mounted in this process's namespace; asks no file system but the kernel's own."""
    return mount_points(Path("/proc/self/mountinfo").read_bytes())


class Looks:
    """Asks the looker. It outlives restarts of the actor that uses it, because what hangs does so too.

    Args:
        processes: where the looker runs, so that it is gone with the worker.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._looker: RunningProcess | None = None
        self._ready = trio.Event()
        self._sending = trio.Lock()
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._hung: dict[bytes, list[_Hung]] = {}
        self._nursery: trio.Nursery | None = None
        self._tell: Callable[[Released | TableChanged], Awaitable[None]] | None = None

    @property
    def hung(self) -> int:
        """How many processes hang in the kernel."""
        return sum(len(hung) for hung in self._hung.values())

    @contextlib.asynccontextmanager
    async def open(self, tell: Callable[[Released | TableChanged], Awaitable[None]]) -> AsyncIterator[None]:
        """Have a looker.

        Args:
            tell: is called when it may be worth while to look again.
        """
        async with trio.open_nursery() as nursery:
            self._nursery, self._tell = nursery, tell
            nursery.start_soon(self._keep_looker)
            for path, all_hung in self._hung.items():
                for hung in all_hung:
                    nursery.start_soon(self._await_release, path, hung)
            try:
                yield
            finally:
                self._nursery = self._tell = None
                nursery.cancel_scope.cancel()

    async def look(self, place: Place, seconds: float) -> Fine | Faulty | Silent:
        """Look at a directory.

        Returns:
            `Silent` if it does not answer within `seconds`, or if an earlier look at it still hangs.
        """
        mounted = covering(place.path, read_mount_points())
        hung = self._hung.get(place.path, [])
        if len(hung) >= MOST_HUNG or any(one.mounted == mounted for one in hung):
            return Silent()
        number = next(self._numbers)
        asked = self._asked[number] = _Asked(place, mounted)
        words = place.path.hex(), "-" if place.read is None else place.read.hex(), "w" if place.write else "-"
        try:
            with trio.move_on_after(_START_SECONDS):
                await self._ready.wait()
            with trio.move_on_after(seconds):
                await self._send(f"{number} {' '.join(words)}\n".encode())
                await asked.done.wait()
        finally:
            del self._asked[number]
        if asked.result is not None:
            return asked.result
        self._leave(asked)
        return Silent()

    async def _send(self, line: bytes) -> None:
        async with self._sending:
            while self._looker is None:
                await self._ready.wait()
            # If it just died, what was asked stays without an answer.
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._looker.inputs[0].send_all(line)

    def _leave(self, asked: _Asked) -> None:
        """Kill a look that did not answer; keep it in mind until it is gone."""
        if self._looker is None or self._nursery is None:
            return
        if asked.pid is None:
            # The looker itself does not answer: it is replaced.
            self._looker.kill()
            return
        try:
            pidfd = os.pidfd_open(asked.pid)
        except OSError:
            return
        try:
            # Whatever bears the number now: only a child of the looker is in its group.
            if os.getpgid(asked.pid) != self._looker.pid:
                os.close(pidfd)
                return
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except OSError:
            os.close(pidfd)
            return
        hung = _Hung(asked.mounted, pidfd)
        self._hung.setdefault(asked.place.path, []).append(hung)
        self._nursery.start_soon(self._await_release, asked.place.path, hung)

    async def _await_release(self, path: bytes, hung: _Hung) -> None:
        at_once = False
        with trio.move_on_after(_KILL_SECONDS):
            await trio.lowlevel.wait_readable(hung.pidfd)
            at_once = True
        if not at_once:
            await trio.lowlevel.wait_readable(hung.pidfd)
        self._hung[path].remove(hung)
        if not self._hung[path]:
            del self._hung[path]
        os.close(hung.pidfd)
        # What the kill ended says nothing of the mount.
        if not at_once and self._tell is not None:
            await self._tell(Released(path))

    # The looker

    async def _keep_looker(self) -> None:
        backoff, attempt = Backoff(0.05, 30.0), 0
        while True:
            born = trio.current_time()
            try:
                await self._run_looker()
                logger.warning("the process that looks at directories ended and is replaced")
            except CannotStart as reason:
                logger.warning("directories cannot be looked at: %s", reason)
            attempt = backoff.attempt(attempt, trio.current_time() - born)
            await trio.sleep(backoff.delay(attempt, 0.0))

    async def _run_looker(self) -> None:
        async with self._processes.running(_COMMAND) as process, trio.open_nursery() as nursery:
            self._looker = process
            self._ready.set()
            try:
                nursery.start_soon(self._read, process)
                # Not the end of its output: a child that hangs keeps that open.
                await process.exited.wait()
                nursery.cancel_scope.cancel()
            finally:
                self._looker, self._ready = None, trio.Event()

    async def _read(self, process: RunningProcess) -> None:
        rest = b""
        while data := await process.outputs[1].receive_some(_MOST_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                await self._hear(line.decode("ascii").split())

    async def _hear(self, words: list[str]) -> None:
        asked = self._asked.get(int(words[0]))
        match words[1:]:
            case ["mounts"]:
                if self._tell is not None:
                    await self._tell(TableChanged())
            case ["pid", pid] if asked is not None:
                asked.pid = int(pid)
            case ["ok"] if asked is not None:
                asked.result = Fine()
                asked.done.set()
            case ["no", number, step] if asked is not None:
                asked.result = judged(int(number), step)
                asked.done.set()

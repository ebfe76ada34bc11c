"""WebSockets over which jobs are run: made for one, or kept warm for the next."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import trio

from dffmpeg.backoff import Backoff
from dffmpeg.errors import DffmpegError
from dffmpeg.transports.address import SignedAddress
from dffmpeg.transports.follow_websocket import JobConnection, open_run

SPARE = 2
"""Connections that wait for a call."""
_RETRY = Backoff(minimum=0.5, maximum=30.0, jitter=0.5)
MAX_AGE = 300.0
"""Seconds after which a silent connection is replaced; the coordinator would close it after ten minutes."""


@dataclass(slots=True)
class Lease:
    """A connection while one job has it.

    Attributes:
        reusable: to be set when the job's last message was received: the next job may have it.
    """

    connection: JobConnection
    reusable: bool = False
    since: float = field(default_factory=trio.current_time)
    done: trio.Event = field(default_factory=trio.Event)


class Connections(Protocol):
    """Where an engine gets its connection from."""

    def lease(self) -> AbstractAsyncContextManager[Lease]:
        """A connection for one job; raises as `open_run`."""


class Single:
    """A new connection for each job."""

    def __init__(self, address: SignedAddress) -> None:
        self._address = address

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        async with open_run(self._address) as connection:
            yield Lease(connection)


class Pool:
    """Keeps some connections open, so that a job begins with its first message.

    Each is owned by a task of `run`, from its handshake to its end. A job that comes while none
    waits opens one of its own.
    """

    def __init__(self, address: SignedAddress, spare: int = SPARE) -> None:
        self._address = address
        self._spare = spare
        self._idle: deque[Lease] = deque()
        self._taken = trio.Event()
        self._wanted = False

    @property
    def idle(self) -> int:
        """How many connections wait."""
        return len(self._idle)

    async def run(self) -> None:
        """Keep the spare connections open, until cancelled; from the first call on."""
        async with trio.open_nursery() as nursery:
            for _ in range(self._spare):
                nursery.start_soon(self._keep_one)

    def begin(self) -> None:
        """A call is expected: open connections from now on."""
        self._wanted = True
        self._wake()

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        self.begin()
        lease = self._pop()
        if lease is None:
            async with open_run(self._address) as connection:
                yield Lease(connection)
            return
        try:
            yield lease
        finally:
            if lease.reusable and not lease.connection.closed:
                lease.reusable, lease.since = False, trio.current_time()
                self._idle.append(lease)
            else:
                lease.done.set()
            self._wake()

    def _pop(self) -> Lease | None:
        while self._idle:
            lease = self._idle.popleft()
            if not lease.connection.closed and trio.current_time() - lease.since < MAX_AGE:
                return lease
            lease.done.set()
        return None

    async def _keep_one(self) -> None:
        failures = 0
        while True:
            while not self._wanted:
                await self._taken.wait()
            try:
                async with open_run(self._address) as connection:
                    failures = 0
                    lease = Lease(connection)
                    self._idle.append(lease)
                    await self._until_over(lease)
            except DffmpegError:
                # Whoever needs a connection tries by itself, and says what is wrong.
                failures += 1
            # Also where each is closed at once: that must not become a loop without a pause.
            await trio.sleep(_RETRY.delay(failures, 0.5) if failures else 0.1)

    async def _until_over(self, lease: Lease) -> None:
        while not lease.done.is_set():
            with trio.move_on_after(5.0):
                await lease.done.wait()
            if lease in self._idle and (
                lease.connection.closed or trio.current_time() - lease.since >= MAX_AGE
            ):
                self._idle.remove(lease)
                return

    def _wake(self) -> None:
        self._taken.set()
        self._taken = trio.Event()

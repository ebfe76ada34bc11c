"""A network connection between two of a test's processes, which can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.servers.ports import LOOPBACK, free_port

CHUNK = 65_536


class Link:
    """Passes TCP connections on to a port of the loopback address.

    Attributes:
        port: where it listens.
    """

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._passes = trio.Event()
        self._passes.set()

    def cut(self) -> None:
        """From now on nothing arrives, in either direction, and nobody is told.

        Connections stay as they are, and so do new ones: as where packets vanish, and TCP sends them again.
        """
        if self._passes.is_set():
            self._passes = trio.Event()

    def mend(self) -> None:
        """What was under way arrives."""
        self._passes.set()

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Pass on until cancelled."""
        listeners = await trio.open_tcp_listeners(self.port, host=LOOPBACK)
        async with trio.open_nursery() as nursery:
            task_status.started()
            await trio.serve_listeners(self._connect, listeners, handler_nursery=nursery)

    async def _connect(self, near: trio.SocketStream) -> None:
        async with near:
            await self._passes.wait()
            try:
                far = await trio.open_tcp_stream(LOOPBACK, self._target)
            except OSError:
                return
            async with far, trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, near, far, nursery.cancel_scope)
                nursery.start_soon(self._pump, far, near, nursery.cancel_scope)

    async def _pump(self, source: trio.SocketStream, sink: trio.SocketStream, both: trio.CancelScope) -> None:
        try:
            async for chunk in _chunks(source):
                await self._passes.wait()
                await sink.send_all(chunk)
            await self._passes.wait()
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # A reset ends both directions, an end of the data only one.
            await self._passes.wait()
            both.cancel()


async def _chunks(stream: trio.SocketStream) -> AsyncIterator[bytes]:
    while chunk := await stream.receive_some(CHUNK):
        yield chunk


@asynccontextmanager
async def open_links(*targets: int) -> AsyncIterator[list[Link]]:
    """A link to each of those ports, around a block."""
    links = [Link(target) for target in targets]
    async with trio.open_nursery() as nursery:
        for link in links:
            await nursery.start(link.serve)
        yield links
        nursery.cancel_scope.cancel()

"""Between coordinators and their database: a TCP proxy that a test shuts and opens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.servers.ports import LOOPBACK, free_port

_RECEIVE = 64 * 1024


class Valve:
    """Passes connections on to a server while it is open.

    Attributes:
        port: where it listens; kept while it is shut.
    """

    def __init__(self, nursery: trio.Nursery, host: str, port: int) -> None:
        self.port = free_port()
        self._nursery = nursery
        self._target = (host, port)
        self._open = trio.CancelScope()

    async def open(self) -> None:
        """Take connections; returns when it does."""
        self._open = await self._nursery.start(self._serve)

    def shut(self) -> None:
        """Break all connections, and refuse others."""
        self._open.cancel()

    async def _serve(self, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                listeners = await trio.open_tcp_listeners(self.port, host=LOOPBACK)
                task_status.started(scope)
                await trio.serve_listeners(self._connect, listeners, handler_nursery=nursery)

    async def _connect(self, near: trio.SocketStream) -> None:
        async with near, await trio.open_tcp_stream(*self._target) as far, trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, near, far, nursery.cancel_scope)
            nursery.start_soon(self._pump, far, near, nursery.cancel_scope)

    async def _pump(
        self, source: trio.SocketStream, target: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some(_RECEIVE):
                await target.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        both.cancel()


@asynccontextmanager
async def open_valve(host: str, port: int) -> AsyncIterator[Valve]:
    """An open valve around a block."""
    async with trio.open_nursery() as nursery:
        valve = Valve(nursery, host, port)
        await valve.open()
        yield valve
        nursery.cancel_scope.cancel()

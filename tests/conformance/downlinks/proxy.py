"""A TCP proxy that drops connections, delays what passes, and lets nobody in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

CHUNK = 16 * 1024


class Proxy:
    """Connections to its port go on to the target.

    Attributes:
        delay: seconds that each chunk is held, in both directions.
        passed: bytes that the target's side has sent to whoever connected.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.passed = 0
        self.port = 0
        self._open = True
        self._connections: set[trio.CancelScope] = set()

    @property
    def connections(self) -> int:
        """How many go through it now."""
        return len(self._connections)

    def drop(self) -> None:
        """Break every connection, as a machine in between does that is restarted."""
        for scope in self._connections:
            scope.cancel()

    def shut(self) -> None:
        """Break every connection and take no other."""
        self._open = False
        self.drop()

    def reopen(self) -> None:
        """Take connections again."""
        self._open = True

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, until either side ends it."""
        async with stream:
            if not self._open:
                return
            try:
                server = await trio.open_tcp_stream("127.0.0.1", self.target)
            except OSError:
                return
            with trio.CancelScope() as scope:
                self._connections.add(scope)
                try:
                    async with server, trio.open_nursery() as nursery:
                        nursery.start_soon(self._pass_on, stream, server, scope, False)
                        nursery.start_soon(self._pass_on, server, stream, scope, True)
                finally:
                    self._connections.discard(scope)

    async def _pass_on(
        self, source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope, down: bool
    ) -> None:
        try:
            async for chunk in source:
                if self.delay:
                    await trio.sleep(self.delay)
                await target.send_all(chunk)
                if down:
                    self.passed += len(chunk)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The one end that broke is the end of both.
            scope.cancel()
        else:
            scope.cancel()


@asynccontextmanager
async def open_proxy(target: int = 0) -> AsyncIterator[Proxy]:
    """A proxy around a block, on a port of the loopback address."""
    proxy = Proxy(target)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy.port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
        yield proxy
        nursery.cancel_scope.cancel()

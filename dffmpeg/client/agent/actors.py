"""The parts of the agent's tree."""

from __future__ import annotations

import itertools
import logging
import socket
import struct
from functools import partial

import trio

from dffmpeg.actors.runtime import Actor
from dffmpeg.client.agent.status import Figures
from dffmpeg.client.engine.call import Call
from dffmpeg.client.engine.connections import Pool
from dffmpeg.client.engine.port import Port
from dffmpeg.client.engine.run import serve
from dffmpeg.client.engine.service import Service
from dffmpeg.shim import wire
from dffmpeg.supervisors import ChildSpec, Restart, Shutdown, SupervisorRef
from dffmpeg.supervisors.errors import MaxChildren, SupervisorError

logger = logging.getLogger("dffmpeg.agent")

MAX_CALLS = 256
"""Calls at once; a shim that is refused goes on alone."""
WRITE_SECONDS = 1.0
"""Between two changes of the status file."""
_CREDENTIALS = struct.Struct("3i")


class PoolActor(Actor[None]):
    """Owns the connections that wait for a call."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self) -> None:
        self.context.ready()
        await self._pool.run()


class CallActor(Actor[None]):
    """One call, from the shim's first frame to its goodbye.

    Args:
        identity: what the shim must agree with; None for any.
    """

    def __init__(
        self, service: Service, stream: trio.SocketStream, pid: int, identity: str, figures: Figures
    ) -> None:
        self._service = service
        self._stream = stream
        self._pid = pid
        self._identity = identity
        self._figures = figures

    async def run(self) -> None:
        self.context.ready()
        self._figures.begin()
        try:
            await serve(self._service, self._stream, pid=self._pid, accepts=self._accepts)
        finally:
            self._figures.end()

    def _accepts(self, call: Call) -> bool:
        return call.identity == self._identity


class ListenerActor(Actor[None]):
    """Accepts shims of our own user, and has each served below `calls`."""

    def __init__(
        self,
        listener: socket.socket,
        service: Service,
        calls: SupervisorRef,
        identity: str,
        figures: Figures,
    ) -> None:
        self._listener = listener
        self._service = service
        self._calls = calls
        self._identity = identity
        self._figures = figures
        self._numbers = itertools.count(1)

    async def run(self) -> None:
        self._listener.setblocking(False)
        # A restart of this actor goes on with the same socket.
        listener = trio.socket.from_stdlib_socket(self._listener.dup())
        with listener:
            self.context.ready()
            while True:
                connection, _ = await listener.accept()
                await self._admit(connection)

    async def _admit(self, connection: trio.socket.SocketType) -> None:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(credentials)
        if uid != self._figures.uid:
            logger.warning("a process of user %d was refused", uid)
            connection.close()
            return
        stream = trio.SocketStream(connection)
        make = partial(CallActor, self._service, stream, pid, self._identity, self._figures)
        spec = ChildSpec(f"{next(self._numbers)}.{pid}", make, Restart.TEMPORARY, shutdown=Shutdown.BRUTAL)
        try:
            await self._calls.start_child(spec)
        except (MaxChildren, SupervisorError):
            await Port(stream).send(wire.REFUSED)
            await stream.aclose()


class IdleActor(Actor[None]):
    """Ends the agent when nobody has called for a while; writes down what it does."""

    def __init__(self, figures: Figures, idle: float) -> None:
        self._figures = figures
        self._idle = idle

    async def run(self) -> None:
        self._figures.write()
        self.context.ready()
        try:
            while self._figures.calls or self._figures.quiet < self._idle:
                quiet = 0.0 if self._figures.calls else self._figures.quiet
                with trio.move_on_after(self._idle - quiet):
                    await self._figures.changed.wait()
                    await trio.sleep(WRITE_SECONDS)
                self._figures.write()
            logger.info("no call for %g s", self._idle)
        finally:
            self._figures.remove()

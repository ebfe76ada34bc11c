"""Where hooks are sent in tests: an HTTP server that does to each call what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import h11
import trio

from dffmpeg.wire import codec
from dffmpeg.wire.hooks import HookEvent
from tests.actors.coordinator.tree import PATIENCE


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> HookEvent:
        return codec.decode(self.body, HookEvent)


@dataclass
class Receiver:
    """`answers` are used up one by one: an HTTP status, `hang`, `endless`, `reset`, `redirect`; then 204."""

    answers: list[int | str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    url: str = ""
    _changed: trio.Event = field(default_factory=trio.Event)

    @property
    def statuses(self) -> list[str]:
        return [each.event.status for each in self.received]

    async def until(self, ready: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE):
            while not ready():
                await self._changed.wait()

    async def serve(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._serve_one(stream, connection):
                connection.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            return

    async def _serve_one(self, stream: trio.SocketStream, connection: h11.Connection) -> bool:
        request: h11.Request | None = None
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert request is not None
        headers = {name.decode(): value.decode() for name, value in request.headers}
        self.received.append(Received(request.target.decode(), headers, body))
        changed, self._changed = self._changed, trio.Event()
        changed.set()
        return await self._answer(stream, connection, self.answers.pop(0) if self.answers else 204)

    async def _answer(self, stream: trio.SocketStream, connection: h11.Connection, answer: int | str) -> bool:
        if answer == "hang":
            # Until the other end has had enough.
            await stream.receive_some()
            return False
        if answer == "reset":
            return False
        if answer == "endless":
            begin = h11.Response(status_code=200, headers=[("content-type", "text/plain")])
            await stream.send_all(connection.send(begin) or b"")
            while True:
                await stream.send_all(connection.send(h11.Data(data=b"x" * 65_536)) or b"")
        status = 302 if answer == "redirect" else int(answer)
        location = [("location", f"{self.url}elsewhere")] if answer == "redirect" else []
        end = h11.Response(status_code=status, headers=[("content-length", "0"), *location])
        await stream.send_all((connection.send(end) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        return connection.our_state is h11.DONE


@asynccontextmanager
async def receiving(*answers: int | str) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own, inside the block."""
    receiver = Receiver(list(answers))
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, receiver.serve, 0, host="127.0.0.1")
        listeners: list[trio.SocketListener] = await nursery.start(serve)
        receiver.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        yield receiver
        nursery.cancel_scope.cancel()

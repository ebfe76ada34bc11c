"""What stands between server and Quart on each connection: bounded bodies, WebSockets with back-pressure.

Quart keeps whatever a client sends in a queue of its own, without a limit that
holds before the body is complete. Here nothing is taken from a connection
before somebody asks for it, so that a refusal costs no memory, and a client
that sends faster than it is served has to wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any

import trio
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from dffmpeg.errors import BadInput
from dffmpeg.transports.messages import TextFrame
from dffmpeg.web.stream import BoundedStream

# As the ASGI specification has them.
Scope = Mapping[str, Any]
Event = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
SendParts = Callable[[Sequence[bytes]], Awaitable[None]]
SendFrame = Callable[[bytes], Awaitable[None]]

BODY_KEY = "dffmpeg.body"
SOCKET_KEY = "dffmpeg.socket"
ABORT_KEY = "dffmpeg.abort"
"""In a scope's `state`: a function that ends the connection at once."""

SEND_KEY = "dffmpeg.send"
"""In a scope's `state`: a function that sends a WebSocket's message of bytes, in parts."""

FRAME_KEY = "dffmpeg.frame"
"""In a scope's `state`: a function that sends a whole frame of a WebSocket, as it travels."""

PEER_KEY = "dffmpeg.peer"
"""In a scope's `state`, where a proxy says whom it speaks for: that, or None where it does not know."""

SECURE_KEY = "dffmpeg.secure"
"""In a scope's `state`: whether the connection is one by TLS."""

TUNNEL_KEY = "dffmpeg.tunnel"
"""In a scope's `state`: the connection itself, for what is passed on as it is."""

CLOSE_TIMEOUT = 5.0
"""How long the peer may take to answer a WebSocket's close frame, seconds."""


MAX_MESSAGE = 64 * 1024
"""Largest message that most WebSockets' clients may send, characters or bytes: a position is much smaller."""


_numbers = count()


def number() -> int:
    """A number unlike any other: jobs know by it who of those connected is asking."""
    return next(_numbers)


class WrongKind(BadInput):
    """A message of bytes where text was expected."""


class MessageTooLarge(BadInput):
    """The message is larger than may be sent there."""


class Misdirected(Exception):
    """A coordinator passed on what is not ours to answer."""


class Disconnected(Exception):
    """The client went away."""


class RequestBody:
    """A request's body, read once and only if somebody wants it.

    Quart is shown an empty body instead. Its own task that waits for the client
    to go away reads from the connection only when the body is dealt with.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.content = b""
        """What was read; empty before."""
        self._declared = _content_length(scope)
        self._receive = receive
        self._send = send
        self._announced = False
        self._released = trio.Event()
        self._gone = False
        self._answered = False

    async def read(self, limit: int, *, timeout: float) -> bytes:
        """Read the whole body.

        Args:
            limit: bytes at most.
            timeout: seconds that all of it may take.

        Raises:
            RequestEntityTooLarge: it is larger, or says that it will be.
            RequestTimeout: it took too long.
        """
        if self._declared is not None and self._declared > limit:
            raise RequestEntityTooLarge
        with trio.move_on_after(timeout):
            self.content = await self._collect(limit)
            self._released.set()
            return self.content
        raise RequestTimeout

    async def _collect(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._released.set()
                # Quart cancels the request once it hears of it.
                await trio.sleep_forever()
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise RequestEntityTooLarge
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def receive(self) -> Event:
        """For Quart: an empty body, and the client's leaving."""
        if not self._announced:
            self._announced = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._released.wait()
        while not self._gone:
            # What still comes of a body that nobody wanted is dropped piece by piece.
            message = await self._receive()
            self._gone = message["type"] == "http.disconnect"
        if self._answered:
            # Hypercorn says so while it sends the end of the answer, in the task that sends. Quart
            # would cancel that task before the connection is closed, or made ready for the next request.
            await trio.sleep_forever()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        """For Quart: answers pass through; from the first of them on, the body is not wanted any more."""
        self._released.set()
        self._answered = event["type"] == "http.response.body" and not event.get("more_body", False)
        await self._send(event)


class Socket:
    """The server's end of a WebSocket, on ASGI itself.

    Before `accept()` a refusal is an HTTP answer, which Quart sends. From then
    on this object sends everything, and Quart only waits for the handler.

    Attributes:
        taken: the handshake is answered, or the connection given away: no HTTP
            answer can be sent any more.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._abort: Callable[[], None] = (scope.get("state") or {}).get(ABORT_KEY, _nothing)
        self._send_parts: SendParts | None = (scope.get("state") or {}).get(SEND_KEY)
        self._send_frame: SendFrame | None = (scope.get("state") or {}).get(FRAME_KEY)
        self._tunnel: BoundedStream | None = (scope.get("state") or {}).get(TUNNEL_KEY)
        self._over = False
        self._announced = False
        self._closed = False
        self._accepted = False
        self.taken = False

    def tunnel(self) -> BoundedStream:
        """The connection beneath. Nobody has answered the handshake on it, nor will anybody else now."""
        if self._tunnel is None:
            raise RuntimeError("the server does not give its connections away")
        self.taken = True
        return self._tunnel

    async def left(self) -> None:
        """Wait until the client's connection has ended; whatever else comes is dropped."""
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    async def accept(self) -> None:
        """Complete the handshake."""
        self.taken = self._accepted = True
        await self._send({"type": "websocket.accept", "headers": [], "subprotocol": None})

    async def receive(self, limit: int = MAX_MESSAGE) -> str | bytes:
        """The next message.

        Args:
            limit: characters or bytes that it may have.

        Raises:
            Disconnected: the client closed, or the connection broke.
            MessageTooLarge: it is no message that a client of ours sends.
        """
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._over = True
            raise Disconnected
        if message["type"] == "websocket.receive":
            text: str | None = message.get("text")
            data: str | bytes = text if text is not None else (message.get("bytes") or b"")
            if len(data) > limit:
                raise MessageTooLarge(f"at most {limit} are taken")
            return data
        raise RuntimeError(f"unexpected {message['type']}")

    async def send(self, data: str | bytes) -> None:
        """Send one message; waits while the client does not read."""
        key = "text" if isinstance(data, str) else "bytes"
        await self._send({"type": "websocket.send", "text": None, "bytes": None, key: data})

    async def send_parts(self, parts: Sequence[bytes]) -> None:
        """Send one message of bytes, which is all parts one behind the other."""
        if self._send_parts is None:
            await self.send(b"".join(parts))
        elif not self._over:
            try:
                await self._send_parts(parts)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                # Whoever reads here is told so.
                self._over = True

    async def send_frame(self, message: TextFrame) -> None:
        """Send a message that was encoded before, and may be sent to others too."""
        if self._send_frame is None:
            await self.send(message.text.decode())
        elif not self._over:
            try:
                await self._send_frame(message.frame)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                # As above.
                self._over = True

    async def close(self, code: int, reason: str) -> None:
        """Close, and give the peer a moment to answer.

        Without its answer there may be bytes of it that nobody read, and the
        kernel would then throw away what it was sent last.

        Args:
            reason: cut to the 123 bytes that RFC 6455 has room for.
        """
        if self._closed:
            return
        self._over = self._closed = True
        cut = reason.encode()[:123].decode(errors="ignore")
        with trio.move_on_after(CLOSE_TIMEOUT):
            await self._send({"type": "websocket.close", "code": code, "reason": cut})
            await self.left()
            return
        self._abort()

    async def fail(self, code: int, reason: str) -> None:
        """End what its handler left by an error: by a close code where it was accepted, and is not closed."""
        if self._accepted:
            await self.close(code, reason)
        else:
            self._abort()

    async def quart_receive(self) -> Event:
        """For Quart: the handshake, and then nothing, since the handler listens itself."""
        if self._announced:
            await trio.sleep_forever()
        self._announced = True
        return await self._receive()

    async def quart_send(self, event: Event) -> None:
        """For Quart: its answer to the handshake, and nothing once there was another.

        Where it tries to, the handler has ended, and Hypercorn closes what is open with 1011.
        """
        if not self.taken:
            await self._send(event)


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return None


def _nothing() -> None:
    return None

"""Requests from one coordinator to another, on connections that are kept: the only file that speaks h11.

A request goes out as it came in, so nothing here signs, decodes or follows anything.
"""

from __future__ import annotations

import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import urlsplit

import h11
import trio

from dffmpeg.configuration.common import SYSTEM, Trust
from dffmpeg.errors import NotConnected, Unreachable
from dffmpeg.transports.streams import open_stream
from dffmpeg.transports.trust import client_context

RECEIVE = 256 * 1024
"""Bytes that are read at once."""

MAX_HEAD = 64 * 1024
"""Bytes of an answer's status line and headers."""

IDLE_SECONDS = 10.0
"""How long a connection may lie unused; the coordinators' servers close theirs after 30."""

MAX_IDLE = 64
"""Unused connections that are kept to each coordinator."""

KEEPALIVE = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 3, socket.TCP_KEEPCNT: 3}
"""A machine that is gone is noticed within 14 s, where nobody sends; tcp(7)."""

Headers = Sequence[tuple[bytes, bytes]]

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """What is passed on.

    Attributes:
        target: path and query, as they travel.
        headers: names in lower case; without those of the connection (Host, Content-Length).
        seal: makes one more header each time that it is sent, which no other time has.
    """

    method: str
    target: bytes
    headers: Headers
    body: bytes = b""
    seal: Callable[[], tuple[bytes, bytes]] | None = None


class _Connection:
    """One connection to a coordinator, for one request after the other."""

    def __init__(self, stream: Stream, host: str) -> None:
        self.stream = stream
        self.idle_since = trio.current_time()
        self.used = False
        self._host = host.encode("idna")
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)

    def usable(self) -> bool:
        """Whether it may be used once more: the other side has neither closed it nor said anything."""
        if trio.current_time() - self.idle_since >= IDLE_SECONDS:
            return False
        plain = self.stream if isinstance(self.stream, trio.SocketStream) else self.stream.transport_stream
        return not plain.socket.is_readable()

    async def ask(self, request: PeerRequest) -> h11.Response | h11.InformationalResponse:
        """Send a request, and wait for the answer's head."""
        self.used = True
        headers = [(b"host", self._host), *request.headers]
        if request.seal is not None:
            headers.append(request.seal())
        if request.body or request.method not in ("GET", "HEAD"):
            headers.append((b"content-length", b"%d" % len(request.body)))
        parts = [
            self._protocol.send(h11.Request(method=request.method, target=request.target, headers=headers)),
            self._protocol.send(h11.Data(data=request.body)) if request.body else b"",
            self._protocol.send(h11.EndOfMessage()),
        ]
        await self.stream.send_all(b"".join(part for part in parts if part))
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return event
            if isinstance(event, h11.ConnectionClosed):
                raise trio.BrokenResourceError("closed before the answer")

    async def body(self) -> bytes:
        """The next piece of the answer's body; empty behind the last one."""
        event = await self._next()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            return b""
        raise trio.BrokenResourceError("closed in the middle of the answer")

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._protocol.next_event()
            if event is not h11.NEED_DATA:
                return cast("h11.Event | type[h11.PAUSED]", event)
            self._protocol.receive_data(bytes(await self.stream.receive_some(RECEIVE)))

    @property
    def rest(self) -> bytes:
        """What came behind the answer's head, where it was an upgrade."""
        return bytes(self._protocol.trailing_data[0])

    def again(self) -> bool:
        """Make ready for the next request; returns whether there can be one."""
        if self._protocol.our_state is not h11.DONE or self._protocol.their_state is not h11.DONE:
            return False
        self._protocol.start_next_cycle()
        self.idle_since = trio.current_time()
        return True


class PeerAnswer:
    """An answer, of which only the head has been read; to be closed by whoever has it.

    Attributes:
        status: the HTTP status code.
        headers: names in lower case.
    """

    def __init__(self, connection: _Connection, head: h11.Response, idle: deque[_Connection]) -> None:
        self.status = head.status_code
        self.headers: Headers = list(head.headers)
        self._connection: _Connection | None = connection
        self._idle = idle

    async def receive_some(self) -> bytes:
        """The next piece of the body; empty behind the last one.

        Raises:
            Unreachable: the connection broke.
        """
        if self._connection is None:
            return b""
        try:
            piece = await self._connection.body()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError) as error:
            raise Unreachable(f"the answer broke off: {error}") from error
        if not piece:
            connection, self._connection = self._connection, None
            await _put_back(connection, self._idle)
        return piece

    async def aclose(self) -> None:
        """Be done with it; where it was not read to its end its connection is given up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await trio.aclose_forcefully(connection.stream)


@dataclass(frozen=True, slots=True)
class PeerTunnel:
    """A connection that has become another protocol's.

    Attributes:
        stream: the connection, which is the caller's from now on.
        headers: of the answer that said so.
        rest: what came behind that answer already.
    """

    stream: Stream
    headers: Headers
    rest: bytes


class Peers:
    """Connections to other coordinators.

    Args:
        greeting: what each connection begins with: a PROXY protocol header, where coordinators want one.
        trust: whose certificates the others must have, where they speak TLS.
    """

    def __init__(self, greeting: bytes = b"", trust: Trust = SYSTEM) -> None:
        self._greeting = greeting
        self._trust = trust
        self._context: ssl.SSLContext | None = None
        self._idle: defaultdict[str, deque[_Connection]] = defaultdict(deque)

    async def send(self, address: str, request: PeerRequest) -> PeerAnswer:
        """Pass a request on.

        A connection that was kept may be closed at the very moment at which it is used again; then the
        request goes out once more on a new one. So it has to be one that may be repeated.

        Args:
            address: `http://host:port`, perhaps with a path before all others.

        Raises:
            NotConnected: there is no connection.
            Unreachable: it broke before the answer.
        """
        connection, head = await self._ask(address, request)
        if not isinstance(head, h11.Response):
            await trio.aclose_forcefully(connection.stream)
            raise Unreachable(f"{address}: it changed the protocol without being asked")
        return PeerAnswer(connection, head, self._idle[address])

    async def upgrade(self, address: str, request: PeerRequest) -> PeerAnswer | PeerTunnel:
        """Pass a WebSocket's handshake on; raises as `send` does.

        Returns:
            A tunnel where it was accepted.
        """
        connection, head = await self._ask(address, request)
        if isinstance(head, h11.Response):
            return PeerAnswer(connection, head, self._idle[address])
        return PeerTunnel(connection.stream, list(head.headers), connection.rest)

    async def _ask(
        self, address: str, request: PeerRequest
    ) -> tuple[_Connection, h11.Response | h11.InformationalResponse]:
        parts = urlsplit(address)
        request = replace(request, target=parts.path.rstrip("/").encode() + request.target)
        while True:
            connection = await self._kept(address) or await self._connect(address)
            kept = connection.used
            try:
                return connection, await connection.ask(request)
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError) as error:
                await trio.aclose_forcefully(connection.stream)
                if not kept:
                    raise Unreachable(f"{address}: {error}") from error
            except BaseException:
                await trio.aclose_forcefully(connection.stream)
                raise

    async def _kept(self, address: str) -> _Connection | None:
        idle = self._idle[address]
        while idle:
            connection = idle.pop()
            if connection.usable():
                return connection
            await trio.aclose_forcefully(connection.stream)
        return None

    async def _connect(self, address: str) -> _Connection:
        parts = urlsplit(address)
        url = parts._replace(scheme="wss" if parts.scheme == "https" else "ws").geturl()
        try:
            tls = self._tls() if parts.scheme == "https" else None
            stream = await open_stream(url, first=self._greeting, tls=tls)
        except Unreachable as error:
            # It names the address already, as if it were for a WebSocket.
            raise NotConnected(f"{address}: {str(error).removeprefix(f'{url}: ')}") from error
        plain = stream if isinstance(stream, trio.SocketStream) else stream.transport_stream
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            plain.setsockopt(socket.IPPROTO_TCP, option, value)
        return _Connection(stream, parts.netloc.rpartition("@")[2])

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = client_context(self._trust)
        return self._context

    async def aclose(self) -> None:
        """Close what is kept."""
        for idle in self._idle.values():
            while idle:
                await trio.aclose_forcefully(idle.pop().stream)


async def _put_back(connection: _Connection, idle: deque[_Connection]) -> None:
    if connection.again() and len(idle) < MAX_IDLE:
        idle.append(connection)
    else:
        await trio.aclose_forcefully(connection.stream)

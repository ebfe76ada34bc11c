"""The WebSocket downlink, receiver's half: the coordinator's messages as text messages of JSON, and the
link over which a worker reports and streams."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import msgspec
import trio
import trio_websocket
from trio_websocket import ConnectionClosed, WebSocketConnection

from dffmpeg.errors import BadInput, Refused, Unreachable
from dffmpeg.transports.address import resource_of, target_of
from dffmpeg.transports.client import Arrival, Pieces, TransportFactory, path_of
from dffmpeg.transports.follow_websocket import RESTART, retry_after
from dffmpeg.transports.messages import SharedStream
from dffmpeg.transports.settings import NoSettings, parsed
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.transports.streams import open_stream
from dffmpeg.wire import codec, link
from dffmpeg.wire.link import Call, CallRoute, Fenced
from dffmpeg.wire.workers import AttemptRef, DownlinkMessage

PING_SECONDS = 5.0
SILENCE_SECONDS = 15.0
CALL_SECONDS = 30.0
_RECEIVE_BYTES = 256 * 1024
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_MAX_MESSAGE = 16 * 1024 * 1024


def configure(settings: Mapping[str, Any]) -> TransportFactory:
    """As the entry point has it; there are no settings."""
    parsed(NoSettings, "transport_settings.websocket", settings)
    return WebSocketClient


class WebSocketClient:
    """`ClientTransport` over a WebSocket.

    Both sides say something every few seconds ("ping", answered by "pong"); a
    connection that is silent for longer is dead, whatever TCP believes.
    """

    def __init__(self, http: SignedHttp, metadata: Mapping[str, Any]) -> None:
        self._http = http
        self._target = target_of(path_of(metadata))
        self._linked = metadata.get("link") == link.VERSION

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Arrival]]:
        url = self._http.websocket_url(self._target)
        try:
            # The stream is ours: the library leaves it open when a connection breaks.
            async with await open_stream(url, tls=self._http.tls()) as opened, trio.open_nursery() as nursery:
                stream = SharedStream(opened)
                socket = await self._handshake(nursery, stream, url)
                async with contextlib.aclosing(self._messages(socket, stream)) as messages:
                    yield messages
                with trio.move_on_after(_CLOSE_SECONDS):
                    await socket.aclose()
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # A nursery wraps what its block raises; a single error goes on as what it is.
            error = group.exceptions[0] if len(group.exceptions) == 1 else group
        else:
            return
        if isinstance(error, trio_websocket.ConnectionRejected):
            raise _refusal(error) from error
        raise error

    async def _handshake(self, nursery: trio.Nursery, stream: SharedStream, url: str) -> WebSocketConnection:
        address = urlsplit(url)
        headers = self._http.headers("GET", self._target).items()
        with trio.move_on_after(_CONNECT_SECONDS):
            return await trio_websocket.wrap_client_stream(
                nursery,
                stream,  # type: ignore[arg-type]  # it only sends and receives
                address.netloc.rpartition("@")[2],
                resource_of(url),
                extra_headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers],
                max_message_size=_MAX_MESSAGE,
                receive_buffer_size=_RECEIVE_BYTES,
            )
        raise Unreachable(f"{url}: no answer in time")

    async def _messages(
        self, socket: WebSocketConnection, stream: SharedStream
    ) -> AsyncGenerator[Arrival, None]:
        calls = WebSocketLink(socket, stream)
        try:
            if self._linked:
                yield calls
            async with contextlib.aclosing(self._heard(socket)) as heard:
                async for message in heard:
                    arrival = _pieces(message) if isinstance(message, bytes) else calls.heed(message)
                    if arrival is not None:
                        yield arrival
        except ConnectionClosed as error:
            reason = error.reason
            if reason is not None and reason.code == 1000:
                return
            again = 0.0 if reason is not None and reason.code == RESTART else None
            raise Unreachable(
                f"the coordinator closed the downlink ({_describe(reason)})", retry_after=again
            ) from error
        finally:
            calls.close()

    async def _heard(self, socket: WebSocketConnection) -> AsyncGenerator[str | bytes, None]:
        """What is said, but for the signs of life."""
        heard = asked = trio.current_time()
        while True:
            message: str | bytes | None = None
            with trio.move_on_at(asked + PING_SECONDS):
                message = await socket.get_message()
            now = trio.current_time()
            if message is not None:
                heard = now
            if now - heard >= SILENCE_SECONDS:
                raise Unreachable(f"nothing was heard from the coordinator for {SILENCE_SECONDS:g} s")
            if now - asked >= PING_SECONDS:
                asked = now
                await socket.send_message("ping")
            if message is not None and message not in ("pong", "ping"):
                yield message


class _Message(msgspec.Struct):
    """Enough of a text message to tell what it is."""

    reply: int | None = None
    status: int = 200
    detail: str | None = None
    fenced: AttemptRef | None = None


class WebSocketLink:
    """`Link` over a WebSocket, which stays the transport's, and the connection beneath it."""

    def __init__(self, socket: WebSocketConnection, stream: SharedStream) -> None:
        self._socket = socket
        self._stream = stream
        self._numbers = count(1)
        self._waiting: dict[int, _Waiting] = {}
        self._closed = False

    async def call(self, route: CallRoute, job_id: str, body: Any) -> None:
        number = next(self._numbers)
        waiting = self._waiting[number] = _Waiting()
        call = Call(call=number, route=route, job_id=job_id, body=msgspec.Raw(codec.encode(body)))
        try:
            with trio.move_on_after(CALL_SECONDS):
                await self._send(codec.encode(call).decode())
                await waiting.answered.wait()
        finally:
            del self._waiting[number]
        answer = waiting.answer
        if answer is None:
            raise Unreachable("the connection to the coordinator broke before it answered")
        if answer.status != 200:
            raise Refused(answer.status, answer.detail or "refused")

    async def send(self, message: Sequence[bytes]) -> None:
        self._require_open()
        try:
            await self._stream.send_message(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Unreachable("the connection to the coordinator broke") from error

    def _require_open(self) -> None:
        if self._closed or self._socket.closed:
            raise Unreachable("the connection to the coordinator is closed")

    async def _send(self, message: str) -> None:
        self._require_open()
        try:
            await self._socket.send_message(message)
        except ConnectionClosed as error:
            raise Unreachable(f"the connection broke ({_describe(error.reason)})") from error

    def heed(self, text: str) -> DownlinkMessage | Fenced | None:
        """Take a text message: what it is, unless it is the answer to a call.

        Raises:
            BadInput: it does not fit.
        """
        message = codec.decode(text, _Message, what="message")
        if message.fenced is not None:
            return Fenced(fenced=message.fenced)
        if message.reply is None:
            return codec.decode(text, DownlinkMessage, what="message")
        waiting = self._waiting.get(message.reply)
        if waiting is not None:
            waiting.answer = message
            waiting.answered.set()
        return None

    def close(self) -> None:
        """It is over: nobody who waits gets an answer."""
        self._closed = True
        for waiting in self._waiting.values():
            waiting.answered.set()


class _Waiting:
    """A call under way."""

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer: _Message | None = None


def _pieces(message: bytes) -> Pieces:
    return Pieces(*link.unpack(message))


def _describe(reason: trio_websocket.CloseReason | None) -> str:
    return "no reason given" if reason is None else f"{reason.code} {reason.reason or ''}".strip()


def _refusal(error: trio_websocket.ConnectionRejected) -> Refused:
    detail = "the WebSocket was refused"
    with contextlib.suppress(BadInput):
        detail = str(codec.decode(error.body or b"", dict[str, Any])["detail"])
    return Refused(error.status_code, detail, retry_after=retry_after(error.headers or ()))

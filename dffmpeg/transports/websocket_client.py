"""The WebSocket downlink, receiver's half: the coordinator's messages as text messages of JSON."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import trio
import trio_websocket

from dffmpeg.errors import BadInput, Refused, Unreachable
from dffmpeg.transports.client import path_of
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.transports.streams import open_stream
from dffmpeg.wire import codec
from dffmpeg.wire.workers import DownlinkMessage

PING_SECONDS = 5.0
SILENCE_SECONDS = 15.0
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_MAX_MESSAGE = 16 * 1024 * 1024


class WebSocketClient:
    """`ClientTransport` over a WebSocket.

    Both sides say something every few seconds ("ping", answered by "pong"); a
    connection that is silent for longer is dead, whatever TCP believes.
    """

    def __init__(self, http: SignedHttp, metadata: Mapping[str, Any]) -> None:
        self._http = http
        self._path = path_of(metadata)

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[DownlinkMessage]]:
        url = self._http.websocket_url(self._path)
        try:
            # The stream is ours: the library leaves it open when a connection breaks.
            async with await open_stream(url) as stream, trio.open_nursery() as nursery:
                socket = await self._handshake(nursery, stream, url)
                async with contextlib.aclosing(self._messages(socket)) as messages:
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

    async def _handshake(
        self, nursery: trio.Nursery, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream], url: str
    ) -> trio_websocket.WebSocketConnection:
        address = urlsplit(url)
        headers = self._http.headers("GET", self._path).items()
        with trio.move_on_after(_CONNECT_SECONDS):
            return await trio_websocket.wrap_client_stream(
                nursery,
                stream,
                address.netloc.rpartition("@")[2],
                address.path,
                extra_headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers],
                max_message_size=_MAX_MESSAGE,
            )
        raise Unreachable(f"{url}: no answer in time")

    async def _messages(
        self, socket: trio_websocket.WebSocketConnection
    ) -> AsyncGenerator[DownlinkMessage, None]:
        heard = asked = trio.current_time()
        try:
            while True:
                text: str | bytes | None = None
                with trio.move_on_at(asked + PING_SECONDS):
                    text = await socket.get_message()
                now = trio.current_time()
                if text is not None:
                    heard = now
                if now - heard >= SILENCE_SECONDS:
                    raise Unreachable(f"nothing was heard from the coordinator for {SILENCE_SECONDS:g} s")
                if now - asked >= PING_SECONDS:
                    asked = now
                    await socket.send_message("ping")
                if text is not None and text not in ("pong", "ping"):
                    yield codec.decode(text, DownlinkMessage, what="message")
        except trio_websocket.ConnectionClosed as error:
            reason = error.reason
            if reason is not None and reason.code == 1000:
                return
            raise Unreachable(f"the coordinator closed the downlink ({_describe(reason)})") from error


def _describe(reason: trio_websocket.CloseReason | None) -> str:
    return "no reason given" if reason is None else f"{reason.code} {reason.reason or ''}".strip()


def _refusal(error: trio_websocket.ConnectionRejected) -> Refused:
    detail = "the WebSocket was refused"
    with contextlib.suppress(BadInput):
        detail = str(codec.decode(error.body or b"", dict[str, Any])["detail"])
    return Refused(error.status_code, detail)

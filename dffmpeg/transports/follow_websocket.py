"""Following a job over a WebSocket, the client's half: the only file of the client that knows trio-websocket.

Every error of the library becomes one of the project's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio
import trio_websocket
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from dffmpeg.errors import BadInput, DffmpegError, Refused, Unreachable, single_error
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.transports.streams import open_stream
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import Position

HANDSHAKE_TIMEOUT = 10.0
CLOSE_TIMEOUT = 1.0
"""Seconds for the closing handshake: by then both sides have all that they wanted."""
MAX_MESSAGE = 16 * 1024 * 1024
RECEIVE_BYTES = 256 * 1024

_REFUSALS = {4401: 401, 4403: 403, 4404: 404}


class WebSocketUnavailable(DffmpegError):
    """Something between here and the coordinator does not let a WebSocket through, or refused it as HTTP.

    The same question over plain HTTP gets through, or names the reason.
    """


class FollowConnection:
    """An open follow WebSocket. Made by `open_follow`."""

    def __init__(self, connection: WebSocketConnection, url: str) -> None:
        self._connection = connection
        self._url = url

    async def send(self, position: Position) -> None:
        """Say where we are.

        Raises:
            Unreachable: the connection is gone.
        """
        try:
            await self._connection.send_message(codec.encode(position).decode("utf-8"))
        except ConnectionClosed as error:
            raise Unreachable(f"{self._url}: the connection broke") from error

    async def receive(self) -> list[Frame] | None:
        """The next message's frames; None when the coordinator has said everything.

        Raises:
            Refused: closed for a reason that another try will not change.
            Unreachable: the connection broke, or the coordinator is going.
        """
        try:
            message = await self._connection.get_message()
        except ConnectionClosed as error:
            code = error.reason.code if error.reason is not None else 1006
            if code == 1000:
                return None
            said = (error.reason.reason if error.reason is not None else None) or f"closed with {int(code)}"
            if code in _REFUSALS:
                raise Refused(_REFUSALS[code], said) from error
            raise Unreachable(f"{self._url}: {said}") from error
        if isinstance(message, str):
            return []
        try:
            return list(frames.decode_all(message))
        except BadInput as error:
            raise Unreachable(f"{self._url}: {error}") from error

    async def check_alive(self, timeout: float) -> bool:
        """Whether the other side answers a ping within so many seconds; no answer comes over a closed one."""
        with trio.move_on_after(timeout) as scope:
            try:
                await self._connection.ping()
            except ConnectionClosed:
                # `receive` says so, after what had come before.
                await trio.sleep_forever()
        return not scope.cancelled_caught


@asynccontextmanager
async def open_follow(http: SignedHttp, job_id: str) -> AsyncIterator[FollowConnection]:
    """Open a job's follow WebSocket; leaving closes it.

    Raises:
        WebSocketUnavailable: the handshake was refused, or nothing sensible answered it.
        Unreachable: no connection, or the coordinator is not ready.
    """
    path = f"/jobs/{job_id}/follow"
    url = http.websocket_url(path)
    headers = [(name.encode(), value.encode()) for name, value in http.headers("GET", path).items()]
    with single_error():
        async with await open_stream(url) as stream:
            try:
                async with trio.open_nursery() as nursery:
                    with trio.move_on_after(HANDSHAKE_TIMEOUT) as handshake:
                        connection = await trio_websocket.wrap_client_stream(
                            nursery,
                            stream,
                            urlsplit(url).netloc,
                            urlsplit(url).path,
                            extra_headers=headers,
                            max_message_size=MAX_MESSAGE,
                            receive_buffer_size=RECEIVE_BYTES,
                        )
                    if handshake.cancelled_caught:
                        raise WebSocketUnavailable(f"{url}: no answer to the WebSocket handshake")
                    try:
                        yield FollowConnection(connection, url)
                    finally:
                        with trio.move_on_after(CLOSE_TIMEOUT):
                            await connection.aclose()
            except* ConnectionRejected as group:
                raise _refusal(group, url) from group


def _refusal(group: BaseExceptionGroup[ConnectionRejected], url: str) -> DffmpegError:
    status = next(error.status_code for error in group.exceptions if isinstance(error, ConnectionRejected))
    if status in (429, 502, 503, 504):
        return Unreachable(f"{url}: HTTP {status}")
    return WebSocketUnavailable(f"{url}: HTTP {status} to the WebSocket handshake")

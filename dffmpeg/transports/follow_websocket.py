"""Running and following jobs over a WebSocket: the only file of the client that knows trio-websocket.

Every error of the library becomes one of the project's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import trio
import trio_websocket
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from dffmpeg.errors import DffmpegError, NotConnected, Refused, Unreachable, single_error
from dffmpeg.transports.address import SignedAddress, resource_of, target_of
from dffmpeg.transports.streams import open_stream

HANDSHAKE_TIMEOUT = 10.0
CLOSE_TIMEOUT = 1.0
"""Seconds for the closing handshake: by then both sides have all that they wanted."""
MAX_MESSAGE = 16 * 1024 * 1024
RECEIVE_BYTES = 256 * 1024

RESTART = 1012
"""Close code by which a coordinator asks to be connected to again: it stops, or another one has the job."""

_REFUSALS = {4401: 401, 4403: 403, 4404: 404}


class WebSocketUnavailable(DffmpegError):
    """Something between here and the coordinator does not let a WebSocket through, or refused it as HTTP.

    The same question over plain HTTP gets through, or names the reason.
    """


class JobConnection:
    """An open WebSocket to the coordinator. Made by `open_run` and `open_follow`."""

    def __init__(self, connection: WebSocketConnection, url: str) -> None:
        self._connection = connection
        self._url = url

    @property
    def closed(self) -> bool:
        """Whether the other side is known to be gone."""
        return self._connection.closed is not None

    async def send(self, message: bytes | str) -> None:
        """Send one message: bytes as binary, a str as text.

        Raises:
            Unreachable: the connection is gone.
        """
        try:
            await self._connection.send_message(message)
        except ConnectionClosed as error:
            raise Unreachable(f"{self._url}: the connection broke") from error

    async def receive(self) -> bytes | str | None:
        """The next message; None when the coordinator has said everything.

        Raises:
            Refused: closed for a reason that another try will not change.
            Unreachable: the connection broke, or the coordinator is going.
        """
        try:
            return await self._connection.get_message()
        except ConnectionClosed as error:
            code = error.reason.code if error.reason is not None else 1006
            if code == 1000:
                return None
            said = (error.reason.reason if error.reason is not None else None) or f"closed with {int(code)}"
            if code in _REFUSALS:
                raise Refused(_REFUSALS[code], said) from error
            again = 0.0 if code == RESTART else None
            raise Unreachable(f"{self._url}: {said}", retry_after=again) from error

    async def check_alive(self, timeout: float) -> bool:
        """Whether the other side answers a ping within so many seconds; no answer comes over a closed one."""
        with trio.move_on_after(timeout) as scope:
            try:
                await self._connection.ping()
            except ConnectionClosed:
                # `receive` says so, after what had come before.
                await trio.sleep_forever()
        return not scope.cancelled_caught


def retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """The seconds of a Retry-After header; None where it names none."""
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    return float(text) if text.isdigit() else None


def open_follow(address: SignedAddress, job_id: str) -> AbstractAsyncContextManager[JobConnection]:
    """Open a job's follow WebSocket; see `open_job_connection`."""
    return open_job_connection(address, f"/jobs/{job_id}/follow")


def open_run(address: SignedAddress) -> AbstractAsyncContextManager[JobConnection]:
    """Open a WebSocket over which one job after the other can be run; see `open_job_connection`."""
    return open_job_connection(address, "/jobs/run")


@asynccontextmanager
async def open_job_connection(address: SignedAddress, path: str) -> AsyncIterator[JobConnection]:
    """Open a signed WebSocket; leaving closes it.

    Raises:
        WebSocketUnavailable: the handshake was refused, or nothing sensible answered it.
        NotConnected: no connection, or the coordinator is not ready.
    """
    target = target_of(path)
    url = address.websocket_url(target)
    headers = [(name.encode(), value.encode()) for name, value in address.headers("GET", target).items()]
    with single_error():
        async with await _connect(address, url) as stream:
            try:
                async with trio.open_nursery() as nursery:
                    with trio.move_on_after(HANDSHAKE_TIMEOUT) as handshake:
                        connection = await trio_websocket.wrap_client_stream(
                            nursery,
                            stream,
                            urlsplit(url).netloc,
                            resource_of(url),
                            extra_headers=headers,
                            max_message_size=MAX_MESSAGE,
                            receive_buffer_size=RECEIVE_BYTES,
                        )
                    if handshake.cancelled_caught:
                        raise WebSocketUnavailable(f"{url}: no answer to the WebSocket handshake")
                    try:
                        yield JobConnection(connection, url)
                    finally:
                        with trio.move_on_after(CLOSE_TIMEOUT):
                            await connection.aclose()
            except* ConnectionRejected as group:
                raise _refusal(group, url) from group


async def _connect(address: SignedAddress, url: str) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    try:
        return await open_stream(url, tls=address.tls())
    except Unreachable as error:
        if isinstance(error.__cause__, OSError):
            raise NotConnected(f"{address.url}: cannot connect; is the coordinator running there?") from error
        raise NotConnected(str(error)) from error


def _refusal(group: BaseExceptionGroup[ConnectionRejected], url: str) -> DffmpegError:
    error = next(error for error in group.exceptions if isinstance(error, ConnectionRejected))
    status = error.status_code
    if status in (429, 502, 503, 504):
        return NotConnected(f"{url}: HTTP {status}", retry_after=retry_after(error.headers or ()))
    return WebSocketUnavailable(f"{url}: HTTP {status} to the WebSocket handshake")

"""A connection's protocol: Hypercorn's, strict about what it takes and for how long it waits.

What h11 bears with, as the RFC lets it, is refused where a proxy may understand it in another way: lines that
end in a line feed alone, or go on in the next line.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress

import h11
import trio
from h11._receivebuffer import ReceiveBuffer
from h11._util import LocalProtocolError
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from dffmpeg.model.failures import FailureLimit
from dffmpeg.web.stream import BoundedStream

logger = logging.getLogger("dffmpeg.web.server")

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_STRANGE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|\0")
_COMPRESSED = b"sec-websocket-extensions:"
_LENGTHS = {b"content-length", b"transfer-encoding"}
_CLOSE = b"\x88"
_PONG = b"\x8a"
_TOO_LARGE = (1009).to_bytes(2, "big")


class StrictBuffer(ReceiveBuffer):
    """What h11 reads heads from, and trailers. It has no other way to be told.

    Args:
        limit: bytes of a head; h11 itself counts only those of one that is not complete.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def maybe_extract_lines(self) -> list[bytearray] | None:
        before = bytes(self._data)
        lines = super().maybe_extract_lines()
        if lines:
            head = before[: len(before) - len(self._data)]
            if len(head) > self._limit:
                raise LocalProtocolError("the head is too large", error_status_hint=431)
            if _STRANGE.search(head):
                raise LocalProtocolError("every line has to end in CR LF, and to stand for itself")
            if {bytes(line).partition(b":")[0].lower() for line in lines} >= _LENGTHS:
                raise LocalProtocolError("a body has one length: Content-Length, or Transfer-Encoding")
            # Of a few bytes a compressed message makes as many as it likes, before anybody can count them.
            return [line for line in lines if line[: len(_COMPRESSED)].lower() != _COMPRESSED]
        return lines


def _is(event: Event, part: bytes, place: int = 0) -> bool:
    """Whether bytes that are sent have others in them at a place."""
    return isinstance(event, RawData) and event.data[place : place + len(part)] == part


class Protocol(TCPServer):
    """One connection.

    Args:
        header_timeout: seconds in which a head has to be there, from its first byte on.
        control_frames: pings that a WebSocket's client may send in a second.
    """

    def __init__(
        self,
        app: ASGIWrapper,
        config: HypercornConfig,
        context: WorkerContext,
        state: ConnectionState,
        stream: BoundedStream,
        *,
        header_timeout: float,
        control_frames: int,
    ) -> None:
        super().__init__(app, config, context, state, stream)  # type: ignore[arg-type]
        self._bounded = stream
        self._header_timeout = header_timeout
        self._pongs = FailureLimit(control_frames, 1.0 / control_frames, clock=trio.current_time)
        self._read_everything = False
        # Between two requests, and then in the middle of a head.
        self._idle = True
        self._heading = False

    async def _read_data(self) -> None:
        http = self.protocol.protocol
        connection = getattr(http, "connection", None)
        if isinstance(connection, h11.Connection):
            connection._receive_buffer = StrictBuffer(self.config.h11_max_incomplete_size)
        while True:
            try:
                data = await self.stream.receive_some(MAX_RECV)
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                break
            await self.protocol.handle(RawData(bytes(data)))
            if not data:
                break
            if self._idle and not self._heading:
                self._heading = True
                await self.idle_task.restart(self._task_group, self._head_timeout)
        await self.protocol.handle(Closed())
        # Its timer for idle connections would go on, and hold the file descriptor for as long as it runs.
        self._read_everything = True
        await self.idle_task.stop()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated):
            self._idle, self._heading = event.idle, False
        elif _is(event, _PONG) and self._speaks() and self._pongs.take(None):
            logger.info("a WebSocket's client sent too many pings, and is cut off")
            await self._close()
            return
        elif _is(event, _CLOSE) and self._websocket() is not None:
            # Messages do not come through here, and would be sent behind it.
            self._bounded.last_frame()
        await super().protocol_send(event)
        if _is(event, _CLOSE) and _is(event, _TOO_LARGE, 2) and self._speaks():
            # Hypercorn would take all the rest of the message, only to drop it.
            await self._close()

    def _speaks(self) -> bool:
        """Whether the connection is a WebSocket that our side has not closed yet."""
        stream = self._websocket()
        return stream is not None and stream.state is ASGIWebsocketState.CONNECTED

    def _websocket(self) -> WSStream | None:
        stream = getattr(self.protocol.protocol, "stream", None)
        return stream if isinstance(stream, WSStream) else None

    async def _head_timeout(self) -> None:
        with trio.move_on_after(self._header_timeout):
            await self.context.terminated.wait()
        with trio.CancelScope(shield=True):
            # Perhaps nobody hears it.
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self.stream.send_all(_TOO_SLOW)
            await self._initiate_server_close()

    async def _idle_timeout(self) -> None:
        if not self._read_everything:
            await super()._idle_timeout()

"""The engine's end of the socket to the shim."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio

from dffmpeg.client.engine.call import Call, parse
from dffmpeg.errors import BadInput
from dffmpeg.shim import wire

RECEIVE_BYTES = 128 * 1024


class ShimGone(Exception):
    """The shim's end of the socket is closed."""


class Port:
    """Frames to and from one shim. Owns the stream from `async with` on."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._sending = trio.Lock()
        self._gone = False

    async def aclose(self) -> None:
        """Close the socket."""
        await self._stream.aclose()

    async def call(self) -> Call:
        """The first frame.

        Raises:
            BadInput: it is no call.
            ShimGone: it left before.
        """
        async for header, payload in self.frames():
            if header[0] != wire.CALL:
                raise BadInput("a shim begins with its call")
            return parse(payload)
        raise ShimGone

    async def frames(self) -> AsyncIterator[tuple[tuple[int, ...], bytes]]:
        """Whole frames, header and payload, until the shim's end is closed."""
        buffer = bytearray()
        while True:
            while (header := _header(buffer)) is not None and len(buffer) >= wire.HEADER_BYTES + header[6]:
                end = wire.HEADER_BYTES + header[6]
                payload = bytes(buffer[wire.HEADER_BYTES : end])
                del buffer[:end]
                yield header, payload
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if not data:
                return
            buffer += data

    async def send(self, kind: int, payload: bytes = b"", *, attempt: int = 0, offset: int = 0) -> None:
        """Send a frame of the socket's own kinds; a shim that is gone does not get it."""
        await self.forward(wire.frame(kind, payload, attempt=attempt, offset=offset))

    async def forward(self, frames: bytes | memoryview) -> None:
        """Send whole frames as they are."""
        if self._gone:
            return
        async with self._sending:
            try:
                await self._stream.send_all(frames)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                # The listening task finds out what that means.
                self._gone = True


def _header(buffer: bytearray) -> tuple[int, ...] | None:
    if len(buffer) < wire.HEADER_BYTES:
        return None
    header: tuple[int, ...] = wire.HEADER.unpack_from(buffer)
    if header[6] > wire.MAX_CALL:
        raise BadInput(f"a frame of {header[6]} bytes")
    return header

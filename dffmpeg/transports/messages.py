"""Large WebSocket messages without the cost of masking them: both ends of it.

A client's frames are masked, RFC 6455 section 5.3, which in Python costs more than all the rest of sending
and receiving them. A key of zeros is a key as well, and leaves the bytes as they are. What is lost is the
protection of proxies from browsers that run a stranger's code; no browser sends these.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import trio
from wsproto import frame_protocol

_BINARY = 0x82
"""The last (and first) frame of a message of bytes."""

_MASKED = 0x80
_SHORT, _MEDIUM, _LONG = 125, 126, 127
_KEY = bytes(4)


class SharedStream(trio.abc.Stream):
    """A connection on which a WebSocket library and we send whole frames, each in its turn.

    Args:
        stream: stays the caller's, who closes it.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._sending = trio.Lock()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._sending:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def send_message(self, parts: Sequence[bytes]) -> None:
        """Send a client's message of bytes, which is all parts one behind the other.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the connection is gone.
        """
        header = frame_header(sum(map(len, parts)))
        async with self._sending:
            # To be cancelled in the middle would leave half a frame, and the connection of no use.
            with trio.CancelScope(shield=True):
                for part in _joined((header, *parts)):
                    await self._stream.send_all(part)


def _joined(parts: Sequence[bytes], small: int = 16 * 1024) -> list[bytes]:
    """The same bytes, small parts put together."""
    found: list[bytes] = []
    batch: list[bytes] = []
    for part in parts:
        if len(part) <= small:
            batch.append(part)
            continue
        found += (b"".join(batch), part)
        batch = []
    return [*found, b"".join(batch)] if batch else found


def frame_header(length: int) -> bytes:
    """What stands in front of a client's message of so many bytes, which are sent as they are."""
    if length <= _SHORT:
        return struct.pack("!BB", _BINARY, _MASKED | length) + _KEY
    if length <= 0xFFFF:
        return struct.pack("!BBH", _BINARY, _MASKED | _MEDIUM, length) + _KEY
    return struct.pack("!BBQ", _BINARY, _MASKED | _LONG, length) + _KEY


class _Masker(frame_protocol.XorMaskerSimple):
    """As the library's, which takes the same time for a key that changes nothing."""

    def __init__(self, masking_key: bytearray | bytes) -> None:
        super().__init__(masking_key)
        self._changes = any(masking_key)

    def process(self, data: bytearray) -> bytearray:
        return super().process(data) if self._changes else data


def take_unmasked() -> None:
    """Have the WebSocket library of this process leave alone what a key of zeros does not change."""
    frame_protocol.XorMaskerSimple = _Masker  # type: ignore[misc]

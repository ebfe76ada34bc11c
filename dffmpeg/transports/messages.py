"""Large WebSocket messages without the cost of putting them together, and masked by machine code: both ends.

A client's frames are masked, RFC 6455 section 5.3, which in Python costs more than all the rest of sending
and receiving them; the `websockets` package does it in C. See docs/decisions/websocket-masking.md.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

import trio
from websockets.speedups import apply_mask
from wsproto import frame_protocol

_TEXT, _BINARY = 0x81, 0x82
"""The last (and first) frame of a message of text, or of bytes."""

_MASKED = 0x80
_SHORT, _MEDIUM, _LONG = 125, 126, 127


class Masker(frame_protocol.XorMaskerSimple):
    """As the library's, in C: masks the pieces of one frame, and so unmasks them too.

    Args:
        masking_key: 4 bytes.
    """

    def __init__(self, masking_key: bytearray | bytes) -> None:
        super().__init__(masking_key)
        self._key = bytes(masking_key)

    def process(self, data: bytes | bytearray) -> bytes:  # type: ignore[override]
        """The next piece. Bytes, where the library has a bytearray: it makes bytes of it in the end, and
        every copy of a large message is felt."""
        turn = len(data) % 4
        key, self._key = self._key, self._key[turn:] + self._key[:turn]
        return apply_mask(data, key)


def mask_in_c() -> None:
    """Have the WebSocket library of this process use our masker. It has no other way to be told."""
    frame_protocol.XorMaskerSimple = Masker  # type: ignore[misc]


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
        key = os.urandom(4)
        header = frame_header(sum(map(len, parts)), key)
        masker = Masker(key)
        async with self._sending:
            # To be cancelled in the middle would leave half a frame, and the connection of no use.
            with trio.CancelScope(shield=True):
                await self._stream.send_all(header)
                for part in joined(parts):
                    await self._stream.send_all(masker.process(part))


def joined(parts: Sequence[bytes], small: int = 16 * 1024) -> list[bytes]:
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


def frame_header(length: int, key: bytes = b"", *, text: bool = False) -> bytes:
    """What stands in front of a message of so many bytes, RFC 6455, section 5.2.

    Args:
        key: that masks it, where a client sends it.
        text: whether the bytes are text in UTF-8.
    """
    kind, mask = _TEXT if text else _BINARY, _MASKED if key else 0
    if length <= _SHORT:
        return struct.pack("!BB", kind, mask | length) + key
    if length <= 0xFFFF:
        return struct.pack("!BBH", kind, mask | _MEDIUM, length) + key
    return struct.pack("!BBQ", kind, mask | _LONG, length) + key


class TextFrame:
    """A server's message of text as it travels: made once, and sent to as many as want it.

    Attributes:
        text: in UTF-8.
        frame: the same behind its header.
    """

    __slots__ = ("frame", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.frame = frame_header(len(text), text=True) + text

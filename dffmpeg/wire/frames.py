"""Frames: how byte streams travel, addressed by job attempt, stream and offset.

The same frame is a WebSocket's binary message, a part of a worker's output
request, and a part of a follower's poll answer. A body may hold many, one
behind the other. Nothing in here decodes or splits what a program wrote.

Layout, network byte order: kind (1), flags (1), reserved (2), attempt (4),
offset (8), floor (8), length (4), then `length` bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from dffmpeg.errors import BadInput

_HEADER = struct.Struct("!BBHIQQI")
HEADER_BYTES = _HEADER.size

MAX_PAYLOAD = 1 << 20
"""Largest payload of one frame, bytes."""


class Kind(IntEnum):
    """What a frame's payload is."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    STATUS = 3
    """A job record as JSON; offset and floor are 0."""


class Flag(IntFlag):
    NONE = 0
    EOF = 1
    """The stream ends where this frame ends."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a stream.

    Attributes:
        offset: where in the stream the payload begins, bytes.
        floor: the oldest offset that the sender still holds. A receiver that
            knows less than that (it lost its memory) may begin there.
    """

    kind: Kind
    attempt: int
    offset: int
    payload: bytes
    floor: int = 0
    eof: bool = False

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + len(self.payload)


def encode(frame: Frame) -> bytes:
    """The frame as it travels."""
    flags = Flag.EOF if frame.eof else Flag.NONE
    header = _HEADER.pack(frame.kind, flags, 0, frame.attempt, frame.offset, frame.floor, len(frame.payload))
    return header + frame.payload


def decode_all(body: bytes) -> Iterator[Frame]:
    """Every frame of a body, in order.

    Raises:
        BadInput: cut short, too large, or of a kind that is not known.
    """
    view = memoryview(body)
    position = 0
    while position < len(view):
        if len(view) - position < HEADER_BYTES:
            raise BadInput(f"frame at byte {position}: the header is cut short")
        kind, flags, _, attempt, offset, floor, length = _HEADER.unpack_from(view, position)
        start = position + HEADER_BYTES
        if length > MAX_PAYLOAD:
            raise BadInput(f"frame at byte {position}: {length} bytes, at most {MAX_PAYLOAD} are allowed")
        if len(view) - start < length:
            raise BadInput(f"frame at byte {position}: the payload is cut short")
        try:
            known = Kind(kind)
        except ValueError:
            raise BadInput(f"frame at byte {position}: unknown kind {kind}") from None
        if offset + length >= 1 << 63:
            raise BadInput(f"frame at byte {position}: the offset is out of range")
        yield Frame(
            known, attempt, offset, bytes(view[start : start + length]), floor, bool(flags & Flag.EOF)
        )
        position = start + length

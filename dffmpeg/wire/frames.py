"""Frames: how byte streams travel, addressed by job attempt, stream and offset.

The same frame is a part of a WebSocket's binary message, of a worker's output
request, and of a follower's poll answer. A body may hold many, one behind the
other. Nothing in here decodes or splits what a program wrote.

Layout, network byte order: kind (1), flags (1), descriptor (2), attempt (4),
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


CONTROL = 0xFFFF
"""The number, among the inputs, of the stream of control records: see `dffmpeg.wire.control`."""


class Kind(IntEnum):
    """What a frame's payload is."""

    INPUT = 0
    """Of what travels to the program: descriptor 0, a further one, or `CONTROL`."""
    STDOUT = 1
    STDERR = 2
    STATUS = 3
    """A job record as JSON; offset is the number of its progress, floor 0."""
    OUTPUT = 4
    """Of what the program wrote to another descriptor than 1 and 2, whose number the frame has."""
    ACK = 5
    """No payload: of the stream `descriptor` the frame's sender has everything before `offset`, and
    nobody will ask again for what is before `floor`. It is about an input where the program's
    side says it, about an output where the caller's side does."""


class Flag(IntFlag):
    NONE = 0
    EOF = 1
    """The stream ends where this frame ends; in an ACK: its end has arrived too."""
    RESEND = 2
    """In an ACK: what came behind `offset` did not join on. Go back to there."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a stream.

    Attributes:
        offset: where in the stream the payload begins, bytes.
        floor: the oldest offset that the sender still holds. A receiver that
            knows less than that (it lost its memory) may begin there.
        descriptor: which stream, for the kinds that are about more than one: the program's file
            descriptor, or `CONTROL`.
        resend: only in an ACK, see `Flag.RESEND`.
    """

    kind: Kind
    attempt: int
    offset: int
    payload: bytes
    floor: int = 0
    eof: bool = False
    descriptor: int = 0
    resend: bool = False

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + len(self.payload)


_OUTPUTS = {1: Kind.STDOUT, 2: Kind.STDERR}
_NUMBERS = {Kind.STDOUT: 1, Kind.STDERR: 2}


def output(
    number: int, attempt: int, offset: int, payload: bytes, *, floor: int = 0, eof: bool = False
) -> Frame:
    """A piece of what the program wrote to a descriptor."""
    kind = _OUTPUTS.get(number, Kind.OUTPUT)
    return Frame(kind, attempt, offset, payload, floor, eof, number if kind is Kind.OUTPUT else 0)


def output_number(frame: Frame) -> int:
    """The program's descriptor of an output frame.

    Raises:
        BadInput: it is a frame of another kind.
    """
    if frame.kind is Kind.OUTPUT:
        return frame.descriptor
    try:
        return _NUMBERS[frame.kind]
    except KeyError:
        raise BadInput(f"a frame of kind {frame.kind.name}, where a piece of an output is expected") from None


def acknowledgement(
    number: int, attempt: int, received: int, acked: int, *, eof: bool = False, resend: bool = False
) -> Frame:
    """The receiver of stream `number` has all before `received`; what is before `acked` may be forgotten."""
    return Frame(Kind.ACK, attempt, received, b"", acked, eof, number, resend)


def encode(frame: Frame) -> bytes:
    """The frame as it travels."""
    return header(frame) + frame.payload


def header(frame: Frame) -> bytes:
    """What stands in front of the frame's payload."""
    flags = (Flag.EOF if frame.eof else 0) | (Flag.RESEND if frame.resend else 0)
    return _HEADER.pack(
        frame.kind, flags, frame.descriptor, frame.attempt, frame.offset, frame.floor, len(frame.payload)
    )


def decode_all(body: bytes | memoryview) -> Iterator[Frame]:
    """Every frame of a body, in order.

    Raises:
        BadInput: cut short, too large, or of a kind that is not known.
    """
    view = memoryview(body)
    position = 0
    while position < len(view):
        if len(view) - position < HEADER_BYTES:
            raise BadInput(f"frame at byte {position}: the header is cut short")
        kind, flags, descriptor, attempt, offset, floor, length = _HEADER.unpack_from(view, position)
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
            known,
            attempt,
            offset,
            bytes(view[start : start + length]),
            floor,
            bool(flags & Flag.EOF),
            descriptor,
            bool(flags & Flag.RESEND),
        )
        position = start + length

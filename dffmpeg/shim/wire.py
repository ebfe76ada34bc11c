"""What travels over the Unix socket between the shim and the engine that runs its job.

Frames as everywhere else (`dffmpeg.wire.frames`, docs/protocol.md), of the same layout, so that a job's
streams pass through the engine as they come. Kinds from `CALL` on exist on this socket only.
"""

from __future__ import annotations

from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket

PROTOCOL = b"1"
"""What both sides must agree on; a call that says another one is refused."""

HEADER = Struct("!BBHIQQI")
HEADER_BYTES = 28

INPUT, STDOUT, STDERR, STATUS, OUTPUT, ACK = range(6)
CONTROL = 0xFFFF
EOF, RESEND = 1, 2

CALL = 128
"""From the shim, first of all: what is to be run, and how far it has come. Its payload are fields."""
RECORD = 129
"""From the shim: a control record, to be appended to the control stream."""
CANCEL = 130
"""From the shim: the job is not wanted any more."""
GOODBYE = 131
"""From the shim: it leaves by its own will. A socket that closes without it is a shim that was killed."""
REFUSED = 140
"""To the shim: this engine does not take the call; nothing was done about it."""
JOB = 141
"""To the shim: the job's state (`attempt`, and the status as payload)."""
APPENDED = 142
"""To the shim: a record that now stands at `offset` in the control stream."""
ANEW = 143
"""To the shim: the connection to the coordinator was made anew. Each input goes on from its next ACK."""
END = 144
"""To the shim: how it shall end. Its payload are fields; comes behind the last byte of every output."""
FALLBACK = 145
"""To the shim: run the local program, whose path is the payload: the job never ran."""
NOTE = 146
"""To the shim: a line for stderr."""
PIPE = 147
"""To the shim: the file behind `descriptor` is none that the other machine has too; its bytes travel."""

MAX_CALL = 8 << 20
MAX_PAYLOAD = 1 << 20

_OUTPUTS = (STDOUT, STDERR, OUTPUT)


def frame(
    kind: int,
    payload: bytes = b"",
    *,
    flags: int = 0,
    descriptor: int = 0,
    attempt: int = 0,
    offset: int = 0,
) -> bytes:
    """One frame as it travels."""
    return HEADER.pack(kind, flags, descriptor, attempt, offset, 0, len(payload)) + payload


def pack_fields(fields: list[tuple[bytes, bytes]]) -> bytes:
    """A list of values, each with a tag of one byte. No value can hold a NUL byte, so that separates them."""
    return b"\0".join([tag + value for tag, value in fields])


def unpack_fields(payload: bytes) -> list[tuple[bytes, bytes]]:
    """The inverse of `pack_fields`."""
    return [(field[:1], field[1:]) for field in payload.split(b"\0")] if payload else []


class Part:
    """A frame, or of an output's frame as much as has come.

    Attributes:
        payload: valid until the next part is asked for.
        last: whether the frame ends with this part; flags are about its end.
    """

    __slots__ = ("attempt", "descriptor", "flags", "floor", "kind", "last", "offset", "payload")

    def __init__(
        self,
        kind: int,
        flags: int,
        descriptor: int,
        attempt: int,
        offset: int,
        floor: int,
        payload: memoryview,
        last: bool,
    ) -> None:
        self.kind = kind
        self.flags = flags
        self.descriptor = descriptor
        self.attempt = attempt
        self.offset = offset
        self.floor = floor
        self.payload = payload
        self.last = last

    @property
    def output(self) -> int:
        """The descriptor that an output's frame is about."""
        return self.descriptor if self.kind == OUTPUT else self.kind


class Reader:
    """Cuts what comes over the socket into parts. Outputs are handed on as they come, in no more memory
    than one buffer."""

    SIZE = 256 * 1024

    def __init__(self) -> None:
        self._buffer = bytearray(self.SIZE)
        self._start = self._end = 0
        self._header: tuple[int, int, int, int, int, int, int] | None = None

    def fill(self, source: socket) -> int:
        """Receive once; returns how many bytes came, 0 for the end.

        Raises:
            OSError: as recv(2).
        """
        view = memoryview(self._buffer)
        if self._start:
            rest = self._end - self._start
            view[:rest] = bytes(view[self._start : self._end])
            self._start, self._end = 0, rest
        if self._end == len(self._buffer):
            view.release()
            self._buffer += bytes(len(self._buffer))
            view = memoryview(self._buffer)
        with view, view[self._end :] as room:
            got = source.recv_into(room)
        self._end += got
        return got

    def parts(self) -> Iterator[Part]:
        """What has come since."""
        with memoryview(self._buffer) as view:
            while True:
                if self._header is None:
                    if self._end - self._start < HEADER_BYTES:
                        return
                    self._header = HEADER.unpack_from(view, self._start)
                    self._start += HEADER_BYTES
                kind, flags, descriptor, attempt, offset, floor, length = self._header
                here = min(length, self._end - self._start)
                last = here == length
                if not last and (not here or kind not in _OUTPUTS):
                    return
                begin = self._start
                self._start += here
                rest = (kind, flags, descriptor, attempt, offset + here, floor, length - here)
                self._header = None if last else rest
                with view[begin : begin + here] as payload:
                    yield Part(kind, flags, descriptor, attempt, offset, floor, payload, last)

"""What the sender of a byte stream keeps, and what it sends next.

A stream is an append-only log addressed by offset. The sender keeps the bytes
from `kept` to `end` in memory, at most `capacity` of them; the receiver says up
to where it has the stream (`received`) and up to where nobody will ask again
(`acked`). Pure: no clock, no I/O.

A window begins as small as a pipe and grows with what was acknowledged: a writer
whose reader leaves early, or never begins, is not far ahead of it, as it would not
be locally; and one whose reader keeps up soon has all the room that distance needs.

Invariants: acked <= kept <= sent <= end, and end - kept <= min(capacity, max(start, kept)) when
bytes are appended.
"""

from __future__ import annotations

from dataclasses import dataclass

from dffmpeg.errors import BadInput
from dffmpeg.model.relay import Relay

PIPE_BYTES = 64 * 1024
"""What a pipe holds, pipe(7)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the stream that is ready to travel.

    Attributes:
        offset: where in the stream the payload begins, bytes.
        floor: the oldest offset that is still kept; a receiver that lacks older
            bytes than that can never have them, and may begin there.
        eof: the stream ends behind the payload.
    """

    offset: int
    payload: bytes
    floor: int
    eof: bool


class SendWindow:
    """One stream's bytes between the one who writes and the one who receives them.

    Args:
        capacity: bytes that may be kept at most; a writer waits while there is no `room`.
        start: bytes that may be kept before any was acknowledged.
        ends: the stream's end is a piece to be sent, also where no bytes are left to go with it.
    """

    def __init__(self, capacity: int, *, start: int = PIPE_BYTES, ends: bool = False) -> None:
        if capacity < 1 or start < 1:
            raise ValueError("a window holds at least one byte")
        self.capacity = capacity
        self._start = start
        # It may hold a little more than is kept: it forgets whole chunks.
        self._log = Relay()
        self._kept = 0
        self._sent = 0
        self._received = 0
        self._closed = False
        self._doubted = False
        self._asking = False
        self._ends = ends
        self._end_sent = False

    @property
    def kept(self) -> int:
        """The oldest offset that can still be sent."""
        return self._kept

    @property
    def sent(self) -> int:
        """The offset from which the next piece begins."""
        return self._sent

    @property
    def end(self) -> int:
        """The offset behind the last byte that was appended; the stream's length once it is closed."""
        return self._log.end

    @property
    def room(self) -> int:
        """How many bytes may be appended now."""
        if self._closed:
            return 0
        return max(0, min(self.capacity, max(self._start, self._kept)) - (self.end - self._kept))

    @property
    def closed(self) -> bool:
        """Whether the stream's end is known."""
        return self._closed

    @property
    def pending(self) -> bool:
        """Whether a piece waits to be sent: bytes, the question what the receiver has, or the end."""
        return self._sent < self.end or self._asking or (self._ends and self._closed and not self._end_sent)

    @property
    def delivered(self) -> bool:
        """Whether the receiver has the whole stream. That it is the whole is for the report of
        the end to say, so an end alone is not worth a request."""
        return self._closed and not self._doubted and self._received == self.end

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises:
            ValueError: more than `room`, or the stream is closed.
        """
        if len(data) > self.room:
            raise ValueError(f"{len(data)} bytes do not fit into {self.room}")
        self._log.offer(self.end, data, floor=self._kept, eof=False)

    def close(self) -> None:
        """No byte will follow. Closing twice is closing once."""
        self._closed = True

    def take(self, limit: int) -> Piece:
        """The next piece, which counts as sent from now on.

        With nothing pending it is an empty piece, by which a sender asks for news.

        Args:
            limit: bytes of payload at most.
        """
        offset = self._sent
        payload = self._log.read(offset, limit).data
        self._sent = offset + len(payload)
        self._asking = False
        eof = self._closed and self._sent == self.end
        self._end_sent = self._end_sent or eof
        return Piece(offset, payload, self._kept, eof)

    def acknowledge(self, received: int, acked: int) -> None:
        """Take the receiver's answer to all that was taken so far.

        A receiver that has less than was sent (it lost its memory, or a gap came
        before) is sent the rest again, from the oldest byte that is kept; one
        that has more (its last answer was lost) is not sent it twice.

        Args:
            received: the receiver has all below.
            acked: bytes below may be forgotten.

        Raises:
            BadInput: offsets that this stream never had, or that contradict each other.
        """
        self._release(received, acked)
        self._sent = max(received, self._kept)

    def _release(self, received: int, acked: int) -> None:
        if not 0 <= acked <= received <= self.end:
            raise BadInput(
                f"acknowledged {acked} and received {received} of a stream that has {self.end} bytes"
            )
        if acked > self._kept:
            self._log.release(acked)
            self._kept = acked
        self._received = received
        self._doubted = False

    def advance(self, received: int, acked: int) -> None:
        """Take what the receiver says by itself, while more is under way to it.

        It may have less than was sent, which then still travels. One that has less than it said
        before has lost its memory, and is sent the rest again; one that has more is not sent it twice.

        Args:
            received: the receiver has all below.
            acked: bytes below may be forgotten.

        Raises:
            BadInput: as `acknowledge`.
        """
        forgot = received < self._received
        self._release(received, acked)
        if forgot:
            self.rewind(received)
        self._sent = max(self._sent, received)

    def rewind(self, offset: int | None = None) -> None:
        """Send again from here on.

        Args:
            offset: where the receiver's stream ends; None for what it said last, where what was under
                way may be lost. If that is not kept any more, it is told so even if there is nothing else
                to be sent.
        """
        begin = self._received if offset is None else offset
        self._sent = min(self._sent, max(begin, self._kept))
        self._asking = self._asking or begin < self._kept
        self._end_sent = False

    @property
    def all_sent(self) -> bool:
        """Whether its end is known and everything before it was sent."""
        return self._closed and not self.pending

    def doubt(self) -> None:
        """The receiver may have less than it said: its next answer tells, and is asked for."""
        self._doubted = self._asking = True

"""The caller's descriptors that the program reads, and what is kept of them until the program has it."""

from __future__ import annotations

import os

from dffmpeg.shim import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW = 1 << 20
"""Bytes that may be under way: sent, and not yet taken by the program."""
KEPT = 4 << 20
"""Bytes from the beginning that are kept so that a new attempt can have them again."""
CHUNK = 64 * 1024


class Gone(Exception):
    """A new attempt needs the input from its beginning, which is not kept any more."""


class Input:
    """One input.

    Args:
        number: the descriptor.
        reads: whether it is read at all; otherwise the program's stays open and empty.

    Attributes:
        ended: whether its end was read.
        acked: how much of it the program was given.
    """

    def __init__(self, number: int, *, reads: bool) -> None:
        self.number = number
        self.reads = reads
        self.ended = False
        self.acked = 0
        self._kept = bytearray()
        self._base = 0
        self._sent = 0
        self._end_sent = False
        self._uncertain = False

    @property
    def end(self) -> int:
        """The offset behind what was read."""
        return self._base + len(self._kept)

    @property
    def _window(self) -> int:
        """How far we read ahead of the program: no further than a pipe would hold before it takes more, so
        that a writer whose program ends early hears of it as it would locally."""
        return min(WINDOW, max(CHUNK, self.acked))

    @property
    def wants(self) -> bool:
        """Whether it should be read now."""
        return self.reads and not self.ended and self.end - self.acked < self._window

    def read(self) -> None:
        """Read what is there; poll(2) said that there is something, or the end."""
        try:
            data = os.read(self.number, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            # A terminal that hung up, a socket that was reset: to a program that is the end.
            data = b""
        if not data:
            self.ended = True
        self._kept += data
        if self.end > KEPT:
            self._forget()

    def add(self, data: bytes) -> None:
        """Add bytes that do not come from a descriptor."""
        self._kept += data

    def begin(self) -> None:
        """A new attempt reads from the beginning.

        Raises:
            Gone: that is not kept any more.
        """
        if self._base:
            raise Gone
        self.acked = self._sent = 0
        self._end_sent = self._uncertain = False

    def doubt(self) -> None:
        """The connection was made anew: nothing is sent until it is known where to go on."""
        self._uncertain = True

    def acknowledge(self, offset: int, floor: int, flags: int) -> None:
        """The coordinator has what is before `offset`, and the program was given what is before `floor`."""
        offset = min(max(offset, self._base), self.end)
        if self._uncertain or flags & wire.RESEND:
            self._sent = offset
            self._end_sent = bool(flags & wire.EOF)
            self._uncertain = False
        self.acked = max(self.acked, min(floor, self.end))
        if self._base or self.end > KEPT:
            self._forget()

    def frames(self, attempt: int) -> Iterator[bytes]:
        """What is to be sent now."""
        if self._uncertain:
            return
        limit = min(self.end, self.acked + WINDOW)
        while self._sent < limit or (self.ended and self._sent == self.end and not self._end_sent):
            start = self._sent - self._base
            payload = bytes(self._kept[start : start + min(CHUNK, limit - self._sent)])
            offset, self._sent = self._sent, self._sent + len(payload)
            last = self.ended and self._sent == self.end
            self._end_sent = self._end_sent or last
            flags = wire.EOF if last else 0
            yield wire.frame(
                wire.INPUT, payload, flags=flags, descriptor=self.number, attempt=attempt, offset=offset
            )

    def put_back(self) -> None:
        """Leave a file where the program stopped reading it, as far as that is known."""
        if self.end > self.acked:
            try:
                os.lseek(self.number, self.acked - self.end, os.SEEK_CUR)
            except OSError:
                # A pipe or a terminal: what was read of it is gone.
                return

    def _forget(self) -> None:
        behind = self.acked - self._base
        if behind > 0:
            del self._kept[:behind]
            self._base += behind

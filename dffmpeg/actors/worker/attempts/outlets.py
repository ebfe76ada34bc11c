"""What comes out of a program, between its pipe and the coordinator."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from dffmpeg.actors.worker.processes.streams import WIDE_BYTES, OutputStream
from dffmpeg.model.send_window import SendWindow
from dffmpeg.wire import frames
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import StreamAck

_DRAIN_SECONDS = 1.0
"""How long a pipe may stay open and empty after its process ended: a stranger holds it."""


class Allowance:
    """How much the outputs of a program may bring together. What is beyond that is read, and thrown away.

    Args:
        most: bytes.
        exceeded: called once, when there is more.
    """

    def __init__(self, most: int, exceeded: Callable[[], None]) -> None:
        self._left = most
        self._exceeded: Callable[[], None] | None = exceeded

    def take(self, data: bytes) -> bytes:
        """What of it is within."""
        within = data[: self._left]
        self._left -= len(within)
        if len(within) < len(data) and self._exceeded is not None:
            self._exceeded()
            self._exceeded = None
        return within


class Outlet:
    """One output: its window, and what is under way with it.

    Args:
        capacity: of the window, bytes.
        chunk: bytes that are read at once.
        note: called when something changed.
        tap: is shown each piece as it comes out.
        allowance: None is no limit.
    """

    def __init__(
        self,
        number: int,
        attempt: int,
        capacity: int,
        chunk: int,
        note: Callable[[], None],
        tap: Callable[[bytes], None] | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        self.number = number
        self.window = SendWindow(max(capacity, chunk))
        self.under_way = False
        """A request carries some of it."""
        self.fruitless = 0
        """Requests in a row that brought it no further."""
        self._attempt = attempt
        self._chunk = chunk
        self._note = note
        self._tap = tap
        self._allowance = allowance
        self._received = 0
        self._room = trio.Event()
        self._reading = trio.CancelScope()
        self._patience = math.inf

    # From the pipe

    async def pump(self, pipe: trio.abc.ReceiveStream) -> None:
        """Read the pipe to its end, as far as the window has room."""
        wide = False
        while True:
            if not wide and self.window.kept >= WIDE_BYTES and isinstance(pipe, OutputStream):
                wide = True
                pipe.widen()
            while self.window.room == 0:
                self._room = trio.Event()
                await self._room.wait()
            data = await self._read(pipe)
            if not data:
                break
            if self._allowance is not None:
                data = self._allowance.take(data)
                if not data:
                    continue
            self.window.append(data)
            if self._tap is not None:
                self._tap(data)
            self._note()
        self.close()

    async def _read(self, pipe: trio.abc.ReceiveStream) -> bytes:
        """What is there; empty at the end, or when the process is gone and nothing comes any more."""
        with trio.move_on_after(self._patience) as self._reading:
            return bytes(await pipe.receive_some(min(self._chunk, self.window.room)))
        return b""

    @property
    def full(self) -> bool:
        """Whether it is not read because nobody takes what was read: the program has to wait."""
        return not self.window.closed and self.window.room == 0

    def process_ended(self) -> None:
        """What the pipe holds now is the rest."""
        self._patience = _DRAIN_SECONDS
        self._reading.deadline = trio.current_time() + _DRAIN_SECONDS

    def close(self) -> None:
        """Nothing comes any more."""
        self.window.close()
        self._note()

    # To the coordinator

    def take(self, limit: int) -> Frame:
        """The next piece, with at most `limit` bytes of payload."""
        piece = self.window.take(limit)
        return frames.output(
            self.number, self._attempt, piece.offset, piece.payload, floor=piece.floor, eof=piece.eof
        )

    def heed(self, frame: Frame) -> None:
        """Take an acknowledgement that came by itself.

        Raises:
            BadInput: of bytes that there never were.
        """
        self.window.advance(frame.offset, frame.floor)
        if frame.resend:
            self.window.rewind(frame.offset)
        self._released()

    def acknowledge(self, ack: StreamAck) -> None:
        """Take the answer to a request.

        Raises:
            BadInput: as `heed`.
        """
        before = (self._received, self.window.kept)
        self.window.acknowledge(ack.received, ack.acked)
        self._received = ack.received
        moved = (self._received, self.window.kept) != before or self.window.delivered
        self.fruitless = 0 if moved else self.fruitless + 1
        self._released()

    def _released(self) -> None:
        if self.window.room:
            self._room.set()
        self._note()

    @property
    def due(self) -> bool:
        """Whether a request should carry it now: bytes, or the question whether there is room."""
        window = self.window
        return not self.under_way and (window.pending or (not window.closed and window.room == 0))

    def take_all(self, chunk: int, limit: int) -> list[Frame]:
        """Its share of a request: at least one frame, at most `limit` bytes of payload."""
        taken: list[Frame] = []
        while not taken or (limit > 0 and self.window.pending):
            taken.append(self.take(min(chunk, limit)))
            limit -= len(taken[-1].payload)
        return taken

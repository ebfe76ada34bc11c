"""What goes into a program, between its arrival and the moment when the program has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from dffmpeg.actors.worker.processes.actor import RunningProcess
from dffmpeg.model.relay import Relay
from dffmpeg.wire import control, frames
from dffmpeg.wire.control import RECORD_BYTES, Record
from dffmpeg.wire.frames import CONTROL, Frame
from dffmpeg.wire.jobs import InputPosition

WINDOW = 1 << 20
"""Bytes of one input that may wait here: its sender has no more under way."""

CHUNK = 64 * 1024
"""Bytes that are written at once; after so many it is said that the program has them."""


class Intake:
    """One input.

    Args:
        note: called when there is something new to be acknowledged.
        tap: is shown the number and each piece that the program was given.

    Attributes:
        due: whether there is.
    """

    def __init__(
        self,
        number: int,
        attempt: int,
        note: Callable[[], None],
        tap: Callable[[int, bytes], None] | None = None,
    ) -> None:
        self.number = number
        self.due = True
        self._attempt = attempt
        self._note = note
        self._tap = tap
        self._relay = Relay()
        self._written = 0
        self._ended = False
        self._missed = False
        self._arrived = trio.Event()

    @property
    def written(self) -> int:
        """Bytes that the program was given."""
        return self._written

    @property
    def idle(self) -> bool:
        """Whether all that came was given to the program, and more may come."""
        return not self._ended and not self._relay.eof and self._relay.end == self._written

    def take(self, frame: Frame) -> None:
        """Keep a piece that came; one that does not join on, or for which there is no room, is asked for."""
        fits = frame.end <= self._written + WINDOW
        if not fits or self._relay.offer(frame.offset, frame.payload, floor=0, eof=frame.eof) is None:
            self._missed = True
            self._acknowledge()
        self._arrived.set()

    def acknowledgement(self) -> Frame:
        """How much of it the program has."""
        self.due = False
        missed, self._missed = self._missed, False
        return frames.acknowledgement(
            self.number, self._attempt, self._written, self._written, eof=self._ended, resend=missed
        )

    def position(self) -> InputPosition:
        """How far it is, for a request: what came, and what the program has of it."""
        self.due = self._missed = False
        return InputPosition(
            received=self._relay.end,
            eof=self._relay.eof,
            given=self._written,
            ended=self._ended,
        )

    def _acknowledge(self) -> None:
        self.due = True
        self._note()

    async def feed(self, process: RunningProcess) -> None:
        """Write all of it, and its end. Of what a program does not take any more, all counts as taken, and
        as ended."""
        stream = process.inputs[self.number]
        try:
            while data := await self._next(CHUNK):
                await stream.send_all(data)
                if self._tap is not None:
                    self._tap(self.number, data)
                self._done(len(data))
            await process.end_input(self.number)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._ended = True
            await self._swallow()
        self._ended = True
        self._acknowledge()

    async def _next(self, limit: int) -> bytes:
        """What comes next; empty at the end."""
        while self._relay.end == self._written and not self._relay.eof:
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._relay.read(self._written, limit).data

    def _done(self, size: int) -> None:
        self._written += size
        self._relay.release(self._written)
        self._acknowledge()

    async def _swallow(self) -> None:
        self._acknowledge()
        while data := await self._next(WINDOW):
            self._done(len(data))

    async def control(self, tell: Callable[[Record], Awaitable[None]]) -> None:
        """Hand on each record of the control input."""
        assert self.number == CONTROL
        while data := await self._next(WINDOW):
            whole = len(data) - len(data) % RECORD_BYTES
            if not whole:
                # The rest of the record is still to come.
                self._arrived = trio.Event()
                await self._arrived.wait()
                continue
            for record in control.decode_all(data[:whole]):
                await tell(record)
            self._done(whole)
        self._ended = True
        self._acknowledge()

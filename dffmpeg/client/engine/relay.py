"""Between a job's connection and its shim: the receiver of a session whose consumer is another process.

It keeps nothing but offsets: bytes that the shim has not written are acknowledged by nobody, and
come again over the next connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from dffmpeg.client.engine.call import Call
from dffmpeg.client.engine.port import Port
from dffmpeg.client.session import MAX_INPUT, Delivered, OutputMissing
from dffmpeg.errors import BadInput
from dffmpeg.shim import wire
from dffmpeg.shim.inputs import Input
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import InputPosition, JobRecord, Position

INPUT_LIMIT = 4 << 20
"""Bytes of inputs that may wait for the connection; the shim's windows keep it far below."""
RUNNING = ("running", "canceling")


class Relay:
    """One job's streams in both directions. A `Receiver`.

    Args:
        changed: told when the job's record was seen.

    Attributes:
        record: the job as it was last seen.
        ran: whether it was ever seen to run.
    """

    def __init__(self, port: Port, call: Call, changed: Callable[[], None]) -> None:
        self.delivered = Delivered()
        self.record: JobRecord | None = None
        self.ran = False
        self._port = port
        self._changed = changed
        self._outputs = call.outputs
        self._attempt = call.attempt
        self._forwarded: dict[int, int] = dict(call.written)
        self._written: dict[int, int] = dict(call.written)
        self._ended: set[int] = set()
        # What the coordinator said of our inputs.
        self._told: dict[int, InputPosition] = {}
        self._anew = False
        self._discarding = False
        self._control = Input(wire.CONTROL, reads=False)
        self._control.add(call.appended)
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._moved = trio.Event()

    # From the coordinator

    async def see(self, record: JobRecord) -> None:
        """Take a job record."""
        before, self.record = self.record, record
        self._reach(record.attempt)
        self.ran = self.ran or record.status in RUNNING
        if before is None or (before.status, before.attempt) != (record.status, record.attempt):
            await self._port.send(wire.JOB, record.status.encode(), attempt=record.attempt)
        self._wake()
        self._changed()

    async def take(self, message: bytes) -> None:
        if self._anew:
            self._anew = False
            await self._port.send(wire.ANEW)
        view = memoryview(message)
        begin = position = 0
        while position < len(view):
            if len(view) - position < wire.HEADER_BYTES:
                raise BadInput("a frame is cut short")
            kind, flags, descriptor, attempt, offset, floor, length = wire.HEADER.unpack_from(view, position)
            end = position + wire.HEADER_BYTES + length
            if end > len(view):
                raise BadInput("a frame is cut short")
            if kind == wire.STATUS:
                await self._forward(view[begin:position])
                begin = end
                await self.see(codec.decode(bytes(view[end - length : end]), JobRecord, what="job record"))
            elif kind == wire.ACK:
                if descriptor == wire.CONTROL:
                    await self._forward(view[begin:position])
                    begin = end
                if attempt == self._attempt:
                    self._hear(descriptor, offset, floor, flags)
            else:
                number = descriptor if kind == wire.OUTPUT else kind
                self._account(number, attempt, offset, length, bool(flags & wire.EOF))
            position = end
        await self._forward(view[begin:])

    def _hear(self, number: int, offset: int, floor: int, flags: int) -> None:
        self._told[number] = InputPosition(received=offset, given=floor, ended=bool(flags & wire.EOF))
        if number == wire.CONTROL:
            self._control.acknowledge(offset, floor, flags)
            self._wake()

    def _account(self, number: int, attempt: int, offset: int, length: int, eof: bool) -> None:
        if attempt < self._attempt:
            return
        self._reach(attempt)
        expected = self._forwarded.get(number, 0)
        if offset > expected:
            raise OutputMissing(f"descriptor {number} has a gap from byte {expected} to {offset}")
        self._forwarded[number] = max(expected, offset + length)
        if eof:
            self._ended.add(number)
        if self._discarding:
            self._written[number] = self._forwarded[number]
            self.delivered.add(length)

    async def _forward(self, frames: memoryview) -> None:
        if len(frames) and not self._discarding:
            await self._port.forward(frames)

    def _reach(self, attempt: int) -> None:
        if attempt > self._attempt:
            self._attempt = attempt
            self._forwarded.clear()
            self._written.clear()
            self._ended.clear()
            self._told.clear()
            self._control.begin()

    # From the shim

    def acknowledge(self, number: int, attempt: int, offset: int) -> None:
        """The shim has written so much of an output."""
        if attempt == self._attempt:
            grown = offset - self._written.get(number, 0)
            if grown > 0:
                self._written[number] = offset
                self.delivered.add(grown)
                self._wake()

    async def add_input(self, frame: bytes) -> None:
        """Pass a frame of an input on; waits while too many do."""
        while self._queued > INPUT_LIMIT:
            await self._moved.wait()
        self._queue.append(frame)
        self._queued += len(frame)
        self._wake()

    async def add_record(self, record: bytes) -> None:
        """Append a record to the control stream."""
        offset = self._control.end
        self._control.add(record)
        self._wake()
        await self._port.send(wire.APPENDED, record, offset=offset)

    def discard(self) -> None:
        """Nobody is there any more who would take the outputs."""
        self._discarding = True
        self._written.update(self._forwarded)
        self.delivered.add(1 << 20)
        self._wake()

    # As a receiver

    def position(self, *, wait: float | None = None) -> Position:
        return Position(
            attempt=self._attempt,
            stdout=self._written.get(1, 0),
            stderr=self._written.get(2, 0),
            others={number: offset for number, offset in self._written.items() if number not in (1, 2)},
            status=self.record.status if self.record is not None else None,
            owner=True,
            # Over a connection the coordinator knows what it has said.
            inputs=None if wait is None else dict(self._told),
            wait=wait or 0.0,
        )

    def reconnected(self) -> None:
        # What was forwarded and not yet written comes once more, and is passed over by the shim.
        self._forwarded = dict(self._written)
        self._ended.clear()
        self._anew = True
        self._told.clear()
        self._control.doubt()
        self._queue.clear()
        self._queued = 0

    async def next_input(self) -> bytes:
        while True:
            if self._attempt and self.record is not None and self.record.status in RUNNING:
                self._queue += self._control.frames(self._attempt)
                if self._queue:
                    return self._next_message()
            await self._moved.wait()

    def _next_message(self) -> bytes:
        message = self._queue.popleft()
        parts = [message]
        size = len(message)
        while self._queue and size + len(self._queue[0]) <= MAX_INPUT:
            parts.append(self._queue.popleft())
            size += len(parts[-1])
        self._queued = sum(map(len, self._queue))
        self._wake()
        return b"".join(parts)

    async def drained(self) -> None:
        while not self.idle:
            await self._moved.wait()

    @property
    def taken(self) -> tuple[int, int]:
        return self._attempt, sum(self._forwarded.values())

    @property
    def finished(self) -> bool:
        return self.record is not None and self.record.finished

    @property
    def complete(self) -> bool:
        return self.finished and (self._attempt == 0 or self._ended >= self._outputs)

    @property
    def idle(self) -> bool:
        return all(self._written.get(number, 0) >= end for number, end in self._forwarded.items())

    def _wake(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

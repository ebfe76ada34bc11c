"""A job of the small coordinator, as its test plays it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import trio

from dffmpeg.wire import codec, control, frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord, Position

CHUNK = 64 * 1024
STREAMS = (Kind.STDOUT, Kind.STDERR)


class Job:
    """What the coordinator knows of a job; a test's behaviour writes it."""

    def __init__(self, job: JobRecord) -> None:
        self.record = job
        self.logs = dict.fromkeys(STREAMS, b"")
        self.kept_from = dict.fromkeys(STREAMS, 0)
        self.ended = dict.fromkeys(STREAMS, False)
        self.changed = trio.Event()
        self.canceled = trio.Event()
        self.position = Position()
        self.signs = 0
        self.heartbeats = 0
        self.inputs: dict[int, bytearray] = {}
        self.input_ends: set[int] = set()

    def write(self, data: bytes, kind: Kind = Kind.STDOUT) -> None:
        self.logs[kind] += data
        self.wake()

    def start(self) -> None:
        """A new attempt runs."""
        self.update(status="running", attempt=self.record.attempt + 1, worker_id="w1")
        self.logs = dict.fromkeys(STREAMS, b"")
        self.ended = dict.fromkeys(STREAMS, False)
        self.inputs.clear()
        self.input_ends.clear()
        self.position = Position(attempt=self.record.attempt)

    def finish(self, status: str = "completed", **changes: Any) -> None:
        self.ended = dict.fromkeys(STREAMS, True)
        self.update(status=status, **changes)

    def update(self, **changes: Any) -> None:
        self.record = msgspec.structs.replace(self.record, **changes)
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something about this job holds."""
        while not holds():
            await self.changed.wait()

    def records(self) -> list[control.Record]:
        """What came over the control stream."""
        return list(control.decode_all(bytes(self.inputs.get(frames.CONTROL, b""))))

    def take_input(self, frame: Frame) -> Frame:
        """Keep an input's bytes, and acknowledge them."""
        if frame.attempt == self.record.attempt:
            have = self.inputs.setdefault(frame.descriptor, bytearray())
            if frame.offset <= len(have):
                have += frame.payload[len(have) - frame.offset :]
                if frame.eof:
                    self.input_ends.add(frame.descriptor)
        self.wake()
        return self.input_ack(frame.descriptor)

    def input_ack(self, number: int) -> Frame:
        offset = len(self.inputs.get(number, b""))
        ended = number in self.input_ends
        return Frame(Kind.ACK, self.record.attempt, offset, b"", floor=offset, eof=ended, descriptor=number)

    def acknowledge(self, position: Position) -> None:
        self.position = position
        self.signs += 1
        self.wake()

    def newer(self, sent: Sent, limit: int = 1 << 30) -> list[Frame]:
        """Frames behind what was sent, which is moved behind them; of stdout only up to `limit`."""
        found: list[Frame] = []
        if sent.attempt < self.record.attempt:
            sent.attempt, sent.offsets, sent.ended = self.record.attempt, dict.fromkeys(STREAMS, 0), set()
        for kind in STREAMS:
            offset = max(sent.offsets[kind], self.kept_from[kind])
            end = min(offset + CHUNK, limit) if kind is Kind.STDOUT else offset + CHUNK
            data = self.logs[kind][offset:end]
            eof = self.ended[kind] and offset + len(data) == len(self.logs[kind])
            if data or (eof and kind not in sent.ended):
                found.append(Frame(kind, self.record.attempt, offset, data, eof=eof))
                sent.offsets[kind] = offset + len(data)
            if eof:
                sent.ended.add(kind)
        if sent.status != self.record.status:
            sent.status = self.record.status
            found.append(Frame(Kind.STATUS, self.record.attempt, 0, codec.encode(self.record)))
        return found

    def all_sent(self, sent: Sent) -> bool:
        return self.record.finished and sent.status == self.record.status and sent.ended == set(STREAMS)


class RunPosition(msgspec.Struct):
    position: Position


class Sent:
    """What one follower was sent."""

    def __init__(self, position: Position, overlap: int = 0) -> None:
        self.attempt = position.attempt
        self.offsets = {Kind.STDOUT: max(0, position.stdout - overlap), Kind.STDERR: position.stderr}
        self.ended: set[Kind] = set()
        self.status = position.status

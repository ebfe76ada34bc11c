"""The pumps from a process's stdout and stderr to the coordinator: bytes, offsets, resending, back-pressure.

Nothing is decoded or split. Each stream has a window; when it is full, its pipe
is not read, and the process waits as it would at any pipe. Latency comes first:
what is there is sent at once, and what is written while a request is under way
goes with the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import trio

from dffmpeg.actors.attempt_messages import Delivered, Ended, Opened, SendAgain, StopAttempt
from dffmpeg.actors.runtime import Actor, ActorRef
from dffmpeg.actors.uplink import Uplink, gone
from dffmpeg.configuration.worker import Output
from dffmpeg.errors import Refused
from dffmpeg.model.send_window import SendWindow
from dffmpeg.supervisors import Backoff
from dffmpeg.wire import frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import OutputReply, StreamAck
from dffmpeg.wire.workers import AttemptRef

_BODY_BYTES = 2 << 20
"""Payload of one request at most: half a window, so that reading goes on while it travels."""

_DRAIN_SECONDS = 1.0
"""How long a pipe may stay open and empty after its process ended: a stranger holds it."""

_PACE = Backoff(minimum=0.02, maximum=1.0, jitter=0.0)
"""Between requests that brought a stream no further."""


class _Stream:
    """One of the two streams: its window, and what is under way with it."""

    def __init__(self, kind: Kind, capacity: int) -> None:
        self.kind = kind
        self.window = SendWindow(capacity)
        self.reading = trio.CancelScope()
        self.under_way = False
        self.received = 0
        self.fruitless = 0

    @property
    def due(self) -> bool:
        """Whether a request should carry it now: bytes, or the question whether there is room."""
        window = self.window
        return not self.under_way and (window.pending or (not window.closed and window.room == 0))

    def take(self, attempt: int, chunk: int, limit: int) -> list[Frame]:
        """Its share of a request: at least one frame, at most `limit` bytes of payload."""
        taken: list[Frame] = []
        while not taken or (limit > 0 and self.window.pending):
            piece = self.window.take(min(chunk, limit))
            limit -= len(piece.payload)
            taken.append(Frame(self.kind, attempt, piece.offset, piece.payload, piece.floor, piece.eof))
        return taken

    def acknowledge(self, ack: StreamAck) -> None:
        before = (self.received, self.window.kept)
        self.window.acknowledge(ack.received, ack.acked)
        self.received = ack.received
        moved = (self.received, self.window.kept) != before or self.window.delivered
        self.fruitless = 0 if moved else self.fruitless + 1


class OutputActor(Actor[Opened | Ended | SendAgain]):
    """Ships both streams of one attempt.

    Args:
        process: told `Delivered` when the coordinator has all of both.
        attempts: told `StopAttempt` when the coordinator says that the attempt is not ours.
        settings: the size of the windows, and how much is read and put into one frame at once.
    """

    def __init__(
        self,
        attempt: AttemptRef,
        uplink: Uplink,
        *,
        process: ActorRef[Delivered],
        attempts: ActorRef[StopAttempt],
        settings: Output,
    ) -> None:
        self._attempt = attempt
        self._uplink = uplink
        self._process = process
        self._attempts = attempts
        self._chunk = settings.chunk
        self._stdout = _Stream(Kind.STDOUT, max(settings.window, settings.chunk))
        self._stderr = _Stream(Kind.STDERR, max(settings.window, settings.chunk))
        self._streams = (self._stdout, self._stderr)
        self._changed = trio.Event()
        self._drain_seconds = math.inf
        self._told = False

    async def handle(self, message: Opened | Ended | SendAgain) -> None:
        match message:
            case Opened(process):
                for stream, number in ((self._stdout, 1), (self._stderr, 2)):
                    self.context.nursery.start_soon(self._pump, stream, process.outputs.get(number))
                self.context.nursery.start_soon(self._ship)
            case Ended():
                self._drain_seconds = _DRAIN_SECONDS
                for stream in self._streams:
                    stream.reading.deadline = trio.current_time() + _DRAIN_SECONDS
            case SendAgain():
                for stream in self._streams:
                    stream.window.doubt()
                self._told = False
                self._note_change()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _pump(self, stream: _Stream, pipe: trio.abc.ReceiveStream | None) -> None:
        while pipe is not None:
            while stream.window.room == 0:
                await self._changed.wait()
            data = await self._read(stream, pipe)
            if not data:
                break
            stream.window.append(data)
            self._note_change()
        stream.window.close()
        self._note_change()

    async def _read(self, stream: _Stream, pipe: trio.abc.ReceiveStream) -> bytes:
        """What is there; empty at the end, or when the process is gone and nothing comes any more."""
        with trio.move_on_after(self._drain_seconds) as stream.reading:
            return bytes(await pipe.receive_some(min(self._chunk, stream.window.room)))
        return b""

    async def _ship(self) -> None:
        while True:
            changed = self._changed
            due = [stream for stream in self._streams if stream.due]
            if due:
                for stream in due:
                    stream.under_way = True
                self.context.nursery.start_soon(self._send, due)
            if not self._told and all(stream.window.delivered for stream in self._streams):
                self._told = True
                await self._process.tell(Delivered(self._stdout.window.end, self._stderr.window.end))
            await changed.wait()

    async def _send(self, streams: Sequence[_Stream]) -> None:
        share = _BODY_BYTES // len(streams)
        taken = [
            frame for stream in streams for frame in stream.take(self._attempt.attempt, self._chunk, share)
        ]
        try:
            reply = await self._uplink.output(self._attempt, b"".join(map(frames.encode, taken)))
        except Refused as refusal:
            if not gone(refusal):
                raise
            # The streams stay under way: nothing more is sent for an attempt that is not ours.
            await self._attempts.tell(StopAttempt(self._attempt))
            return
        for stream in streams:
            stream.acknowledge(_answer_for(stream, reply))
            if stream.fruitless:
                self.context.nursery.start_soon(self._pace, stream)
            else:
                stream.under_way = False
        self._note_change()

    async def _pace(self, stream: _Stream) -> None:
        """Hold a stream back for a moment: the last requests moved nothing."""
        await trio.sleep(_PACE.delay(stream.fruitless, 0.0))
        stream.under_way = False
        self._note_change()


def _answer_for(stream: _Stream, reply: OutputReply) -> StreamAck:
    return reply.stdout if stream.kind is Kind.STDOUT else reply.stderr

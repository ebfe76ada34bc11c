"""The output of one attempt at the coordinator: taken from the worker, kept, handed to followers, released.

Not an actor: the job's actor owns it and calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dffmpeg.configuration.coordinator import Streams as StreamSettings
from dffmpeg.model.jobs import Job
from dffmpeg.model.relay import Piece, Relay
from dffmpeg.model.streams import Retention, Stream
from dffmpeg.store.streams import StreamRepository
from dffmpeg.wire.frames import MAX_PAYLOAD, Frame, Kind
from dffmpeg.wire.jobs import OutputReply, Position, StreamAck
from dffmpeg.wire.records import status_frame

KINDS: Mapping[Kind, Stream] = {Kind.STDOUT: Stream.STDOUT, Kind.STDERR: Stream.STDERR}
FRAME_BATCH = MAX_PAYLOAD
"""Bytes of one stream that one answer to a follower carries at most."""


def retentions(settings: StreamSettings) -> dict[Stream, Retention]:
    """How much of each stream is kept. A window's worth always is: it may not have reached its reader."""
    return {
        Stream.STDOUT: Retention(head=max(settings.stdout_kept, settings.window), tail=settings.window),
        Stream.STDERR: Retention(head=settings.stderr_head, tail=max(settings.stderr_tail, settings.window)),
    }


def offset_of(position: Position, stream: Stream) -> int:
    """Where a follower is in a stream."""
    return position.stdout if stream is Stream.STDOUT else position.stderr


@dataclass
class _Line:
    """One stream's relay, and up to where its reader and the store have it."""

    relay: Relay
    taken: int = 0
    kept: int = 0


class AttemptOutput:
    """Both streams of one attempt.

    While the job has an owner its pace rules: what the owner has not taken stays
    here (and with the worker, which can send it again), and a full window means
    that the worker waits. Without one, what the store has may be forgotten.
    Other followers read what happens to be here, or from the store.
    """

    def __init__(self, job: Job, repository: StreamRepository, settings: StreamSettings) -> None:
        self._job_id = job.job_id
        self._attempt = job.attempt
        self._repository = repository
        self._window = settings.window
        self._retention = retentions(settings)
        self.owned = job.monitor
        self._lines = {stream: _Line(Relay()) for stream in KINDS.values()}

    async def recover(self) -> None:
        """Go on where an earlier actor of this attempt left off.

        With an owner nothing is assumed: the worker still holds whatever the owner
        has not acknowledged, and sends it again.
        """
        if self.owned:
            return
        for stream in self._lines:
            end = await self._repository.extent(self._job_id, self._attempt, stream)
            self._lines[stream] = _Line(Relay(end), taken=end, kept=end)

    async def take(self, frame: Frame) -> bool:
        """Take a frame from the worker; returns whether it was something new."""
        stream = KINDS[frame.kind]
        line = self._lines[stream]
        if self.owned and frame.payload and line.relay.held >= self._window + MAX_PAYLOAD:
            # A worker whose own window is larger, or who does not wait: it has to send this again.
            return False
        ended = line.relay.eof
        start = max(line.relay.end, frame.offset)
        fresh = line.relay.offer(frame.offset, frame.payload, floor=frame.floor, eof=frame.eof)
        if fresh is None:
            return False
        if fresh and (stream is Stream.STDERR or not self.owned):
            await self._keep(stream, start, fresh)
        self._release(line)
        return bool(fresh) or line.relay.eof != ended

    async def append(self, texts: Mapping[Stream, bytes]) -> bool:
        """Put text at the end of each stream; returns whether there was any."""
        for kind, stream in KINDS.items():
            if texts[stream]:
                end = self._lines[stream].relay.end
                await self.take(Frame(kind, self._attempt, end, texts[stream], floor=end))
        return any(texts.values())

    async def _keep(self, stream: Stream, offset: int, data: bytes) -> None:
        await self._repository.append(
            self._job_id, self._attempt, stream, offset, data, self._retention[stream]
        )
        self._lines[stream].kept = offset + len(data)

    def acknowledge(self, position: Position) -> None:
        """The owner has everything before this position."""
        for stream, line in self._lines.items():
            line.taken = max(line.taken, min(offset_of(position, stream), line.relay.end))
            self._release(line)

    async def disown(self) -> None:
        """From now on nobody's pace rules: what the owner has not taken is kept for it."""
        await self.settle()
        self.owned = False
        for line in self._lines.values():
            self._release(line)

    def _acked(self, line: _Line) -> int:
        return line.taken if self.owned else line.kept

    def _release(self, line: _Line) -> None:
        if self.owned:
            line.relay.release(line.taken)
        else:
            # Followers near the end are served from memory, the others from the store.
            line.relay.release(min(line.kept, line.relay.end - self._window))

    @property
    def full(self) -> bool:
        """Whether the worker has to wait: the owner has not taken a window's worth."""
        return self.owned and any(
            line.relay.end - line.taken >= self._window for line in self._lines.values()
        )

    def reply(self) -> OutputReply:
        """What the worker is told."""
        out, err = (self._lines[stream] for stream in (Stream.STDOUT, Stream.STDERR))
        return OutputReply(
            stdout=StreamAck(received=out.relay.end, acked=self._acked(out)),
            stderr=StreamAck(received=err.relay.end, acked=self._acked(err)),
        )

    def missing(self, stdout: int | None, stderr: int | None) -> str | None:
        """What of the worker's final lengths has not been received, in words, or None."""
        for stream, length in ((Stream.STDOUT, stdout), (Stream.STDERR, stderr)):
            end = self._lines[stream].relay.end
            if length is not None and end < length:
                return f"output missing: {stream.name.lower()} has {end} of {length} bytes"
        return None

    async def settle(self) -> None:
        """Make durable what no reader has acknowledged, so that the worker may forget everything."""
        for stream, line in self._lines.items():
            begin = max(line.kept, line.taken if self.owned else 0)
            while begin < line.relay.end:
                piece = line.relay.read(begin, MAX_PAYLOAD)
                await self._keep(stream, piece.offset, piece.data)
                begin = piece.end

    async def frames(self, cursor: Position, *, ended: bool = False) -> list[Frame]:
        """What a follower at this position has not got yet, at most `FRAME_BATCH` bytes a stream.

        Args:
            ended: the job has; a frame for each stream then tells whether it reaches the end.
        """
        frames = []
        for kind, stream in KINDS.items():
            offset = offset_of(cursor, stream) if cursor.attempt == self._attempt else 0
            piece = await self._piece(stream, offset)
            eof = ended and piece.end >= self._lines[stream].relay.end
            if piece.data or eof:
                frames.append(Frame(kind, self._attempt, piece.offset, piece.data, eof=eof))
        return frames

    async def _piece(self, stream: Stream, offset: int) -> Piece:
        relay = self._lines[stream].relay
        if offset < relay.base:
            part = await self._repository.read(self._job_id, self._attempt, stream, offset, FRAME_BATCH)
            if part.data:
                return Piece(part.offset, part.data, eof=False)
            # Never kept: only the owner gets it. Anybody else goes on with what is here.
        return relay.read(offset, FRAME_BATCH)


async def ended_frames(job: Job, cursor: Position, repository: StreamRepository) -> list[Frame]:
    """What a follower of a job that has ended has not got yet: from the store, the status last."""
    frames = []
    for kind, stream in KINDS.items():
        offset = offset_of(cursor, stream) if cursor.attempt == job.attempt else 0
        part = await repository.read(job.job_id, job.attempt, stream, offset, FRAME_BATCH)
        if part.data:
            end = part.offset + len(part.data)
            frames.append(Frame(kind, job.attempt, part.offset, part.data, eof=end >= part.end))
        else:
            frames.append(Frame(kind, job.attempt, max(offset, part.end), b"", eof=True))
    if all(frame.eof for frame in frames):
        frames.append(status_frame(job))
    return frames

"""The outputs of one attempt at the coordinator: taken from the worker, kept, handed to followers, released.

Not an actor: the job's actor owns it and calls it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dffmpeg.actors.coordinator.refusals import Unfit
from dffmpeg.configuration.coordinator import Streams as StreamSettings
from dffmpeg.model.jobs import Job
from dffmpeg.model.relay import Piece, Relay
from dffmpeg.model.streams import Retention, Stream
from dffmpeg.store.streams import StreamPiece, StreamRepository
from dffmpeg.wire import frames
from dffmpeg.wire.frames import HEADER_BYTES, MAX_PAYLOAD, Frame
from dffmpeg.wire.jobs import FinishReport, OutputReply, Position, StreamAck

FRAME_BATCH = MAX_PAYLOAD - HEADER_BYTES
"""Bytes of one stream that one answer to a follower carries at most: with its header it fills a message."""

LAZY = 64 * 1024
"""Bytes of an owned job's stderr that are made durable together; what is less waits for a moment."""


_NAMES: Mapping[int, str] = {Stream.STDOUT: "stdout", Stream.STDERR: "stderr"}


def retention(settings: StreamSettings, *, log: bool) -> Retention:
    """How much of a stream is kept. A window's worth always is: it may not have reached its reader.

    Args:
        log: it is where the program writes its stderr.
    """
    if log:
        return Retention(head=settings.stderr_head, tail=max(settings.stderr_tail, settings.window))
    return Retention(head=max(settings.stdout_kept, settings.window), tail=settings.window)


def offset_of(position: Position, number: int) -> int:
    """Where a follower is in a stream."""
    match number:
        case Stream.STDOUT:
            return position.stdout
        case Stream.STDERR:
            return position.stderr
        case _:
            return position.others.get(number, 0)


@dataclass(slots=True)
class _Line:
    """One stream's relay, and up to where its reader and the store have it.

    `missed`: the worker sent what could not be taken, and has to go back.
    """

    relay: Relay
    retention: Retention
    taken: int = 0
    kept: int = 0
    missed: bool = False


class AttemptOutput:
    """All outputs of one attempt.

    While the job has an owner its pace rules: what the owner has not taken stays
    here (and with the worker, which can send it again), and a full window means
    that the worker waits. Without one, what the store has may be forgotten.
    Other followers read what happens to be here, or from the store.

    Args:
        numbers: which outputs there are, by the program's descriptor.
        log: the one that stderr goes to, as with `2>&1`; None where stderr does not travel. All of it is
            kept for later readers, also while there is an owner.
    """

    def __init__(
        self,
        job: Job,
        repository: StreamRepository,
        settings: StreamSettings,
        numbers: Collection[int],
        log: int | None,
    ) -> None:
        self._job_id = job.job_id
        self._attempt = job.attempt
        self._repository = repository
        self._window = settings.window
        self._log = log
        self.owned = job.monitor
        self._lines = {
            number: _Line(Relay(), retention(settings, log=number == log)) for number in sorted(numbers)
        }

    async def recover(self) -> None:
        """Go on where an earlier actor of this attempt left off.

        With an owner nothing is assumed: the worker still holds whatever the owner
        has not acknowledged, and sends it again.
        """
        if self.owned:
            return
        for number, line in self._lines.items():
            end = await self._repository.extent(self._job_id, self._attempt, number)
            self._lines[number] = _Line(Relay(end), line.retention, taken=end, kept=end)

    def take(self, frame: Frame) -> bool:
        """Take a frame from the worker; returns whether it was something new. It is not durable yet.

        Raises:
            Unfit: the job has no such output.
        """
        line = self._line(frame)
        if self.owned and frame.payload and line.relay.held >= self._window + MAX_PAYLOAD:
            # A worker whose own window is larger, or who does not wait: it has to send this again.
            line.missed = True
            return False
        ended = line.relay.eof
        fresh = line.relay.offer(frame.offset, frame.payload, floor=frame.floor, eof=frame.eof)
        if fresh is None:
            line.missed = True
            return False
        if fresh and not self.owned:
            # The floor may have moved the beginning.
            line.kept = max(line.kept, line.relay.base)
        return bool(fresh) or line.relay.eof != ended

    def _line(self, frame: Frame) -> _Line:
        number = frames.output_number(frame)
        try:
            return self._lines[number]
        except KeyError:
            raise Unfit(f"frame: the job has no output {number}") from None

    def append(self, texts: Mapping[Stream, bytes]) -> bool:
        """Put text at the end of each stream; returns whether there was any."""
        for number, text in texts.items():
            if text:
                end = self._lines[number].relay.end
                self.take(frames.output(number, self._attempt, end, text, floor=end))
        return any(texts.values())

    async def keep(self, *, all_of_it: bool = True) -> bool:
        """Make durable what is to be, of what was taken: everything without an owner, else stderr.

        Args:
            all_of_it: also little bits of an owned job's stderr, which would cost a commit each.

        Returns:
            Whether something was left for later.
        """
        left = False
        for number, line in self._lines.items():
            if self.owned and number != self._log:
                continue
            waiting = line.relay.end - line.kept
            if self.owned and 0 < waiting < LAZY and not all_of_it:
                left = True
            elif waiting:
                await self._keep(number, line, line.kept)
        return left

    async def _keep(self, number: int, line: _Line, begin: int) -> None:
        for piece in self._pieces(number, line, begin):
            await self._repository.append(piece)
            self._kept(piece)

    def _pieces(self, number: int, line: _Line, begin: int) -> Iterator[StreamPiece]:
        while begin < line.relay.end:
            found = line.relay.read(begin, MAX_PAYLOAD)
            yield StreamPiece(self._job_id, self._attempt, number, found.offset, found.data, line.retention)
            begin = found.end

    def _kept(self, piece: StreamPiece) -> None:
        line = self._lines[piece.stream]
        line.kept = piece.end
        self._release(piece.stream, line)

    def acknowledge(self, position: Position) -> None:
        """The owner has everything before this position."""
        for number, line in self._lines.items():
            line.taken = max(line.taken, min(offset_of(position, number), line.relay.end))
            self._release(number, line)

    async def disown(self) -> None:
        """From now on nobody's pace rules: what the owner has not taken is kept for it."""
        for piece in self.unsettled():
            await self._repository.append(piece)
            self._kept(piece)
        self.owned = False
        for number, line in self._lines.items():
            self._release(number, line)

    def _acked(self, number: int, line: _Line) -> int:
        if not self.owned:
            return line.kept
        # The log of stderr is for later readers too.
        return min(line.taken, line.kept) if number == self._log else line.taken

    def _release(self, number: int, line: _Line) -> None:
        acked = self._acked(number, line)
        # Without an owner followers near the end are served from memory, the others from the store.
        line.relay.release(acked if self.owned else min(acked, line.relay.end - self._window))

    def _full(self, line: _Line) -> bool:
        return self.owned and line.relay.end - line.taken >= self._window

    @property
    def full(self) -> bool:
        """Whether the worker has to wait: the owner has not taken a window's worth."""
        return any(self._full(line) for line in self._lines.values())

    def reply(self) -> OutputReply:
        """What a worker is told that asks by requests."""
        acks = {
            number: StreamAck(received=line.relay.end, acked=self._acked(number, line))
            for number, line in self._lines.items()
        }
        stdout, stderr = acks.pop(Stream.STDOUT), acks.pop(Stream.STDERR)
        return OutputReply(stdout=stdout, stderr=stderr, others=acks)

    def acks(self, told: Mapping[int, tuple[int, bool]], *, doubt: bool = False) -> list[Frame]:
        """What a worker is told that streams: an acknowledgement of each output of which there is news.

        Args:
            told: by number, up to where it knows that it may forget, and whether it knows that the end came.
            doubt: what it was told may have been forgotten since: it has to compare.
        """
        found = []
        for number, line in self._lines.items():
            resend = doubt or (line.missed and not self._full(line))
            acked, eof = self._acked(number, line), line.relay.eof
            if resend or told.get(number) != (acked, eof):
                line.missed = line.missed and not resend
                found.append(
                    frames.acknowledgement(
                        number, self._attempt, line.relay.end, acked, eof=eof, resend=resend
                    )
                )
        return found

    def lengths(self) -> dict[int, int]:
        """How much of each output was received."""
        return {number: line.relay.end for number, line in self._lines.items()}

    def missing(self, report: FinishReport) -> str | None:
        """What of the worker's final lengths has not been received, in words, or None."""
        lengths: dict[int, int | None] = dict(report.others)
        lengths |= {Stream.STDOUT: report.stdout, Stream.STDERR: report.stderr}
        for number, length in lengths.items():
            line = self._lines.get(number)
            end = 0 if line is None else line.relay.end
            if length is not None and end < length:
                name = _NAMES.get(number, f"output {number}")
                return f"output missing: {name} has {end} of {length} bytes"
        return None

    def unsettled(self, *, only_log: bool = False) -> list[StreamPiece]:
        """What no reader has acknowledged and the store does not have: durable before the end is.

        Args:
            only_log: of an owned job only stderr, because another attempt will bring the rest.
        """
        found: list[StreamPiece] = []
        for number, line in self._lines.items():
            if only_log and self.owned and number != self._log:
                continue
            taken = line.taken if self.owned and number != self._log else 0
            found += self._pieces(number, line, max(line.kept, taken))
        return found

    async def tail(self, number: int, size: int) -> bytes:
        """The last bytes of what was received of a stream."""
        line = self._lines.get(number)
        if line is None:
            return b""
        offset = max(0, line.relay.end - size)
        parts: list[bytes] = []
        while offset < line.relay.end:
            piece = await self._piece(number, line.relay, offset)
            if not piece.data:
                break
            if piece.offset > offset:
                # Something in between was dropped: the end is what is behind that.
                parts.clear()
            parts.append(piece.data)
            offset = piece.end
        return b"".join(parts)[-size:]

    def settled(self, pieces: Iterable[StreamPiece]) -> None:
        """The store has these pieces now."""
        for piece in pieces:
            self._kept(piece)

    async def frames(
        self, cursor: Position, *, ended: bool = False, only: Collection[int] | None = None
    ) -> list[Frame]:
        """What a follower at this position has not got yet, at most `FRAME_BATCH` bytes a stream.

        Args:
            ended: the job has; a frame for each stream then tells whether it reaches the end.
            only: these streams; None is all.
        """
        found = []
        for number, line in self._lines.items():
            if only is not None and number not in only:
                continue
            offset = offset_of(cursor, number) if cursor.attempt == self._attempt else 0
            if not ended and line.relay.base <= offset >= line.relay.end:
                continue
            piece = await self._piece(number, line.relay, offset)
            eof = ended and piece.end >= line.relay.end
            if piece.data or eof:
                found.append(frames.output(number, self._attempt, piece.offset, piece.data, eof=eof))
        return found

    async def _piece(self, number: int, relay: Relay, offset: int) -> Piece:
        if offset < relay.base:
            part = await self._repository.read(self._job_id, self._attempt, number, offset, FRAME_BATCH)
            if part.data:
                return Piece(part.offset, part.data, eof=False)
            # Never kept: only the owner gets it. Anybody else goes on with what is here.
        return relay.read(offset, FRAME_BATCH)


async def ended_frames(
    job: Job, cursor: Position, repository: StreamRepository, lengths: Mapping[int, int | None]
) -> list[Frame]:
    """What a follower of a job that has ended has not got yet, from the store.

    Where the last frame of each output has its end, nothing is left. What is not kept, or not kept any more,
    is a gap: the frame that ends the stream stands where the stream ended.

    Args:
        lengths: each output's, of the job's last attempt; None where it is not known.
    """
    found = []
    for number, told in sorted(lengths.items()):
        offset = offset_of(cursor, number) if cursor.attempt == job.attempt else 0
        part = await repository.read(job.job_id, job.attempt, number, offset, FRAME_BATCH)
        length = max(part.end, told or 0)
        if part.data:
            eof = part.offset + len(part.data) >= length
            found.append(frames.output(number, job.attempt, part.offset, part.data, eof=eof))
        else:
            found.append(frames.output(number, job.attempt, max(offset, length), b"", eof=True))
    return found

"""How far a follower is: offsets, acknowledgements, and what a new attempt must repeat. Pure.

A job may be run again when its worker is lost. What was delivered of the older
attempt's stdout cannot be taken back, so the new attempt has to begin with the same
bytes; whether it does is known from a checksum, without keeping them. stderr is
delivered anew, since it tells about this attempt.
"""

from __future__ import annotations

from dataclasses import dataclass

from dffmpeg.client.events import STDERR, STDOUT, STREAMS, stream_name
from dffmpeg.client.session import OutputLost, OutputMissing
from dffmpeg.errors import DffmpegError
from dffmpeg.shim.progress import Differs, Missing, StreamProgress
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord, Position

__all__ = ["OutputDiffers", "OutputLost", "OutputMissing", "Piece", "Progress"]


class OutputDiffers(DffmpegError):
    """The job was run again and wrote something else than what was already delivered."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a frame brought.

    Attributes:
        data: what is to be delivered, perhaps nothing.
        end: the offset behind it in its attempt's stream, which delivering it acknowledges.
        missing: bytes that were not kept and should stand in front of it.
    """

    stream: int
    attempt: int
    data: bytes
    end: int
    missing: int = 0


class OutputProgress:
    """One stream, over all attempts: what was taken of it, and what delivered.

    Args:
        owner: whether each byte must come: a gap is an error then.
        repeats: whether a new attempt must repeat what was delivered of the older one.
    """

    def __init__(self, stream: int, *, owner: bool, repeats: bool) -> None:
        self.stream = stream
        self.delivered = 0
        self._progress = StreamProgress(owner=owner, repeats=repeats)

    @property
    def taken(self) -> int:
        """The offset behind what was taken of the current attempt."""
        return self._progress.taken

    @property
    def eof(self) -> bool:
        """Whether the end was taken."""
        return self._progress.eof

    def begin(self, attempt: int) -> None:
        """A new attempt's stream starts at 0."""
        self._progress.begin(attempt)
        self.delivered = 0

    def take(self, frame: Frame) -> Piece | None:
        """What of a frame of this attempt is new; None for nothing.

        Raises:
            OutputMissing: it begins behind what was taken, and the owner needs each byte.
            OutputDiffers: this attempt does not repeat what was delivered of the older one.
        """
        try:
            taken = self._progress.take(frame.offset, frame.payload, frame.eof)
        except Missing as error:
            raise OutputMissing(f"{stream_name(self.stream)}: {error}") from None
        except Differs:
            raise self._differs() from None
        if taken is None:
            return None
        return Piece(self.stream, self._progress.attempt, bytes(taken[0]), self.taken, taken[1])

    def check_whole(self) -> None:
        """The attempt completed: raises `OutputDiffers` if it ended before it had repeated everything."""
        if not self._progress.whole:
            raise self._differs()

    def done(self, piece: Piece) -> None:
        """A piece was delivered. Pieces come in order."""
        if piece.attempt == self._progress.attempt:
            self.delivered = piece.end

    def _differs(self) -> OutputDiffers:
        return OutputDiffers(
            f"the job was run again (attempt {self._progress.attempt}) and its {stream_name(self.stream)} "
            f"differs from the {self._progress.shown} bytes that were already delivered"
        )


class Progress:
    """A follower's place in a job: its record and its streams.

    Args:
        told: whether it wants to be told of the program's progress.
    """

    def __init__(self, *, owner: bool, told: bool = False) -> None:
        self.owner = owner
        self._number = 0 if told else None
        self.attempt = 0
        self.record: JobRecord | None = None
        self.streams = {
            stream: OutputProgress(stream, owner=owner, repeats=stream is STDOUT) for stream in STREAMS
        }

    def see(self, record: JobRecord, number: int = 0) -> bool:
        """Take a job record, and the number of its progress; returns whether it says something new."""
        last, self.record = self.record, record
        self._reach(record.attempt)
        if self._number is not None:
            self._number = number
            if last is not None and last.progress != record.progress:
                return True
        return last is None or (last.status, last.attempt, last.worker_id) != (
            record.status,
            record.attempt,
            record.worker_id,
        )

    def take(self, frame: Frame) -> Piece | None:
        """What of a stream's frame is to be delivered; None for nothing new, or an older attempt's.

        Raises:
            OutputMissing: as `StreamProgress.take`.
            OutputDiffers: as there.
        """
        if frame.attempt < self.attempt:
            return None
        self._reach(frame.attempt)
        return self.stream(frame.descriptor if frame.kind is Kind.OUTPUT else frame.kind).take(frame)

    def stream(self, number: int) -> OutputProgress:
        """The progress of one output, by its descriptor."""
        if number not in self.streams:
            self.streams[number] = OutputProgress(number, owner=self.owner, repeats=True)
            self.streams[number].begin(self.attempt)
        return self.streams[number]

    def position(self, *, wait: float = 0.0) -> Position:
        """The position that acknowledges what was delivered, and nothing else."""
        return Position(
            attempt=self.attempt,
            stdout=self.streams[STDOUT].delivered,
            stderr=self.streams[STDERR].delivered,
            others={number: each.delivered for number, each in self.streams.items() if number not in STREAMS},
            status=self.record.status if self.record is not None else None,
            owner=self.owner,
            progress=self._number,
            wait=wait,
        )

    def check_whole(self) -> None:
        """To be called at the end.

        Raises:
            OutputDiffers: the job completed, but in an attempt that wrote less than was delivered before.
        """
        if self.record is not None and self.record.status == "completed":
            for stream in self.streams.values():
                stream.check_whole()

    @property
    def delivered(self) -> int:
        """Bytes of this attempt that were delivered, all streams."""
        return sum(stream.delivered for stream in self.streams.values())

    @property
    def taken(self) -> tuple[int, int]:
        """The attempt, and the bytes taken of it; grows with each piece that is new."""
        return self.attempt, sum(stream.taken for stream in self.streams.values())

    @property
    def finished(self) -> bool:
        """Whether the job's state is final."""
        return self.record is not None and self.record.finished

    @property
    def complete(self) -> bool:
        """Whether nothing can follow any more: the state is final, and all streams ended."""
        return self.finished and (self.attempt == 0 or all(stream.eof for stream in self.streams.values()))

    def _reach(self, attempt: int) -> None:
        if attempt > self.attempt:
            self.attempt = attempt
            for stream in self.streams.values():
                stream.begin(attempt)

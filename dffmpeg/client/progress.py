"""How far a follower is: offsets, acknowledgements, and what a new attempt must repeat. Pure.

A job may be run again when its worker is lost. What was delivered of the older
attempt's stdout cannot be taken back, so the new attempt has to begin with the same
bytes; whether it does is known from a digest, without keeping them. stderr is
delivered anew, since it tells about this attempt.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from dffmpeg.client.events import STREAMS, Stream
from dffmpeg.errors import DffmpegError
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord, Position


class OutputMissing(DffmpegError):
    """A frame begins behind what its follower has: ask again from there."""


class OutputLost(DffmpegError):
    """Bytes that the job's owner has not had are no longer kept."""


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

    stream: Stream
    attempt: int
    data: bytes
    end: int
    missing: int = 0


class StreamProgress:
    """One stream, over all attempts.

    Args:
        owner: whether each byte must come: a gap is an error then.
        repeats: whether a new attempt must repeat what was delivered of the older one.
    """

    def __init__(self, stream: Stream, *, owner: bool, repeats: bool) -> None:
        self.stream = stream
        self.attempt = 0
        self.taken = 0
        self.delivered = 0
        self.eof = False
        self._owner = owner
        self._repeats = repeats
        # Invariant: of all that was handed out, `_digest` is over the bytes from
        # `_known_from` to `_shown`; `_candidate` over the same stretch of an attempt
        # that is being compared, as far as it has come.
        self._shown = 0
        self._known_from = 0
        self._digest = hashlib.sha256()
        self._candidate: hashlib._Hash | None = None

    def begin(self, attempt: int) -> None:
        """A new attempt's stream starts at 0."""
        self.attempt = attempt
        self.taken = 0
        self.delivered = 0
        self.eof = False
        if not self._repeats:
            self._shown = self._known_from = 0
        elif self._shown > self._known_from:
            self._candidate = hashlib.sha256()

    def take(self, frame: Frame) -> Piece | None:
        """What of a frame of this attempt is new; None for nothing.

        Raises:
            OutputMissing: it begins behind what was taken, and the owner needs each byte.
            OutputDiffers: this attempt does not repeat what was delivered of the older one.
        """
        before = self.taken
        start = max(frame.offset, before)
        data = frame.payload[start - frame.offset :]
        missing = self._skip_to(start) if start > before else 0
        self.taken = start + len(data)
        fresh = self._fresh(start, data)
        if frame.eof and frame.end == self.taken:
            self.eof = True
        if self.taken == before:
            return None
        return Piece(self.stream, self.attempt, fresh, self.taken, missing)

    def check_whole(self) -> None:
        """The attempt completed: raises `OutputDiffers` if it ended before it had repeated everything."""
        if self.eof and self.taken < self._shown:
            raise self._differs()

    def done(self, piece: Piece) -> None:
        """A piece was delivered. Pieces come in order."""
        if piece.attempt == self.attempt:
            self.delivered = piece.end

    def _skip_to(self, start: int) -> int:
        if self._owner:
            raise OutputMissing(f"{self.stream.name.lower()} has a gap from byte {self.taken} to {start}")
        if start > self._known_from:
            # Part of what should be compared is not there.
            self._candidate = None
        missing = max(0, start - self._shown)
        if missing:
            self._shown = self._known_from = start
            self._digest = hashlib.sha256()
        return missing

    def _fresh(self, start: int, data: bytes) -> bytes:
        repeated = data[: max(0, self._shown - start)]
        fresh = data[len(repeated) :]
        if self._candidate is not None:
            self._candidate.update(repeated[max(0, self._known_from - start) :])
            if self.taken >= self._shown:
                if self._candidate.digest() != self._digest.digest():
                    raise self._differs()
                self._candidate = None
        if fresh:
            self._shown += len(fresh)
            if self._repeats:
                self._digest.update(fresh)
        return fresh

    def _differs(self) -> OutputDiffers:
        return OutputDiffers(
            f"the job was run again (attempt {self.attempt}) and its {self.stream.name.lower()} differs from "
            f"the {self._shown} bytes that were already delivered"
        )


class Progress:
    """A follower's place in a job: its record and both streams."""

    def __init__(self, *, owner: bool) -> None:
        self.owner = owner
        self.attempt = 0
        self.record: JobRecord | None = None
        self.streams: dict[Stream, StreamProgress] = {
            stream: StreamProgress(stream, owner=owner, repeats=stream is Kind.STDOUT) for stream in STREAMS
        }

    def see(self, record: JobRecord) -> bool:
        """Take a job record; returns whether it says something new."""
        last, self.record = self.record, record
        self._reach(record.attempt)
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
        return self.stream(frame.kind).take(frame)

    def stream(self, kind: Kind) -> StreamProgress:
        """The progress of one of the streams."""
        return self.streams[Kind.STDERR if kind is Kind.STDERR else Kind.STDOUT]

    def position(self, *, wait: float = 0.0) -> Position:
        """The position that acknowledges what was delivered, and nothing else."""
        return Position(
            attempt=self.attempt,
            stdout=self.streams[Kind.STDOUT].delivered,
            stderr=self.streams[Kind.STDERR].delivered,
            status=self.record.status if self.record is not None else None,
            owner=self.owner,
            wait=wait,
        )

    def check_whole(self) -> None:
        """To be called at the end.

        Raises:
            OutputDiffers: the job completed, but in an attempt that wrote less than was delivered before.
        """
        if self.record is not None and self.record.status == "completed":
            self.streams[Kind.STDOUT].check_whole()

    @property
    def delivered(self) -> int:
        """Bytes of this attempt that were delivered, both streams."""
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
        """Whether nothing can follow any more: the state is final, and both streams ended."""
        return self.finished and (self.attempt == 0 or all(stream.eof for stream in self.streams.values()))

    def _reach(self, attempt: int) -> None:
        if attempt > self.attempt:
            self.attempt = attempt
            for stream in self.streams.values():
                stream.begin(attempt)

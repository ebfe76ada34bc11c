"""Following one job over a WebSocket: what is sent, and what the follower says meanwhile."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator

import msgspec
import trio

from dffmpeg.actors.coordinator.endurance import is_gone
from dffmpeg.actors.coordinator.job.inputs import Reached
from dffmpeg.actors.coordinator.operations import Ear, Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.web import errors
from dffmpeg.web.connections import Socket, number
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import HEADER_BYTES, MAX_PAYLOAD, Frame, Kind
from dffmpeg.wire.jobs import Position

logger = logging.getLogger("dffmpeg.web.following")

MAX_MESSAGE = 1 << 20
"""Largest WebSocket message that is sent, bytes, frames' headers included: what client libraries take by
default."""

MAX_INPUT = MAX_PAYLOAD + 64 * 1024
"""Largest message of frames that an owner may send, bytes."""

MAX_OFFSET = (1 << 63) - 1

PAUSE = 0.5
"""Seconds before a job is asked again that could not be reached."""

_FINAL = frozenset({"completed", "failed", "canceled"})


class Following:
    """One job, followed over a connection to its end, or for as long as that lasts.

    Args:
        start: from where on.
        owner: the follower is the job's owner: its inputs are taken, and acknowledged to it.
    """

    def __init__(
        self,
        operations: Operations,
        who: Identity,
        job_id: str,
        end: Socket,
        start: Position,
        *,
        owner: bool,
    ) -> None:
        self.job_id = job_id
        self._operations = operations
        self._who = who
        self._end = end
        self.owner = owner
        self._connection = number()
        self._progress = Progress(start)

    async def deliver(self) -> None:
        """Send all that is new, until the job has ended and all of it was sent."""
        progress = self._progress
        while not progress.complete:
            try:
                news = await self._operations.follow(self._who, self.job_id, progress.cursor, self._ear)
            except errors.TEMPORARY as error:
                if not is_gone(error):
                    raise
                # The connection is as good as any, and what was sent over it stays sent.
                logger.debug("job %s has no news just now: %r", self.job_id, error)
                await trio.sleep(PAUSE)
                continue
            for parts in messages(news):
                await self._end.send_parts(parts)
            if not progress.sent(news) and news:
                # It would be asked for again at once, for ever.
                raise RuntimeError(f"following job {self.job_id} brings nothing new")

    @property
    def _ear(self) -> Ear:
        return Ear(self._connection, self._progress.heard if self.owner else None)

    async def acknowledge(self, position: Position) -> None:
        """Take a position that the follower sent."""
        try:
            await self._operations.acknowledge(self._who, self.job_id, check(position))
        except errors.TEMPORARY as error:
            if not is_gone(error):
                raise
            # The next one says the same, and more.
            logger.debug("job %s took no acknowledgement: %r", self.job_id, error)

    async def take(self, message: bytes) -> None:
        """Take a message of frames that the follower sent: pieces of inputs.

        Raises:
            BadInput: it is none, or not from the owner.
        """
        await self._operations.input(self._who, self.job_id, list(frames.decode_all(message)))

    def leave(self, *, gone: bool) -> None:
        """It is over.

        Args:
            gone: the connection was closed from its other end.
        """
        if not self._progress.complete:
            self._operations.left(self.job_id, self._ear, gone=gone)


def check(position: Position) -> Position:
    """Raises BadInput if an offset is more than a frame can hold."""
    offsets = [("stdout", position.stdout), ("stderr", position.stderr)]
    offsets += [(f"others.{number}", offset) for number, offset in position.others.items()]
    for name, offset in offsets:
        if offset > MAX_OFFSET:
            raise BadInput(f"{name}: at most {MAX_OFFSET}")
    return position


class _Outcome(msgspec.Struct):
    """What matters here of the job record in a STATUS frame."""

    status: str


class Progress:
    """What a follower was sent.

    Attributes:
        cursor: from where to look for news.
        heard: what was acknowledged of its inputs, in the cursor's attempt.
        complete: the job's end was sent, which comes behind all of its output.
    """

    def __init__(self, start: Position) -> None:
        self.cursor = start
        self.heard: dict[int, Reached] = {}
        self.complete = False

    def sent(self, news: Iterable[Frame]) -> bool:
        """Note frames; returns whether they brought anything new."""
        moved = False
        for frame in news:
            moved = self._note(frame) or moved
        return moved

    def _note(self, frame: Frame) -> bool:
        before = self.cursor
        if frame.attempt != before.attempt:
            # The first frame of another attempt begins all streams anew.
            self.cursor = Position(
                attempt=frame.attempt, status=before.status, owner=before.owner, progress=before.progress
            )
            self.heard = {}
        match frame.kind:
            case Kind.STATUS:
                status = codec.decode(frame.payload, _Outcome).status
                told = None if before.progress is None else frame.offset
                self.cursor = msgspec.structs.replace(self.cursor, status=status, progress=told)
                self.complete = status in _FINAL
                return True
            case Kind.ACK:
                self.heard = {**self.heard, frame.descriptor: (frame.floor, frame.eof)}
                return True
            case Kind.INPUT:
                raise ValueError("a follower is not sent what goes into the job")
        self.cursor = _moved(self.cursor, frame)
        return self.cursor != before


def _moved(cursor: Position, frame: Frame) -> Position:
    match frame.kind:
        case Kind.STDOUT:
            return msgspec.structs.replace(cursor, stdout=frame.end)
        case Kind.STDERR:
            return msgspec.structs.replace(cursor, stderr=frame.end)
        case _:
            others = {**cursor.others, frame.descriptor: frame.end}
            return msgspec.structs.replace(cursor, others=others)


def messages(
    news: Iterable[Frame], *, prefix: bytes = b"", limit: int = MAX_MESSAGE
) -> Iterator[list[bytes]]:
    """Pack frames into WebSocket messages, each in parts, and cut those that do not fit.

    Args:
        prefix: what each message begins with.
        limit: bytes that a message may have.
    """
    batch, size = [prefix], len(prefix)
    for frame in news:
        for part in split(frame, limit - len(prefix) - HEADER_BYTES):
            length = HEADER_BYTES + len(part.payload)
            if size + length > limit:
                yield batch
                batch, size = [prefix], len(prefix)
            batch += (frames.header(part), part.payload)
            size += length
    if size > len(prefix):
        yield batch


def split(frame: Frame, size: int) -> Iterator[Frame]:
    """The frame in parts with at most `size` bytes of payload; only the last can end the stream."""
    if len(frame.payload) <= size or frame.kind is Kind.STATUS:
        yield frame
        return
    for start in range(0, len(frame.payload), size):
        payload = frame.payload[start : start + size]
        last = start + size >= len(frame.payload)
        yield dataclasses.replace(frame, offset=frame.offset + start, payload=payload, eof=frame.eof and last)

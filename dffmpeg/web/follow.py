"""Following a job: its streams and its state, by one long request at a time or over a WebSocket."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from functools import partial

import msgspec
from quart import Blueprint, Response

from dffmpeg.actors.operations import Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.web import requests
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import Socket, WrongKind
from dffmpeg.web.conversation import Outcome, converse, first, receive
from dffmpeg.web.requests import caller
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import HEADER_BYTES, Frame, Kind
from dffmpeg.wire.jobs import Position

MAX_MESSAGE = 1 << 20
"""Largest WebSocket message, bytes, frames' headers included: what client libraries take by default."""

HOLD = 15.0
"""How long one look for news is held, seconds."""

MIN_SILENCE = 60.0
"""How long a follower may at least be silent, seconds; with a slow heartbeat three of its intervals."""

MAX_OFFSET = (1 << 63) - 1

_FINAL = frozenset({"completed", "failed", "canceled"})


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The two forms of /jobs/{id}/follow."""
    routes = Blueprint("follow", __name__)

    @routes.post("/jobs/<job_id>/follow")
    async def follow(job_id: str) -> Response:
        position = check(requests.body(Position, empty=Position()))
        await operations.acknowledge(caller(), job_id, position)
        news: list[Frame] = []
        with closing.interruptible():
            news = await operations.follow(caller(), job_id, position)
        content = b"".join(frames.encode(frame) for frame in news)
        return Response(
            content, content_type="application/octet-stream", headers={"Cache-Control": "no-store"}
        )

    @routes.websocket("/jobs/<job_id>/follow")
    async def follow_live(job_id: str) -> None:
        # What is refused here is refused by an HTTP answer to the handshake.
        record = await operations.job(caller(), job_id)
        end = requests.socket()
        await end.accept()
        session = _Session(operations, caller(), job_id, end, max(MIN_SILENCE, 3 * record.heartbeat_interval))
        await converse(end, closing, requests.describe(), session.run)

    return routes


class _Session:
    """One follower's WebSocket."""

    def __init__(
        self, operations: Operations, who: Identity, job_id: str, end: Socket, silence: float
    ) -> None:
        self._operations = operations
        self._who = who
        self._job_id = job_id
        self._end = end
        self._silence = silence

    async def run(self) -> Outcome:
        start = await self._position()
        await self._operations.acknowledge(self._who, self._job_id, start)
        return await first(partial(self._deliver, Progress(start)), self._listen)

    async def _position(self) -> Position:
        message = await receive(self._end, self._silence)
        if isinstance(message, bytes):
            raise WrongKind("expected a position as text")
        return check(codec.decode(message, Position, what="position"))

    async def _listen(self) -> Outcome:
        while True:
            position = await self._position()
            await self._operations.acknowledge(self._who, self._job_id, position)

    async def _deliver(self, progress: Progress) -> Outcome:
        while not progress.complete:
            cursor = msgspec.structs.replace(progress.cursor, wait=HOLD)
            news = await self._operations.follow(self._who, self._job_id, cursor)
            for message in messages(news):
                await self._end.send(message)
            if not progress.sent(news) and news:
                # It would be asked for again at once, for ever.
                raise RuntimeError(f"following job {self._job_id} brings nothing new")
        return 1000, "the job has ended"


def check(position: Position) -> Position:
    """Raises BadInput if an offset is more than a frame can hold."""
    for name in ("stdout", "stderr"):
        if getattr(position, name) > MAX_OFFSET:
            raise BadInput(f"{name}: at most {MAX_OFFSET}")
    return position


class _Outcome(msgspec.Struct):
    """What matters here of the job record in a STATUS frame."""

    status: str


class Progress:
    """What a follower was sent.

    Attributes:
        cursor: from where to look for news.
        complete: the job has ended, and both of its streams were sent to their ends.
    """

    def __init__(self, start: Position) -> None:
        self.cursor = start
        self._finished = start.status in _FINAL
        self._ended: set[Kind] = set()

    @property
    def complete(self) -> bool:
        return self._finished and self._ended == {Kind.STDOUT, Kind.STDERR}

    def sent(self, news: Iterable[Frame]) -> bool:
        """Note frames; returns whether they brought anything new."""
        before = (self.cursor, self._finished, frozenset(self._ended))
        for frame in news:
            self._note(frame)
        return before != (self.cursor, self._finished, frozenset(self._ended))

    def _note(self, frame: Frame) -> None:
        changes: dict[str, object] = {}
        if frame.attempt != self.cursor.attempt:
            # The first frame of another attempt begins both streams anew.
            self._finished = False
            self._ended.clear()
            changes = {"attempt": frame.attempt, "stdout": 0, "stderr": 0}
        match frame.kind:
            case Kind.STATUS:
                status = codec.decode(frame.payload, _Outcome).status
                self._finished = status in _FINAL
                changes["status"] = status
            case Kind.STDOUT:
                changes["stdout"] = frame.end
            case Kind.STDERR:
                changes["stderr"] = frame.end
            case Kind.INPUT:
                raise ValueError("a follower is not sent what goes into the job")
        if frame.eof:
            self._ended.add(frame.kind)
        self.cursor = msgspec.structs.replace(self.cursor, **changes)


def messages(news: Iterable[Frame]) -> Iterator[bytes]:
    """Pack frames into WebSocket messages of at most MAX_MESSAGE bytes, and cut those that do not fit."""
    batch = bytearray()
    for frame in news:
        for part in split(frame, MAX_MESSAGE - HEADER_BYTES):
            if len(batch) + HEADER_BYTES + len(part.payload) > MAX_MESSAGE:
                yield bytes(batch)
                batch.clear()
            batch += frames.encode(part)
    if batch:
        yield bytes(batch)


def split(frame: Frame, size: int) -> Iterator[Frame]:
    """The frame in parts with at most `size` bytes of payload; only the last can end the stream."""
    if len(frame.payload) <= size or frame.kind is Kind.STATUS:
        yield frame
        return
    for start in range(0, len(frame.payload), size):
        payload = frame.payload[start : start + size]
        last = start + size >= len(frame.payload)
        yield dataclasses.replace(frame, offset=frame.offset + start, payload=payload, eof=frame.eof and last)

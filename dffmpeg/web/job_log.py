"""A job's log for people: as it is written, over a WebSocket, and what is kept of it as a file.

Who reads along is not the job's owner: ffmpeg never waits for it. One that falls behind goes on with what is
kept, and is told how much it missed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator
from functools import partial
from typing import cast

import msgspec
import trio
from quart import Blueprint, Response, request

from dffmpeg.actors.coordinator.endurance import is_gone
from dffmpeg.actors.coordinator.operations import LogSource, Operations
from dffmpeg.actors.coordinator.operations.logs import LogStream
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.web import errors, requests
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import Socket
from dffmpeg.web.conversation import Outcome, converse, first, receive
from dffmpeg.web.following import PAUSE
from dffmpeg.web.requests import caller
from dffmpeg.web.versions import PREFIX
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import Position

logger = logging.getLogger("dffmpeg.web.log")

KEEP_ALIVE = 15.0
"""Seconds of silence after which there is a sign of life."""

ALIVE = "{}"

MAX_OFFSET = 1 << 53
"""Offsets come in a query, as JSON's numbers."""

_BEGUN = frozenset({"running", "canceling", "completed", "failed", "canceled"})
_FINAL = frozenset({"completed", "failed", "canceled"})


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The two forms of /api/v1/jobs/{id}/log."""
    routes = Blueprint("job_log", __name__, url_prefix=PREFIX)

    @routes.websocket("/jobs/<job_id>/log")
    async def log_live(job_id: str) -> None:
        # What is refused here is refused by an HTTP answer to the handshake.
        begin = requests.whole_number("from", 0, minimum=0, maximum=MAX_OFFSET)
        source = await operations.log_source(caller(), job_id, _stream(), _attempt())
        end = requests.socket()
        await end.accept()
        reader = _Reader(operations, caller(), source, end, begin)
        await converse(end, closing, requests.describe(), partial(_talk, reader, end))

    @routes.get("/jobs/<job_id>/log/download")
    async def log_file(job_id: str) -> Response:
        stream = _stream()
        source = await operations.log_source(caller(), job_id, stream, _attempt())
        text = stream == "stderr"
        reply = Response(
            b"" if request.method == "HEAD" else _content(operations, source, marked=text),
            content_type="text/plain; charset=utf-8" if text else "application/octet-stream",
        )
        # A job's id has no character that would have to be quoted.
        name = f"{source.job_id}-{source.attempt}-{stream}.{'txt' if text else 'bin'}"
        reply.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        reply.headers["Cache-Control"] = "no-store"
        reply.timeout = None
        return reply

    return routes


def _stream() -> LogStream:
    name = requests.text("stream") or "stderr"
    if name not in ("stderr", "stdout"):
        raise BadInput("stream: expected stderr or stdout")
    return cast("LogStream", name)


def _attempt() -> int | None:
    return requests.whole_number("attempt", 0, minimum=0, maximum=(1 << 31) - 1) or None


async def _content(operations: Operations, source: LogSource, *, marked: bool) -> AsyncIterator[bytes]:
    """What is kept, piece by piece. Where it fails the connection breaks: it must not seem whole.

    Args:
        marked: a line says where something is missing, and how much.
    """
    position = 0
    while True:
        found = await operations.kept_log(source, source.attempt, position)
        begin = found.offset if found.data else max(position, found.end)
        if begin > position and marked:
            yield b"\n[dffmpeg: %d bytes are not kept]\n" % (begin - position)
        if not found.data:
            return
        yield found.data
        position = found.offset + len(found.data)


async def _talk(reader: _Reader, end: Socket) -> Outcome:
    async def listen() -> Outcome:
        # Nothing is expected; but so its leaving is heard of.
        while True:
            await receive(end, math.inf)

    return await first(reader.read, listen)


class _State(msgspec.Struct):
    """What matters here of the job record in a STATUS frame."""

    status: str


class _Reader:
    """One who reads along.

    Args:
        source: the attempt and the stream to begin with.
        begin: the offset to begin at.
    """

    def __init__(
        self, operations: Operations, who: Identity, source: LogSource, end: Socket, begin: int
    ) -> None:
        self._operations = operations
        self._who = who
        self._source = source
        self._end = end
        self._attempt = source.attempt
        self._offset = begin if source.attempt else 0
        self._status: str | None = None
        self._announced = False

    async def read(self) -> Outcome:
        """Send all that was written and is, until the job has ended."""
        if 0 < self._attempt < self._source.latest:
            await self._finish_attempt()
            await self._go_to(self._source.latest)
        while self._status not in _FINAL:
            await self._take(await self._news())
        await self._announce()
        await self._say(end=True)
        return 1000, "the job has ended"

    async def _news(self) -> list[Frame]:
        source = self._source
        try:
            return await self._operations.follow(
                self._who, source.job_id, self._cursor(), outputs={source.number}
            )
        except errors.TEMPORARY as error:
            if not is_gone(error):
                raise
            logger.debug("job %s has no news just now: %r", source.job_id, error)
            await trio.sleep(PAUSE)
            return []

    def _cursor(self) -> Position:
        position = Position(attempt=self._attempt, status=self._status, wait=KEEP_ALIVE)
        match self._source.number:
            case 1:
                position.stdout = self._offset
            case 2:
                position.stderr = self._offset
            case number:
                position.others = {number: self._offset}
        return position

    async def _take(self, news: list[Frame]) -> None:
        if not news:
            await self._end.send(ALIVE)
        for frame in news:
            if frame.attempt != self._attempt:
                await self._finish_attempt()
                await self._go_to(frame.attempt)
            if frame.kind is Kind.STATUS:
                await self._take_status(codec.decode(frame.payload, _State).status)
            elif frames.output_number(frame) == self._source.number:
                await self._piece(frame.offset, frame.payload)

    async def _take_status(self, status: str) -> None:
        self._status = status
        if status in _BEGUN:
            await self._announce()
        elif status == "pending" and self._attempt:
            # What its attempt wrote last was stored with its end.
            await self._finish_attempt()

    async def _go_to(self, attempt: int) -> None:
        """Another attempt is the one; of those between, what is kept of them."""
        for between in range(self._attempt + 1, attempt):
            self._attempt, self._offset, self._announced = between, 0, False
            await self._finish_attempt()
        self._attempt, self._offset, self._announced = attempt, 0, False
        self._status = None

    async def _finish_attempt(self) -> None:
        """The rest of an attempt that is over."""
        if not self._attempt:
            return
        while True:
            found = await self._operations.kept_log(self._source, self._attempt, self._offset)
            if not found.data:
                break
            await self._piece(found.offset, found.data)
        if found.end > self._offset:
            await self._piece(found.end, b"")

    async def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            if self._attempt:
                await self._say(attempt=self._attempt)
            await self._say(offset=self._offset)

    async def _piece(self, offset: int, content: bytes) -> None:
        await self._announce()
        if offset > self._offset:
            await self._say(dropped=offset - self._offset)
            self._offset = offset
            await self._say(offset=offset)
        if content:
            await self._end.send(content)
            self._offset += len(content)

    async def _say(self, **fields: int) -> None:
        await self._end.send(codec.encode(fields).decode())

"""One attempt's streams on a worker's WebSocket: what comes is handed to the job, its news are sent back."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

import trio

from dffmpeg.actors.coordinator.job.inputs import Reached
from dffmpeg.actors.coordinator.job.messages import Attendance as Seen
from dffmpeg.actors.coordinator.operations import Conflict, Forbidden, NotFound, Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.web import errors
from dffmpeg.web.connections import SendParts, number
from dffmpeg.web.following import messages
from dffmpeg.wire import link
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.workers import AttemptRef

logger = logging.getLogger("dffmpeg.web.attendance")

QUEUE = 32 << 20
"""Payload that may wait for a job's actor, bytes. A worker's windows hold less; what comes beyond is dropped,
and asked for again."""

PAUSE = 0.5
"""Seconds before a job is tried again that could not be reached."""


class Attendance:
    """One attempt on one connection, from its first frames until it ends.

    Args:
        send: sends a message to the worker, given in parts.
    """

    def __init__(
        self,
        operations: Operations,
        who: Identity,
        attempt: AttemptRef,
        send: SendParts,
    ) -> None:
        self.attempt = attempt
        self._operations = operations
        self._who = who
        self._send = send
        self._connection = number()
        self._queue: deque[Frame] = deque()
        self._size = 0
        self._carrying = False
        self._filled = trio.Event()
        self._emptied = trio.Event()
        self._generation: int | None = None
        self._told: dict[int, Reached] = {}
        self._sent: dict[int, Reached] = {}
        self._written: dict[int, Reached] = {}

    def put(self, frames: Sequence[Frame]) -> None:
        """Take frames from the worker; never waits."""
        for frame in frames:
            if frame.kind is Kind.ACK:
                self._heed(frame)
            self._size += len(frame.payload)
            if self._size > QUEUE:
                self._size -= len(frame.payload)
                continue
            self._queue.append(frame)
        self._filled.set()

    def _heed(self, frame: Frame) -> None:
        self._written[frame.descriptor] = (frame.offset, frame.eof)
        if frame.resend or frame.descriptor not in self._sent:
            self._sent[frame.descriptor] = (frame.offset, False)

    async def drained(self) -> None:
        """Wait until the job has all that came so far."""
        while self._queue or self._carrying:
            await self._emptied.wait()

    async def run(self) -> bool:
        """Serve until the attempt ends; returns whether it ended, or was not the worker's any more.

        Cancelling ends it too, as the connection's end does.
        """
        over = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._carry)
                await self._tell_news()
                over = True
                nursery.cancel_scope.cancel()
        except* (Conflict, NotFound, Forbidden):
            over = False
        except* BadInput as group:
            logger.warning("job %s sent what does not fit: %s", self.attempt.job_id, group.exceptions)
            over = False
        finally:
            self._carrying = False
            self._queue.clear()
            self._emptied.set()
            self._operations.end_attendance(self.attempt.job_id, self._connection)
        return over

    async def _carry(self) -> None:
        while True:
            await self._filled.wait()
            self._filled = trio.Event()
            frames, size = list(self._queue), self._size
            self._queue.clear()
            self._carrying = True
            try:
                await self._operations.streamed(self._who, self.attempt.job_id, frames)
            except errors.TEMPORARY as error:
                # Whatever was lost with it is asked for again.
                logger.info("job %s did not take output: %r", self.attempt.job_id, error)
            self._size -= size
            self._carrying = False
            if not self._queue:
                emptied, self._emptied = self._emptied, trio.Event()
                emptied.set()
            else:
                self._filled.set()

    async def _tell_news(self) -> None:
        while True:
            seen = Seen(self._generation, dict(self._told), dict(self._sent), dict(self._written))
            try:
                news = await self._operations.attend(self._who, self.attempt, self._connection, seen)
            except errors.TEMPORARY as error:
                logger.info("job %s has no news just now: %r", self.attempt.job_id, error)
                await trio.sleep(PAUSE)
                continue
            if news.over:
                return
            self._generation = news.generation
            for frame in news.frames:
                if frame.kind is Kind.ACK:
                    self._told[frame.descriptor] = (frame.floor, frame.eof)
                else:
                    self._sent[frame.descriptor] = (frame.end, frame.eof)
            prefix = self.attempt.job_id.encode("ascii")
            for parts in messages(news.frames, prefix=prefix, limit=link.MAX_MESSAGE):
                await self._send(parts)

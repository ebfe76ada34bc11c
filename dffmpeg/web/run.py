"""Running jobs over one WebSocket: each submitted, followed to its end, and then the next.

What Quart costs for each request is paid once, at the handshake.
"""

from __future__ import annotations

import msgspec
import trio
from quart import Blueprint

from dffmpeg.actors.coordinator.operations import Operations, Unavailable
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.web import errors, requests
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import Disconnected, MessageTooLarge, Socket
from dffmpeg.web.conversation import Outcome, converse, first
from dffmpeg.web.follow import silence_of
from dffmpeg.web.following import MAX_INPUT, Following
from dffmpeg.web.requests import caller
from dffmpeg.wire import codec
from dffmpeg.wire.jobs import Position, SubmitRequest

IDLE = 600.0
"""How long the connection may be silent between two jobs, seconds."""


class _Message(msgspec.Struct):
    submit: SubmitRequest | None = None
    position: Position | None = None


def blueprint(operations: Operations, closing: Closing, *, max_body: int) -> Blueprint:
    """The route /jobs/run.

    Args:
        max_body: bytes that a submission may have.
    """
    routes = Blueprint("run", __name__)

    @routes.websocket("/jobs/run")
    async def run() -> None:
        end = requests.socket()
        await end.accept()
        session = _Session(operations, caller(), end, max_body, requests.describe())
        await converse(end, closing, requests.describe(), session.run)

    return routes


class _Session:
    """One caller's connection; at most one job at a time."""

    def __init__(
        self, operations: Operations, who: Identity, end: Socket, max_body: int, request: str
    ) -> None:
        self._operations = operations
        self._who = who
        self._end = end
        self._max_body = max_body
        self._request = request
        self._following: Following | None = None
        self._silence = IDLE
        self._heard = trio.current_time()
        # One may arrive while the last job's end is still being sent.
        self._submit, self._submitted = trio.open_memory_channel[SubmitRequest](1)

    async def run(self) -> Outcome:
        gone = False
        try:
            return await first(self._listen, self._serve)
        except* Disconnected:
            gone = True
            raise
        finally:
            self._submit.close()
            self._submitted.close()
            if self._following is not None:
                self._following.leave(gone=gone)

    async def _listen(self) -> Outcome:
        limit = max(self._max_body, MAX_INPUT)
        while True:
            message = await self._receive(limit)
            if isinstance(message, bytes):
                if self._following is not None:
                    await self._following.take(message)
                continue
            if len(message) > self._max_body:
                raise MessageTooLarge(f"at most {self._max_body} are taken")
            await self._heed(codec.decode(message, _Message, what="message"))

    async def _receive(self, limit: int) -> str | bytes:
        while True:
            with trio.move_on_at(self._heard + self._silence):
                message = await self._end.receive(limit)
                self._heard = trio.current_time()
                return message
            # The job may have ended while we waited, and then there is more time.
            if trio.current_time() >= self._heard + self._silence:
                raise Unavailable(f"nothing was heard for {self._silence:g} s")

    async def _heed(self, message: _Message) -> None:
        if message.position is not None and self._following is not None:
            await self._following.acknowledge(message.position)
        if message.submit is not None:
            try:
                self._submit.send_nowait(message.submit)
            except trio.WouldBlock:
                raise BadInput("submit: the last job has not ended yet") from None

    async def _serve(self) -> Outcome:
        async for request in self._submitted:
            await self._run(request)
        return 1000, "all was said"

    async def _run(self, request: SubmitRequest) -> None:
        try:
            if not request.monitor or request.job_id is None:
                raise BadInput("submit: expected monitor, and a job_id")
            record = await self._operations.submit(self._who, request)
        except Exception as error:  # noqa: BLE001 - the boundary at which errors become answers
            status, detail = errors.problem(error, request=self._request)
            answer: dict[str, object] = {"status": status, "detail": detail}
            if status in (429, 503):
                answer["retry_after"] = errors.retry_after(error)
            await self._send({"error": answer})
            return
        start = Position(owner=True)
        following = Following(self._operations, self._who, record.job_id, self._end, start, owner=True)
        self._following, self._silence = following, silence_of(record)
        await self._send({"job": record})
        await following.deliver()
        self._following, self._silence = None, IDLE

    async def _send(self, answer: dict[str, object]) -> None:
        await self._end.send(codec.encode(answer).decode())

"""The WebSocket between a worker and the coordinator: hints, the worker's calls, and its jobs' streams."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

import trio
from quart import Blueprint

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.web import errors, requests
from dffmpeg.web.attendance import Attendance
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import MAX_MESSAGE as MAX_TEXT
from dffmpeg.web.connections import MessageTooLarge, Socket
from dffmpeg.web.conversation import Outcome, converse, first, receive
from dffmpeg.web.requests import caller
from dffmpeg.wire import codec, link
from dffmpeg.wire.jobs import AttemptReport, FinishReport, StatusReply
from dffmpeg.wire.link import Call, Fenced, Reply
from dffmpeg.wire.workers import AttemptRef, DownlinkMessage

T = TypeVar("T")

SILENCE = 15.0
"""After so many seconds without a ping the worker is taken for gone; it sends one every 5."""

CALLS = 1024
"""Calls of one worker that may be under way."""

REMEMBERED = 1024
"""Attempts whose end was reported here, of which something may still be under way."""


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The route /worker/{id}/downlink."""
    routes = Blueprint("downlink", __name__)

    @routes.websocket("/worker/<worker_id>/downlink")
    @routes.websocket("/worker/<worker_id>/downlink/<instance>")
    async def downlink(worker_id: str, instance: str | None = None) -> None:
        end = requests.socket()
        # What attaching refuses is refused by an HTTP answer to the handshake.
        async with operations.downlink(caller(), worker_id, instance) as messages:
            await end.accept()
            session = _Session(operations, caller(), end, messages)
            await converse(end, closing, requests.describe(), session.run)

    return routes


class _Session:
    """One worker's connection. It goes on being read whatever any of its jobs does."""

    def __init__(
        self,
        operations: Operations,
        who: Identity,
        end: Socket,
        messages: AsyncIterator[DownlinkMessage],
    ) -> None:
        self._operations = operations
        self._who = who
        self._end = end
        self._messages = messages
        self._attending: dict[AttemptRef, Attendance] = {}
        self._finished: OrderedDict[AttemptRef, None] = OrderedDict()
        self._calls = 0
        self._routes: Mapping[str, Callable[[Call], Awaitable[StatusReply]]] = {
            "accept": self._accept,
            "reject": self._reject,
            "heartbeat": self._heartbeat,
            "finish": self._finish,
        }

    async def run(self) -> Outcome:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            outcome = await first(self._deliver, self._listen)
            nursery.cancel_scope.cancel()
        return outcome

    async def _deliver(self) -> Outcome:
        async for message in self._messages:
            await self._say(message)
        if await self._operations.looks_after(self._who.client_id):
            return 1000, "a newer connection took over"
        return errors.CLOSE_RESTART, "another coordinator looks after this worker; connect again"

    async def _say(self, message: DownlinkMessage | Reply | Fenced) -> None:
        await self._end.send(codec.encode(message).decode())

    async def _listen(self) -> Outcome:
        while True:
            message = await receive(self._end, SILENCE, link.MAX_MESSAGE)
            if isinstance(message, bytes):
                self._take(message)
            elif message == "ping":
                await self._end.send("pong")
            elif len(message) > MAX_TEXT:
                raise MessageTooLarge(f"at most {MAX_TEXT} are taken")
            elif message.startswith("{"):
                await self._begin(codec.decode(message, Call, what="call"))
            else:
                raise BadInput('expected the text "ping", or a call')

    # Streams

    def _take(self, message: bytes) -> None:
        job_id, frames = link.unpack(message)
        attempt = AttemptRef(job_id=job_id, attempt=frames[0].attempt)
        if attempt in self._finished:
            return
        attendance = self._attending.get(attempt)
        if attendance is None:
            attendance = Attendance(self._operations, self._who, attempt, self._end.send_parts)
            self._attending[attempt] = attendance
            self._nursery.start_soon(self._attend, attendance)
        attendance.put(frames)

    async def _attend(self, attendance: Attendance) -> None:
        over = False
        try:
            over = await attendance.run()
        finally:
            self._attending.pop(attendance.attempt, None)
        if not over and attendance.attempt not in self._finished:
            await self._say(Fenced(fenced=attendance.attempt))

    # Calls

    async def _begin(self, call: Call) -> None:
        if self._calls >= CALLS:
            await self._say(Reply(reply=call.call, status=503, detail="too many calls are under way"))
            return
        self._calls += 1
        self._nursery.start_soon(self._answer, call)

    async def _answer(self, call: Call) -> None:
        try:
            await self._routes[call.route](call)
            reply = Reply(reply=call.call, status=200)
        except Exception as error:  # noqa: BLE001 - the boundary at which errors become answers
            status, detail = errors.problem(error, request=f"{call.route} of {self._who.client_id}")
            reply = Reply(reply=call.call, status=status, detail=detail)
        finally:
            self._calls -= 1
        await self._say(reply)

    async def _accept(self, call: Call) -> StatusReply:
        return await self._operations.accept(self._who, call.job_id, _body(call, AttemptReport))

    async def _reject(self, call: Call) -> StatusReply:
        return await self._operations.reject(self._who, call.job_id, _body(call, AttemptReport))

    async def _heartbeat(self, call: Call) -> StatusReply:
        return await self._operations.worker_heartbeat(self._who, call.job_id, _body(call, AttemptReport))

    async def _finish(self, call: Call) -> StatusReply:
        report = _body(call, FinishReport)
        attempt = None if report.attempt is None else AttemptRef(job_id=call.job_id, attempt=report.attempt)
        attendance = None if attempt is None else self._attending.get(attempt)
        if attendance is not None:
            # It speaks of all that was sent before it.
            await attendance.drained()
        answer = await self._operations.finish(self._who, call.job_id, report)
        if attempt is not None:
            self._finished[attempt] = None
            while len(self._finished) > REMEMBERED:
                self._finished.popitem(last=False)
        return answer


def _body(call: Call, kind: type[T]) -> T:
    return codec.decode(bytes(call.body), kind)

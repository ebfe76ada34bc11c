"""Following a job: its streams and its state, by one long request at a time or over a WebSocket."""

from __future__ import annotations

from functools import partial

import trio
from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import Elsewhere, Operations
from dffmpeg.model.identities import Identity
from dffmpeg.web import requests
from dffmpeg.web.answers import frames_answer
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import Disconnected, Socket, WrongKind
from dffmpeg.web.conversation import Outcome, converse, first, receive
from dffmpeg.web.following import MAX_INPUT, Following, check
from dffmpeg.web.forwarding import FRESH
from dffmpeg.web.requests import caller
from dffmpeg.wire import codec, frames
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import JobRecord, Position

MIN_SILENCE = 60.0
"""How long a follower may at least be silent, seconds; with a slow heartbeat three of its intervals."""


def silence_of(record: JobRecord) -> float:
    """How long a follower of this job may say nothing, seconds."""
    return max(MIN_SILENCE, 3 * record.heartbeat_interval)


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The two forms of /jobs/{id}/follow."""
    routes = Blueprint("follow", __name__)

    @routes.post("/jobs/<job_id>/follow")
    async def follow(job_id: str) -> Response:
        position = check(requests.body(Position, empty=Position()))
        await operations.acknowledge(caller(), job_id, position)
        news: list[Frame] = []
        began = trio.current_time()
        with closing.interruptible():
            try:
                news = await operations.follow(caller(), job_id, position)
            except Elsewhere:
                if trio.current_time() - began < FRESH:
                    raise
                # That there is no news brings a new request, which can be passed on.
        return frames_answer(news)

    @routes.post("/jobs/<job_id>/input")
    async def take_input(job_id: str) -> Response:
        pieces = list(frames.decode_all(requests.request_body().content))
        return frames_answer(await operations.input(caller(), job_id, pieces))

    @routes.websocket("/jobs/<job_id>/follow")
    async def follow_live(job_id: str) -> None:
        # What is refused here is refused by an HTTP answer to the handshake.
        record = await operations.job(caller(), job_id)
        end = requests.socket()
        await end.accept()
        session = _Session(operations, caller(), record, end)
        await converse(end, closing, requests.describe(), session.run)

    return routes


class _Session:
    """One follower's WebSocket."""

    def __init__(self, operations: Operations, who: Identity, record: JobRecord, end: Socket) -> None:
        self._operations = operations
        self._who = who
        self._record = record
        self._end = end
        self._silence = silence_of(record)

    async def run(self) -> Outcome:
        message = await receive(self._end, self._silence)
        start = self._position(message)
        job_id, mine = self._record.job_id, self._record.requester_id == self._who.client_id
        owner = start.owner and mine and self._record.monitor
        following = Following(self._operations, self._who, job_id, self._end, start, owner=owner)
        gone = False
        try:
            await following.acknowledge(start)
            return await first(partial(self._deliver, following), partial(self._listen, following))
        except* Disconnected:
            gone = True
            raise
        finally:
            following.leave(gone=gone)

    def _position(self, message: str | bytes) -> Position:
        if isinstance(message, bytes):
            raise WrongKind("expected a position as text")
        return check(codec.decode(message, Position, what="position"))

    async def _listen(self, following: Following) -> Outcome:
        while True:
            message = await receive(self._end, self._silence, MAX_INPUT)
            if isinstance(message, bytes) and following.owner:
                await following.take(message)
            else:
                await following.acknowledge(self._position(message))

    async def _deliver(self, following: Following) -> Outcome:
        await following.deliver()
        return 1000, "the job has ended"

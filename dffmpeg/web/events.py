"""The change feed, as server-sent events and over a WebSocket."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from functools import partial
from typing import get_args

import msgspec
from quart import Blueprint, Response, request

from dffmpeg.actors.coordinator.events import Event, Subscription
from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.errors import BadInput
from dffmpeg.web import errors, requests
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import Socket
from dffmpeg.web.conversation import Outcome, converse, first, receive
from dffmpeg.web.poll import UNBUFFERED
from dffmpeg.web.requests import caller
from dffmpeg.web.versions import PREFIX
from dffmpeg.wire import codec
from dffmpeg.wire.events import EventKind, EventMessage

KEEP_ALIVE = 15.0
"""Seconds of silence after which there is a sign of life."""

INTERVAL = 0.1
MAX_INTERVAL = 10.0

KINDS = tuple(kind for kind in get_args(EventKind) if kind not in ("here", "missed"))

ALIVE = b":\n\n"
ALIVE_MESSAGE = "{}"


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The two forms of /api/v1/events."""
    routes = Blueprint("events", __name__, url_prefix=PREFIX)

    def subscription(after: str | None) -> Subscription:
        kinds = requests.names("kind")
        if not set(kinds) <= set(KINDS):
            raise BadInput(f"kind: expected some of {', '.join(KINDS)}, with commas between")
        interval = requests.number("interval", INTERVAL, maximum=MAX_INTERVAL)
        return operations.subscribe(caller(), after=after, kinds=kinds or None, interval=interval)

    @routes.get("/events")
    async def events() -> Response:
        # A browser that connects again says by a header where it was.
        stream = subscription(request.headers.get("Last-Event-ID") or requests.text("last_event_id"))
        lines = _lines(stream, closing, requests.describe())
        reply = Response(
            b"" if request.method == "HEAD" else lines, content_type="text/event-stream", headers=UNBUFFERED
        )
        reply.timeout = None
        return reply

    @routes.websocket("/events")
    async def events_live() -> None:
        stream = subscription(requests.text("last_event_id"))
        end = requests.socket()
        with stream:
            await end.accept()
            await converse(end, closing, requests.describe(), partial(_talk, stream, end))

    return routes


async def _lines(stream: Subscription, closing: Closing, described: str) -> AsyncIterator[bytes]:
    with stream:
        while not closing.begun:
            news: list[Event] | None = None
            try:
                with closing.interruptible():
                    news = await stream.news(KEEP_ALIVE)
            except Exception as error:  # noqa: BLE001 - the status is sent already: all that is left is to end
                errors.answer(error, request=described)
                return
            if news is not None:
                yield b"".join(map(_lines_of, news)) or ALIVE


def _lines_of(event: Event) -> bytes:
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (event.id.encode(), event.kind.encode(), event.content)


async def _talk(stream: Subscription, end: Socket) -> Outcome:
    async def deliver() -> Outcome:
        while True:
            news = await stream.news(KEEP_ALIVE)
            for event in news:
                message = EventMessage(id=event.id, event=event.kind, data=msgspec.Raw(event.content))
                await end.send(codec.encode(message).decode())
            if not news:
                await end.send(ALIVE_MESSAGE)

    async def listen() -> Outcome:
        # Nothing is expected; but so its leaving is heard of.
        while True:
            await receive(end, math.inf)

    return await first(deliver, listen)

"""The change feed, as server-sent events and over a WebSocket."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec
from quart import Blueprint, Response, request

from dffmpeg.actors.coordinator.events import Event
from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.actors.coordinator.subscriptions import Bulletin, Subscription
from dffmpeg.errors import BadInput
from dffmpeg.transports.messages import TextFrame
from dffmpeg.web import errors, requests
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import Socket
from dffmpeg.web.conversation import Outcome, converse, first, receive
from dffmpeg.web.poll import UNBUFFERED
from dffmpeg.web.requests import caller
from dffmpeg.web.versions import PREFIX
from dffmpeg.wire import codec
from dffmpeg.wire.events import EventMessage

KEEP_ALIVE = 15.0
"""Seconds of silence after which there is a sign of life."""

INTERVAL = 0.1
MAX_INTERVAL = 10.0

ALIVE = b":\n\n"
ALIVE_MESSAGE = TextFrame(b"{}")
ALIVE_BATCH = TextFrame(b"[]")


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The two forms of /api/v1/events."""
    routes = Blueprint("events", __name__, url_prefix=PREFIX)

    def subscription(after: str | None) -> Subscription:
        wanted = requests.names("kind")
        kinds = [kind for kind in operations.event_kinds if kind in wanted]
        if len(kinds) < len(set(wanted)):
            raise BadInput(f"kind: expected some of {', '.join(operations.event_kinds)}, with commas between")
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
        talk = _talk_in_batches if requests.flag("batch", False) else _talk
        end = requests.socket()
        with stream:
            await end.accept()
            await converse(end, closing, requests.describe(), partial(talk, stream, end))

    return routes


async def _lines(stream: Subscription, closing: Closing, described: str) -> AsyncIterator[bytes]:
    with stream:
        while not closing.begun:
            news: Bulletin | None = None
            try:
                with closing.interruptible():
                    news = await stream.bulletin(KEEP_ALIVE)
            except Exception as error:  # noqa: BLE001 - the status is sent already: all that is left is to end
                errors.answer(error, request=described)
                return
            yield ALIVE if news is None else news.encoded(_in_lines)


def _in_lines(events: Sequence[Event]) -> bytes:
    lines = b"id: %s\nevent: %s\ndata: %s\n\n"
    return b"".join(lines % (event.id.encode(), event.kind.encode(), event.content) for event in events)


def _message(event: Event) -> bytes:
    return codec.encode(EventMessage(id=event.id, event=event.kind, data=msgspec.Raw(event.content)))


def _one_by_one(events: Sequence[Event]) -> list[TextFrame]:
    return [TextFrame(_message(event)) for event in events]


def _in_a_batch(events: Sequence[Event]) -> TextFrame:
    return TextFrame(b"[%s]" % b",".join(map(_message, events)))


async def _talk(stream: Subscription, end: Socket) -> Outcome:
    async def deliver() -> Outcome:
        while True:
            news = await stream.bulletin(KEEP_ALIVE)
            for message in [ALIVE_MESSAGE] if news is None else news.encoded(_one_by_one):
                await end.send_frame(message)

    return await first(deliver, partial(_listen, end))


async def _talk_in_batches(stream: Subscription, end: Socket) -> Outcome:
    async def deliver() -> Outcome:
        while True:
            news = await stream.bulletin(KEEP_ALIVE)
            await end.send_frame(ALIVE_BATCH if news is None else news.encoded(_in_a_batch))

    return await first(deliver, partial(_listen, end))


async def _listen(end: Socket) -> Outcome:
    """Nothing is expected; but so its leaving is heard of."""
    while True:
        await receive(end, math.inf)

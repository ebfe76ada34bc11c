"""Messages by polling: one long request after another, or one endless answer of lines (NDJSON)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from quart import Blueprint, Response, request

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.web import errors, requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.closing import Closing
from dffmpeg.web.requests import MAX_WAIT, caller
from dffmpeg.wire import codec
from dffmpeg.wire.workers import DownlinkMessage, Messages

logger = logging.getLogger("dffmpeg.web")

NDJSON = "application/x-ndjson"

DEFAULT_WAIT = 20.0
"""How long a poll is held that does not say, seconds."""

MIN_KEEP_ALIVE = 1.0
"""Shortest time between two blank lines, seconds."""

UNBUFFERED = {
    "Cache-Control": "no-cache, no-store, no-transform",
    # nginx and those that imitate it.
    "X-Accel-Buffering": "no",
}

Poll = Callable[[str | None, float], Awaitable[list[DownlinkMessage]]]
"""Given the last message's identifier and the seconds to wait, the messages behind it."""


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The routes below /poll."""
    routes = Blueprint("poll", __name__, url_prefix="/poll")

    @routes.get("/worker")
    @routes.get("/worker/<instance>")
    async def poll_worker(instance: str | None = None) -> Response:
        who = caller()

        async def poll(last: str | None, wait: float) -> list[DownlinkMessage]:
            return await operations.poll_worker(who, last=last, wait=wait, instance=instance)

        return await _reply(poll, closing)

    @routes.get("/jobs/<job_id>")
    async def poll_job(job_id: str) -> Response:
        who = caller()

        async def poll(last: str | None, wait: float) -> list[DownlinkMessage]:
            return await operations.poll_job(who, job_id, last=last, wait=wait)

        return await _reply(poll, closing)

    return routes


async def _reply(poll: Poll, closing: Closing) -> Response:
    last = requests.text("last_message_id")
    wait = requests.number("wait", DEFAULT_WAIT, maximum=MAX_WAIT)
    if NDJSON in request.accept_mimetypes.values() and request.method != "HEAD":
        # The first look is made here, so that a refusal has its own status.
        waiting = await poll(last, 0.0)
        lines = _lines(poll, closing, waiting, last, max(wait, MIN_KEEP_ALIVE), requests.describe())
        reply = Response(lines, content_type=NDJSON, headers=UNBUFFERED)
        reply.timeout = None
        return reply
    messages: list[DownlinkMessage] = []
    with closing.interruptible():
        messages = await poll(last, wait)
    return json_answer(Messages(messages=messages))


async def _lines(
    poll: Poll,
    closing: Closing,
    messages: list[DownlinkMessage],
    last: str | None,
    wait: float,
    described: str,
) -> AsyncIterator[bytes]:
    while not closing.begun:
        yield (codec.encode(Messages(messages=messages)) if messages else b"") + b"\n"
        last = messages[-1].message_id if messages else last
        messages = []
        try:
            with closing.interruptible():
                messages = await poll(last, wait)
        except Exception as error:  # noqa: BLE001 - the status is sent already: all that is left is to end
            errors.answer(error, request=described)
            return

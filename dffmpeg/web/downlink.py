"""The WebSocket on which a worker hears from the coordinator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from quart import Blueprint

from dffmpeg.actors.operations import Operations
from dffmpeg.errors import BadInput
from dffmpeg.web import requests
from dffmpeg.web.closing import Closing
from dffmpeg.web.connections import Socket
from dffmpeg.web.conversation import Outcome, converse, first, receive
from dffmpeg.web.requests import caller
from dffmpeg.wire import codec
from dffmpeg.wire.workers import DownlinkMessage

SILENCE = 15.0
"""After so many seconds without a ping the worker is taken for gone; it sends one every 5."""


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The route /worker/{id}/downlink."""
    routes = Blueprint("downlink", __name__)

    @routes.websocket("/worker/<worker_id>/downlink")
    async def downlink(worker_id: str) -> None:
        end = requests.socket()
        # What attaching refuses is refused by an HTTP answer to the handshake.
        async with operations.downlink(caller(), worker_id) as messages:
            await end.accept()
            await converse(
                end,
                closing,
                requests.describe(),
                partial(first, partial(_deliver, end, messages), partial(_answer_pings, end)),
            )

    return routes


async def _deliver(end: Socket, messages: AsyncIterator[DownlinkMessage]) -> Outcome:
    async for message in messages:
        await end.send(codec.encode(message).decode())
    return 1000, "a newer connection took over"


async def _answer_pings(end: Socket) -> Outcome:
    while True:
        message = await receive(end, SILENCE)
        if message != "ping":
            raise BadInput('expected the text "ping"')
        await end.send("pong")

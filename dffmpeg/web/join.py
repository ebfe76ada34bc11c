"""POST /api/v1/join: a new worker, by a token."""

from __future__ import annotations

from quart import Blueprint, Response, g, request

from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.authentication import Entrance
from dffmpeg.web.authentication.joining import Joining
from dffmpeg.web.origins import origin
from dffmpeg.wire import codec
from dffmpeg.wire.joining import PATH, JoinRequest

BODY_TIMEOUT = 10.0
"""Seconds."""

MAX_BODY = 1024
"""Bytes, which anybody may send."""


def blueprint(joining: Joining) -> Blueprint:
    """The one route."""
    routes = Blueprint("join", __name__)

    @routes.post(PATH)
    async def join() -> Response:
        body = await requests.request_body().read(MAX_BODY, timeout=BODY_TIMEOUT)
        address = origin(request.scope).address
        identity, reply = await joining.join(address, codec.decode(body, JoinRequest))
        # As who somebody is by now: for the audit trail.
        g.entrance = Entrance(identity, address)
        return json_answer(reply)

    return routes

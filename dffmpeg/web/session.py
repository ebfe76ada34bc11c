"""/api/v1/session: signing in and out, and as what one is here."""

from __future__ import annotations

from collections.abc import Callable

from quart import Blueprint, Response, g, request

from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.errors import BadInput
from dffmpeg.model import sessions
from dffmpeg.web import addresses, requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.authentication import Entrance, Sessions
from dffmpeg.web.authentication.sites import Sites
from dffmpeg.web.cookies import cookie, name_at, setting
from dffmpeg.web.origins import origin
from dffmpeg.web.versions import PREFIX
from dffmpeg.web.viewers import require_near
from dffmpeg.wire import codec, times
from dffmpeg.wire.jobs import StatusReply
from dffmpeg.wire.sessions import SessionState, SignInRequest

BODY_TIMEOUT = 10.0
"""Seconds."""

MAX_BODY = 4096
"""Bytes of a sign-in, which anybody may send."""


def blueprint(
    entrances: Sessions, sites: Sites, config: CoordinatorConfig, hurry: Callable[[], None]
) -> Blueprint:
    """The three methods of /api/v1/session.

    Args:
        hurry: called when somebody has signed out.
    """
    routes = Blueprint("session", __name__, url_prefix=PREFIX)
    allowed = addresses.parse_networks(
        [*config.allowed_dashboard_ips, *config.security.sign_in_networks], "[security] sign_in_networks"
    )

    @routes.get("/session")
    async def show() -> Response:
        entrance: Entrance = g.entrance
        reply = json_answer(_state(entrance))
        front = origin(request.scope).front
        if entrance.session is None and cookie(request.scope, name_at(front)) is not None:
            # It is over.
            reply.headers["Set-Cookie"] = setting(front, "", 0)
        return reply

    @routes.post("/session")
    async def sign_in() -> Response:
        require_near(allowed, "signing in (see allowed_dashboard_ips and sign_in_networks) is")
        sites.require_same(request.scope)
        body = await requests.request_body().read(MAX_BODY, timeout=BODY_TIMEOUT)
        wanted = codec.decode(body, SignInRequest)
        found = origin(request.scope)
        if wanted.link is not None and wanted.client_id is None and wanted.key is None:
            entrance = await entrances.with_link(found.address, wanted.link)
        elif wanted.link is None and wanted.client_id is not None and wanted.key is not None:
            entrance = await entrances.with_key(found.address, wanted.client_id, wanted.key)
        else:
            raise BadInput("expected client_id and key, or link alone")
        # From here on it is known who asks.
        g.entrance = entrance
        reply = json_answer(_state(entrance))
        reply.headers["Set-Cookie"] = setting(found.front, entrance.secret, config.security.session_lifetime)
        return reply

    @routes.delete("/session")
    async def sign_out() -> Response:
        await entrances.end(g.entrance)
        hurry()
        reply = json_answer(StatusReply())
        reply.headers["Set-Cookie"] = setting(origin(request.scope).front, "", 0)
        return reply

    return routes


def _state(entrance: Entrance) -> SessionState:
    identity, session = entrance.identity, entrance.session
    return SessionState(
        client_id=identity.client_id or None,
        role=identity.role.value,
        signed_in=session is not None,
        csrf=None if session is None else sessions.csrf_of(entrance.secret),
        expires_at=None if session is None else times.to_wire(session.expires_at),
    )

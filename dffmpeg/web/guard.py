"""The one door: who comes in by it, and what each answer tells a browser."""

from __future__ import annotations

from collections.abc import Collection

from quart import Response, g, request, websocket
from quart_trio import QuartTrio

from dffmpeg.actors.coordinator.operations import NotFound
from dffmpeg.web import access, requests
from dffmpeg.web.authentication import Authentication, Entrance, WrongRole
from dffmpeg.web.trail import Trail

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def guard(app: QuartTrio, authentication: Authentication, trail: Trail, off: Collection[str]) -> None:
    """Let nothing in that is not to come in, and send nothing out without these headers.

    Args:
        off: paths of the dashboard, where it is switched off.
    """

    def came_in(entrance: Entrance | None) -> None:
        g.entrance = entrance
        g.identity = None if entrance is None else entrance.identity

    async def check_request() -> None:
        # An unknown path, or a wrong method: Quart raises it a little later.
        if request.url_rule is None:
            if request.path in off:
                raise NotFound("the dashboard of this coordinator is switched off (web_dashboard_enabled)")
            return
        route = access.key(request.url_rule, request.method)
        try:
            came_in(await authentication.check(request.scope, route, requests.request_body()))
        except WrongRole as refusal:
            await trail.refused(refusal.entrance)
            raise

    async def check_websocket() -> None:
        if websocket.url_rule is None:
            return
        route = access.key(websocket.url_rule, "GET")
        came_in(await authentication.check(websocket.scope, route, None))

    async def add_headers(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    app.before_request(check_request)
    app.before_websocket(check_websocket)
    app.after_request(add_headers)

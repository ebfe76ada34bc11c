"""How long requests take, by route and status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from quart import Response, g, request
from quart_trio import QuartTrio

from dffmpeg.web import access

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.measurements import Measurements

UNKNOWN = "unknown"
"""The route of a request that has none, and the method of one that HTTP does not name: both are anybody's
to make up."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


def observe(app: QuartTrio, measurements: Measurements) -> None:
    """Count each answer of the application. To be called before anything else looks at requests."""

    async def begin() -> None:
        g.begun = trio.current_time()

    async def end(response: Response) -> Response:
        rule = request.url_rule
        route = UNKNOWN if rule is None else access.key(rule, "").strip()
        method = request.method if request.method in METHODS else UNKNOWN
        measurements.request(method, route, response.status_code, trio.current_time() - g.begun)
        return response

    app.before_request(begin)
    app.after_request(end)

"""Requests as seen from outside: how long they take, by route and status, and what is logged of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import trio
from quart import Response, g, request, websocket
from quart_trio import QuartTrio
from ulid import ULID

from dffmpeg import logs
from dffmpeg.web import access, requests
from dffmpeg.wire import trace

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.measurements import Measurements

logger = logging.getLogger("dffmpeg.web.requests")

UNKNOWN = "unknown"
"""The route of a request that has none, and the method of one that HTTP does not name: both are anybody's
to make up."""

REQUEST_ID = "X-Request-ID"
"""Of the caller's making, or ours; stands in the answer, and in all that is logged for the request."""

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}\Z")

QUESTIONS = frozenset({"/health", "/ready"})
"""Routes whose 503 is an answer, and no failure."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


def observe(app: QuartTrio, measurements: Measurements) -> None:
    """Count each answer of the application. To be called before anything else looks at requests."""

    async def begin() -> None:
        g.begun = trio.current_time()
        given = request.headers.get(REQUEST_ID, "")
        g.request_id = given if _ID.match(given) else str(ULID())
        _begin_logging(g.request_id, request.view_args, request.headers.get(trace.HEADER))

    async def begin_websocket() -> None:
        given = websocket.headers.get(REQUEST_ID, "")
        request_id = given if _ID.match(given) else str(ULID())
        _begin_logging(request_id, websocket.view_args, websocket.headers.get(trace.HEADER))

    async def end(response: Response) -> Response:
        rule = request.url_rule
        route = UNKNOWN if rule is None else access.key(rule, "").strip()
        method = request.method if request.method in METHODS else UNKNOWN
        seconds = trio.current_time() - g.begun
        measurements.request(method, route, response.status_code, seconds)
        response.headers[REQUEST_ID] = g.request_id
        about = {"route": f"{method} {route}", "status": response.status_code, "seconds": round(seconds, 4)}
        logger.log(_level(route, response.status_code), "%s", requests.describe(), extra=about)
        return response

    app.before_request(begin)
    app.before_websocket(begin_websocket)
    app.after_request(end)


def _begin_logging(request_id: str, place: Mapping[str, Any] | None, traceparent: str | None) -> None:
    logs.begin(
        request=request_id,
        job=(place or {}).get("job_id"),
        worker=(place or {}).get("worker_id"),
        trace=trace.trace_of(trace.read(traceparent)),
    )


def _level(route: str, status: int) -> int:
    # Load balancers ask for these every second, and whatever they say has its own line.
    return logging.INFO if status >= 500 and route not in QUESTIONS else logging.DEBUG

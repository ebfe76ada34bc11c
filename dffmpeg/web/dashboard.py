"""The cluster as a whole, as the dashboard's pages read it: /overview, /history, /alerts."""

from __future__ import annotations

from typing import cast, get_args

from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.errors import BadInput
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.versions import PREFIX
from dffmpeg.wire.dashboard import Span

SPANS: tuple[str, ...] = get_args(Span)


def blueprint(operations: Operations) -> Blueprint:
    """The routes below /api/v1."""
    routes = Blueprint("dashboard", __name__, url_prefix=PREFIX)

    @routes.get("/overview")
    async def overview() -> Response:
        return json_answer(await operations.glance())

    @routes.get("/alerts")
    async def alerts() -> Response:
        return json_answer(await operations.alerts())

    @routes.get("/history")
    async def history() -> Response:
        span = requests.text("span") or SPANS[0]
        if span not in SPANS:
            raise BadInput(f"span: expected one of {', '.join(SPANS)}, got {span!r}")
        return json_answer(await operations.history(cast("Span", span)))

    return routes

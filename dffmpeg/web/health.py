"""Whether this coordinator can be used, for load balancers and container engines."""

from __future__ import annotations

from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.closing import Closing

_HTTP_STATUS = {"online": 200, "shutdown": 503}


def blueprint(operations: Operations, closing: Closing) -> Blueprint:
    """The route /health."""
    routes = Blueprint("health", __name__)

    @routes.get("/health")
    async def health() -> Response:
        report = dict(await operations.health(deep=bool(requests.flag("deep"))))
        if closing.begun:
            report["status"] = "shutdown"
        return json_answer(report, _HTTP_STATUS.get(str(report["status"]), 500))

    return routes

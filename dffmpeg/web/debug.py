"""Routes that break things on purpose. They exist only with `[debug] routes = true`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import NotFound
from dffmpeg.supervisors import NotFound as NothingRuns
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.wire.jobs import StatusReply


class CrashRequest(msgspec.Struct, kw_only=True):
    """POST /debug/crash: which child of the supervision tree, such as `coordinator/scheduler`."""

    path: str


def blueprint(crash: Callable[[str], None]) -> Blueprint:
    """The routes below /debug."""
    routes = Blueprint("debug", __name__, url_prefix="/debug")

    @routes.post("/crash")
    async def crash_child() -> Response:
        path = requests.body(CrashRequest).path
        try:
            crash(path)
        except NothingRuns:
            raise NotFound(f"there is no child {path!r}") from None
        return json_answer(StatusReply(), 202)

    return routes

"""Whether this coordinator can be given work, and the cluster in numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quart import Blueprint, Response

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.actors.coordinator.operations.observation import STOPPING
from dffmpeg.web.answers import json_answer
from dffmpeg.web.closing import Closing
from dffmpeg.web.requests import caller
from dffmpeg.wire.observation import Readiness

if TYPE_CHECKING:
    from dffmpeg.supervisors import TreeNode


def blueprint(operations: Operations, closing: Closing, tree: Callable[[], TreeNode] | None) -> Blueprint:
    """The routes /ready and /stats."""
    routes = Blueprint("observed", __name__)

    @routes.get("/ready")
    async def ready() -> Response:
        found = await operations.waits_for(tree)
        if closing.begun and STOPPING not in found:
            found = [STOPPING, *found]
        if found:
            return json_answer(Readiness(status="waiting", waits_for=found), 503)
        return json_answer(Readiness(status="ready"))

    @routes.get("/stats")
    async def stats() -> Response:
        return json_answer(await operations.stats(caller()))

    return routes

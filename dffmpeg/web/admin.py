"""What administrators may look at and ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint, Response

from dffmpeg.actors.operations import NotFound, Operations
from dffmpeg.model.janitor import Action
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.requests import caller

if TYPE_CHECKING:
    from dffmpeg.supervisors import TreeNode


class JanitorRequest(msgspec.Struct, kw_only=True):
    """POST /admin/janitor."""

    action: Action


def blueprint(operations: Operations, tree: Callable[[], TreeNode] | None) -> Blueprint:
    """The routes below /admin."""
    routes = Blueprint("admin", __name__, url_prefix="/admin")

    @routes.get("/tree")
    async def show_tree() -> Response:
        if tree is None:
            raise NotFound("there is no supervision tree here")
        return json_answer(tree())

    @routes.post("/janitor")
    async def janitor() -> Response:
        return json_answer(await operations.run_janitor(caller(), requests.body(JanitorRequest).action))

    return routes

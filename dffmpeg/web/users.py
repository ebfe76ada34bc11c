"""Users, and the audit trail: for administrators."""

from __future__ import annotations

from collections.abc import Callable

from quart import Blueprint, Response
from ulid import ULID

from dffmpeg.actors.coordinator.operations import Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.audit import AuditRequest
from dffmpeg.web import requests
from dffmpeg.web.answers import json_answer
from dffmpeg.web.lists import limit, linked
from dffmpeg.web.requests import caller
from dffmpeg.web.versions import PREFIX
from dffmpeg.wire.users import NetworksRequest


def blueprint(operations: Operations, hurry: Callable[[], None]) -> Blueprint:
    """The routes /api/v1/audit, /api/v1/users and those of one user.

    Args:
        hurry: called when somebody may not be let in any more.
    """
    routes = Blueprint("users", __name__, url_prefix=PREFIX)

    @routes.get("/audit")
    async def audit() -> Response:
        wanted = AuditRequest(
            limit=limit(),
            after=_entry(),
            actor=requests.text("actor"),
            action=requests.text("action"),
            since=requests.moment("since"),
            before=requests.moment("before"),
        )
        return linked(await operations.audit(caller(), wanted))

    @routes.get("/users")
    async def all_of_them() -> Response:
        return linked(await operations.users(caller(), limit=limit(), after=requests.text("cursor")))

    @routes.post("/users/<client_id>/networks")
    async def networks(client_id: str) -> Response:
        wanted = requests.body(NetworksRequest).networks
        reply = await operations.set_networks(caller(), client_id, wanted)
        hurry()
        return json_answer(reply)

    @routes.delete("/users/<client_id>")
    async def delete(client_id: str) -> Response:
        reply = await operations.delete_user(caller(), client_id)
        hurry()
        return json_answer(reply)

    return routes


def _entry() -> str | None:
    """Behind which entry of the trail a page begins: its id, as the page before had it."""
    cursor = requests.text("cursor")
    if cursor is None:
        return None
    try:
        return str(ULID.from_str(cursor))
    except ValueError:
        raise BadInput("cursor: expected the `next` of an earlier page") from None

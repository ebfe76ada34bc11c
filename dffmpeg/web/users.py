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
from dffmpeg.web.lists import cursor, limit, linked, offset, sort
from dffmpeg.web.requests import caller
from dffmpeg.web.versions import PREFIX
from dffmpeg.wire.orders import AUDIT, USERS, unmarked, written
from dffmpeg.wire.users import NetworksRequest


def blueprint(operations: Operations, hurry: Callable[[], None]) -> Blueprint:
    """The routes /api/v1/audit, /api/v1/users and those of one user.

    Args:
        hurry: called when somebody may not be let in any more.
    """
    routes = Blueprint("users", __name__, url_prefix=PREFIX)

    @routes.get("/audit")
    async def audit() -> Response:
        _, descending = sort(AUDIT, "at")
        wanted = AuditRequest(
            descending=descending,
            limit=limit(),
            offset=offset(),
            after=_entry(written("at", descending=descending)),
            actor=requests.text("actor"),
            action=requests.text("action"),
            since=requests.moment("since"),
            before=requests.moment("before"),
        )
        return linked(await operations.audit(caller(), wanted))

    @routes.get("/users")
    async def all_of_them() -> Response:
        _, descending = sort(USERS, "id")
        place = cursor()
        order = written("id", descending=descending)
        after = None if place is None else unmarked(order, USERS, place)
        found = await operations.users(
            caller(), limit=limit(), after=after, offset=offset(), descending=descending
        )
        return linked(found)

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


def _entry(order: str) -> str | None:
    """Behind which entry of the trail a page begins: its id, as the page before had it."""
    place = cursor()
    if place is None:
        return None
    try:
        return str(ULID.from_str(unmarked(order, AUDIT, place)))
    except ValueError:
        raise BadInput("cursor: expected the `next` of an earlier page") from None

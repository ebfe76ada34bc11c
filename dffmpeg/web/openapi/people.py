"""Users, and the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from dffmpeg.web.openapi import examples
from dffmpeg.web.openapi.description import Content, Described, Description, Parameter
from dffmpeg.web.openapi.paging import LINKED, PAGES
from dffmpeg.wire.audit import AuditList, AuditRecord
from dffmpeg.wire.jobs import StatusReply
from dffmpeg.wire.users import NetworksRequest, UserList, UserRecord

_Text = Annotated[str, msgspec.Meta(max_length=128)]
_USER = UserRecord(
    id="player", role="client", networks=["192.168.0.0/24"], created_at=examples.NOON, signed_in_at=None
)
_ENTRY = AuditRecord(
    id="01K9ZQ0F7M4N2X8T6V5B3C1D0K",
    at=examples.NOON,
    actor="root",
    via="session",
    address="192.168.0.7",
    request_id="01K9ZQ0F7M4N2X8T6V5B3C1D0M",
    action="worker.drain",
    subject=examples.WORKER_ID,
    outcome="done",
    details={"reason": "new disks"},
)


PEOPLE: Mapping[str, Described] = {
    "GET /api/v1/audit": Description(
        tag="Administration",
        summary="What administrators did, page by page",
        text="Entries are kept for `retention.audit` seconds, a year where it is not said.",
        parameters=(
            *PAGES,
            Parameter(
                name="sort",
                kind=Literal["at", "-at"],
                text="with a minus the newest first; `-at` where it is not said",
                example="at",
            ),
            Parameter(name="actor", kind=_Text, text="by this user", example="root"),
            Parameter(
                name="action",
                kind=_Text,
                text="this action, such as `worker.drain`, or all of an area, such as `worker`",
                example="worker",
            ),
            Parameter(name="since", kind=_Text, text="then or later", example="2026-01-31T12:00:00Z"),
            Parameter(name="before", kind=_Text, text="earlier", example="2026-02-01T00:00:00Z"),
        ),
        answers={
            200: Content(text=LINKED, kind=AuditList, example=AuditList(items=[_ENTRY], next=_ENTRY.id))
        },
    ),
    "GET /api/v1/users": Description(
        tag="Administration",
        summary="Users by id, page by page; never their keys",
        parameters=(
            *PAGES,
            Parameter(
                name="sort",
                kind=Literal["id", "-id"],
                text="with a minus the last one first; `id` where it is not said",
                example="-id",
            ),
        ),
        answers={200: Content(text=LINKED, kind=UserList, example=UserList(items=[_USER], next=None))},
    ),
    "POST /api/v1/users/<client_id>/networks": Description(
        tag="Administration",
        summary="Say from where a user may come",
        text="None is from anywhere. What it has open from elsewhere ends within seconds.",
        body=Content(
            text="CIDRs", kind=NetworksRequest, example=NetworksRequest(networks=["192.168.0.0/24"])
        ),
        answers={200: Content(text="the user", kind=UserRecord, example=_USER)},
        errors={404: "there is no such user", 409: "it is the caller itself"},
    ),
    "DELETE /api/v1/users/<client_id>": Description(
        tag="Administration",
        summary="Delete a user",
        text="What it has open ends within seconds; its jobs stay.",
        answers={200: Content(text="it is deleted", kind=StatusReply, example=examples.OK)},
        errors={404: "there is no such user", 409: "it is the caller itself, or the only administrator"},
    ),
}

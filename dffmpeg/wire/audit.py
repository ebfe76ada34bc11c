"""The audit trail, as answers show it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dffmpeg.model.audit import AuditEntry, AuditRequest, Value
from dffmpeg.wire import times
from dffmpeg.wire.orders import AUDIT, marked, written


class AuditRecord(msgspec.Struct, kw_only=True):
    """Something that somebody did.

    Attributes:
        id: entries are in its order.
        at: when, ISO 8601 UTC.
        actor: who: a user of the cluster, or, by `machine`, one of the coordinator's machine.
        via: `signature` or `session` for requests, `machine` for a command on the coordinator's machine.
        address: where it came from; null by `machine`.
        request_id: the same as in the coordinator's log.
        action: its area and its verb, such as `worker.drain`.
        subject: which job, worker or user; null where it is about the cluster.
        outcome: `done`; `refused` where the actor may not do that; `unclear` where it broke off.
        details: what else was said.
    """

    id: str
    at: str
    actor: str
    via: str
    address: str | None
    request_id: str | None
    action: str
    subject: str | None
    outcome: str
    details: dict[str, Value]


class AuditList(msgspec.Struct, kw_only=True):
    """GET /api/v1/audit.

    Attributes:
        items: the page, the newest entry first where it is not asked for otherwise.
        next: the `cursor` of the next page; null at the end.
    """

    items: list[AuditRecord]
    next: str | None


def audit_record(entry: AuditEntry) -> AuditRecord:
    """An entry as answers show it."""
    return AuditRecord(
        id=entry.entry_id,
        at=times.to_wire(entry.at),
        actor=entry.actor,
        via=entry.via.value,
        address=entry.address,
        request_id=entry.request_id,
        action=entry.action,
        subject=entry.subject,
        outcome=entry.outcome.value,
        details=dict(entry.details),
    )


def audit_list(entries: Sequence[AuditEntry], request: AuditRequest) -> AuditList:
    """The page that was asked for, of entries of which one more was read, to know whether there is a next."""
    page = entries[: request.limit]
    following = None
    if len(entries) > request.limit:
        following = marked(written("at", descending=request.descending), AUDIT, page[-1].entry_id)
    return AuditList(items=[audit_record(one) for one in page], next=following)

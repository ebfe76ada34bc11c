"""Users and the audit trail of the coordinator in memory."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from dffmpeg.actors.coordinator.operations import NotFound
from dffmpeg.model.audit import AuditEntry, AuditRequest
from dffmpeg.model.identities import Identity
from dffmpeg.wire.audit import AuditList, audit_list
from dffmpeg.wire.jobs import StatusReply
from dffmpeg.wire.users import UserList, UserRecord
from tests.web.memory_state import MemoryState


class MemoryTrail(MemoryState):
    """`trail` has the entries, and `broken`, if set, is raised in place of adding one."""

    def __init__(self) -> None:
        super().__init__()
        self.trail: list[AuditEntry] = []
        self.asked: list[AuditRequest] = []
        self.broken: Exception | None = None

    async def record(self, entry: AuditEntry) -> None:
        await trio.lowlevel.checkpoint()
        if self.broken is not None:
            raise self.broken
        self.trail.append(entry)
        self.change()

    async def requester_of(self, job_id: str) -> str | None:
        await trio.lowlevel.checkpoint()
        job = self.all.get(job_id)
        return None if job is None else job.record.requester_id

    async def audit(self, who: Identity, request: AuditRequest) -> AuditList:
        self.asked.append(request)
        return audit_list(self.trail[::-1][: request.limit + 1], request)

    async def users(
        self, who: Identity, *, limit: int, after: str | None, offset: int = 0, descending: bool = False
    ) -> UserList:
        return UserList(items=[], next=None)

    async def set_networks(self, who: Identity, client_id: str, networks: Sequence[str]) -> UserRecord:
        if client_id == "NONE":
            raise NotFound("there is no user NONE")
        return UserRecord(id=client_id, role="client", networks=list(networks), created_at=None)

    async def delete_user(self, who: Identity, client_id: str) -> StatusReply:
        if client_id == "NONE":
            raise NotFound("there is no user NONE")
        return StatusReply()

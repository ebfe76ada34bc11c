"""Users, and what administrators did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dffmpeg.actors.coordinator.operations.base import Base, require
from dffmpeg.actors.coordinator.refusals import Conflict, NotFound
from dffmpeg.configuration.checks.values import check_network
from dffmpeg.errors import BadInput
from dffmpeg.model.audit import AuditEntry, AuditRequest
from dffmpeg.model.identities import Identity, Role
from dffmpeg.wire import times
from dffmpeg.wire.audit import AuditList, audit_list
from dffmpeg.wire.jobs import StatusReply
from dffmpeg.wire.orders import USERS, marked, written
from dffmpeg.wire.users import UserList, UserRecord


class PeopleOperations(Base):
    """Each but `record` and `requester_of` may raise `Forbidden`: these are for administrators alone."""

    async def users(
        self, who: Identity, *, limit: int, after: str | None, offset: int = 0, descending: bool = False
    ) -> UserList:
        """A page of all users, by id.

        Args:
            after: a user's id; only those behind it, in the list's order.
            offset: how many to leave out.
            descending: the last one first.
        """
        require(who, Role.ADMIN)
        identities = self._services.store.identities
        found = await identities.page(after, limit + 1, offset=offset, descending=descending)
        page = found[:limit]
        following = None
        if len(found) > limit:
            following = marked(written("id", descending=descending), USERS, page[-1].client_id)
        return UserList(items=await self._records(page), next=following)

    async def set_networks(self, who: Identity, client_id: str, networks: Sequence[str]) -> UserRecord:
        """Say from where a user may come; what it has open from elsewhere ends within seconds.

        Raises:
            BadInput: one is no network.
            Conflict: it is the caller itself, who may be wrong about where it comes from.
            NotFound: there is no such user.
        """
        require(who, Role.ADMIN)
        if client_id == who.client_id:
            raise Conflict("one's own networks are changed with dffmpeg-admin user set-scope")
        try:
            wanted = tuple(
                check_network(f"networks[{index}]", network) for index, network in enumerate(networks)
            )
        except ValueError as error:
            raise BadInput(str(error)) from None
        if not await self._services.store.identities.set_scope(client_id, wanted):
            raise NotFound(f"there is no user {client_id}")
        found = await self._services.store.identities.look_up(client_id)
        if found is None:
            raise NotFound(f"there is no user {client_id} any more")
        return (await self._records([found]))[0]

    async def delete_user(self, who: Identity, client_id: str) -> StatusReply:
        """Delete a user; what it has open ends within seconds, its jobs stay.

        Raises:
            Conflict: it is the caller itself, or the only administrator.
            NotFound: there is no such user.
        """
        require(who, Role.ADMIN)
        if client_id == who.client_id:
            raise Conflict("nobody deletes oneself; another administrator can do it")
        identities = self._services.store.identities
        if not await identities.delete_but_last(client_id):
            if await identities.look_up(client_id) is None:
                raise NotFound(f"there is no user {client_id}")
            raise Conflict(f"{client_id} is the only administrator; add another one first")
        return StatusReply()

    async def audit(self, who: Identity, request: AuditRequest) -> AuditList:
        """A page of the audit trail."""
        require(who, Role.ADMIN)
        found = await self._services.store.audit.page(replace(request, limit=request.limit + 1))
        return audit_list(found, request)

    async def record(self, entry: AuditEntry) -> None:
        """Add an entry to the audit trail; it is durable afterwards."""
        await self._services.store.audit.add(entry)

    async def requester_of(self, job_id: str) -> str | None:
        """Whose job it is; None where there is none, or none any more."""
        job = await self._services.store.jobs.get(job_id)
        return None if job is None else job.requester_id

    async def _records(self, page: Sequence[Identity]) -> list[UserRecord]:
        store = self._services.store
        signed_in = await store.sessions.signed_in([one.client_id for one in page])
        workers = {one.worker_id: one.last_seen for one in await store.workers.list(None, abilities=False)}
        return [
            UserRecord(
                id=one.client_id,
                role=one.role.value,
                networks=list(one.allowed_networks),
                created_at=_time(one.created_at or None),
                expires_at=_time(one.expires_at),
                signed_in_at=_time(signed_in.get(one.client_id)),
                last_seen=_time(workers.get(one.client_id)),
            )
            for one in page
        ]


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else times.to_wire(seconds)

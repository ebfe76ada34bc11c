"""Memberships on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import builtins
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import sqlalchemy as sa

from dffmpeg.model.jobs import Job, Transition
from dffmpeg.model.membership import Member, MemberState
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.workers import Worker
from dffmpeg.store import ageing, schema
from dffmpeg.store.database import Database, Ear
from dffmpeg.store.errors import Fenced
from dffmpeg.store.journal import Change, JobChanged, MemberChanged, MessageStored, WorkerChanged, note
from dffmpeg.store.members import MemberRepository, Told

_m = schema.coordinators.c
_c = schema.changes.c
_THE_MEMBER = _m.coordinator_id == sa.bindparam("the_member")
_THERE = _m.state != MemberState.GONE.value
# An update, where a locking read would do on most engines: what is certified on Galera are writes only.
_RENEW = sa.update(schema.coordinators).where(_THE_MEMBER, _THERE).values(renewals=_m.renewals + 1)
_TELL = sa.insert(schema.changes)
_LIST = (
    sa.select(_m.coordinator_id, _m.address, _m.state, _m.renewals, _m.version, _m.started_at)
    .where(_THERE)
    .order_by(_m.coordinator_id)
)
# One that was stopped in the middle of a transaction holds its row until the server ends its session. Whoever
# waited for that would soon be silent itself.
_LOOK = sa.select(_m.renewals).where(_THE_MEMBER, _THERE).with_for_update(skip_locked=True)
_END = sa.update(schema.coordinators).where(_THE_MEMBER, _THERE).values(state=MemberState.GONE.value)

_QUEUE = "queue"


class SqlAlchemyMemberRepository(MemberRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def shared(self) -> bool:
        return self._database.shared

    async def join(self, member: Member) -> None:
        values = {
            "coordinator_id": member.coordinator_id,
            "address": member.address,
            "state": member.state,
            "version": member.version,
            "started_at": member.started_at,
            "renewed_at": member.started_at,
            "renewals": 0,
        }
        await self._database.execute(sa.insert(schema.coordinators), values)
        self._database.writer.accompany(_Membership(self._database, member.coordinator_id))
        await self._database.write(lambda c: note(c, MemberChanged(member.coordinator_id)))

    async def renew(self) -> None:
        await self._database.write(lambda connection: None)

    async def list(self) -> Sequence[Member]:
        rows = await self._database.read(lambda connection: connection.execute(_LIST).all())
        return [Member(*row) for row in rows]

    async def drain(self, coordinator_id: str) -> bool:
        change = (
            sa.update(schema.coordinators)
            .where(_THE_MEMBER, _m.state == MemberState.ACTIVE.value)
            .values(state=MemberState.DRAINING.value)
        )

        def operation(connection: sa.Connection) -> bool:
            if connection.execute(change, {"the_member": coordinator_id}).rowcount == 0:
                return False
            note(connection, MemberChanged(coordinator_id))
            return True

        return await self._database.write(operation)

    async def leave(self, coordinator_id: str) -> None:
        await self._database.write(lambda connection: _end(connection, coordinator_id))

    async def bury(self, member: Member) -> bool:
        the_member = {"the_member": member.coordinator_id}

        def operation(connection: sa.Connection) -> bool:
            if connection.scalar(_LOOK, the_member) != member.renewals:
                return False
            _end(connection, member.coordinator_id)
            return True

        return await self._database.write(operation)

    async def forget(self, before: float) -> int:
        old = sa.delete(schema.coordinators).where(_m.state == MemberState.GONE.value, _m.renewed_at < before)
        return await self._database.execute(old)

    def listening(self, own: str) -> AbstractAsyncContextManager[Ear]:
        return self._database.listening(own)

    async def last(self) -> int:
        query = sa.select(sa.func.max(_c.seq))
        return await self._database.read(lambda connection: connection.scalar(query)) or 0

    async def told(self, own: str, settled: int, seen: Mapping[str, int], limit: int) -> Sequence[Told]:
        query = sa.select(_c.seq, _c.coordinator_id, _c.kind, _c.subject)
        query = query.where(_c.seq > settled, _c.coordinator_id != own).order_by(_c.seq).limit(limit)
        if seen:
            behind = [(_c.coordinator_id == name) & (_c.seq > seq) for name, seq in seen.items()]
            query = query.where(sa.or_(_c.coordinator_id.not_in(seen), *behind))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Told(seq, name, _change(kind, subject)) for seq, name, kind, subject in rows]

    async def prune(self, before: float, limit: int) -> int:
        return await ageing.forget(self._database, _c.seq, _c.at, before, limit)


def _end(connection: sa.Connection, coordinator_id: str) -> None:
    connection.execute(_END, {"the_member": coordinator_id})
    note(connection, MemberChanged(coordinator_id))


class _Membership:
    """Accompanies the writer: no transaction without a membership, none that the others do not hear of."""

    def __init__(self, database: Database, coordinator_id: str) -> None:
        self._database = database
        self._id = coordinator_id

    def begin(self, connection: sa.Connection) -> None:
        renewed = {"the_member": self._id, "renewed_at": time.time()}
        if connection.execute(_RENEW, renewed).rowcount == 0:
            raise Fenced(f"coordinator {self._id} was silent for too long: the others go on without it")

    def end(self, connection: sa.Connection, changes: Sequence[Change]) -> None:
        entries = dict.fromkeys(_entry(change) for change in changes)
        if not entries:
            return
        now = time.time()
        rows: builtins.list[dict[str, object]] = [
            {"coordinator_id": self._id, "at": now, "kind": kind, "subject": subject}
            for kind, subject in entries
        ]
        connection.execute(_TELL, rows)
        self._database.ring(connection, self._id)


def _entry(change: Change) -> tuple[str, str]:
    """What others are told of a change: where to look."""
    match change:
        case Job() | Transition() | JobChanged():
            return "job", change.job_id
        case Worker() | WorkerChanged():
            return "worker", change.worker_id
        case MemberChanged():
            return "member", change.coordinator_id
        case MessageStored():
            return "message", change.recipient_id
        case Pause():
            return _QUEUE, ""


def _change(kind: str, subject: str) -> Change | None:
    match kind:
        case "job":
            return JobChanged(subject)
        case "worker":
            return WorkerChanged(subject)
        case "member":
            return MemberChanged(subject)
        case "message":
            return MessageStored(subject)
    # The queue's switch; or what a newer program tells, which is nothing to this one.
    return None

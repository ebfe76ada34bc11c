"""Jobs on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.briefs import JobBrief, ProgressBrief
from dffmpeg.model.jobs import LIVE, Attempt, Job, JobState, Transition
from dffmpeg.model.needs import Needs
from dffmpeg.model.pages import JobFilter, JobPage, PageRequest
from dffmpeg.model.progress import Progress
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.hooks.sqlalchemy import SqlAlchemyHookRepository, enqueue
from dffmpeg.store.janitor.sqlalchemy import SqlAlchemyJanitorRepository
from dffmpeg.store.jobs import Use, consequences, pages
from dffmpeg.store.jobs.aftermath import SqlAlchemyAftermath
from dffmpeg.store.jobs.lists import newest
from dffmpeg.store.jobs.rows import ONE, RAW, to_attempt, to_entry, to_job, to_row
from dffmpeg.store.jobs.transitions import apply_transition
from dffmpeg.store.journal import JobChanged, Journal, note
from dffmpeg.store.moments import at_one_moment
from dffmpeg.store.results import by_name

_j = schema.jobs.c
_a = schema.attempts.c
_PENDING = _j.state == JobState.PENDING.value
_LIVE = _j.state.in_(sorted(LIVE))
_THE_JOB = _j.job_id == sa.bindparam("the_job")
# What runs for each request is built once: building a statement costs ten times what running it does.
_ADD = sa.insert(schema.jobs)
_SEEN = sa.update(schema.jobs).where(_THE_JOB)
_HINDRANCE = sa.update(schema.jobs).where(_THE_JOB, _PENDING)
_PROGRESS = (
    sa.update(schema.jobs)
    .where(_THE_JOB, _j.attempt == sa.bindparam("the_attempt"), _LIVE)
    .values(size=sa.func.coalesce(_j.size, sa.bindparam("pixels", type_=sa.Double)))
)

_BEGUN = sa.update(schema.jobs).where(_THE_JOB, _j.attempt == sa.bindparam("the_attempt"), _LIVE)
_WORKER_OF = sa.select(_j.worker_id).where(_THE_JOB, _LIVE)
_LOADS = sa.select(_j.worker_id, sa.func.count()).where(_LIVE).group_by(_j.worker_id)
_AS_ENTRY = (
    "job_id",
    "requester_id",
    "binary_name",
    "state",
    "attempt",
    "priority",
    "created_at",
    "last_update",
    "not_before",
    "pending_timeout",
    "blocked",
    "ready_at",
    "excluded_worker",
    "size",
    "worker_id",
    "resources",
    "transport",
)
_ENTRY = sa.select(
    *(_j[name] for name in _AS_ENTRY), *(sa.type_coerce(_j[name], sa.Text).label(name) for name in RAW)
)
_QUEUE = (
    _ENTRY.where(_PENDING).order_by(_j.created_at, _j.job_id).limit(sa.bindparam("limit", type_=sa.Integer))
)
_QUEUE_AFTER = _QUEUE.where(
    (_j.created_at > sa.bindparam("after_time"))
    | ((_j.created_at == sa.bindparam("after_time")) & (_j.job_id > sa.bindparam("after_id")))
)
_USES = (
    sa.select(_j.requester_id, _j.priority, _a.assigned_at, _a.ended_at)
    .join(schema.attempts, _a.job_id == _j.job_id)
    .where(_j.last_update >= sa.bindparam("since", type_=sa.Double))
    .order_by(_j.last_update.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)

_BY_KEY = sa.select(schema.jobs).where(
    _j.requester_id == sa.bindparam("requester"), _j.idempotency_key == sa.bindparam("key")
)

_BRIEFS = sa.select(*(_j[one.name] for one in fields(JobBrief))).where(
    _j.job_id.in_(sa.bindparam("ids", expanding=True))
)

_FAR = sa.select(*(_j[one.name] for one in fields(ProgressBrief))).where(
    _j.job_id.in_(sa.bindparam("ids", expanding=True)),
    _j.state.in_([JobState.RUNNING, JobState.CANCELING]),
    _j.progress.is_not(None),
)


class SqlAlchemyJobRepository(SqlAlchemyAftermath):
    def __init__(self, database: Database) -> None:
        self.database = database
        self._janitor = SqlAlchemyJanitorRepository(database)
        self._hooks = SqlAlchemyHookRepository(database)

    @property
    def janitor(self) -> SqlAlchemyJanitorRepository:
        return self._janitor

    @property
    def hooks(self) -> SqlAlchemyHookRepository:
        return self._hooks

    @property
    def journal(self) -> Journal:
        return self.database.journal

    async def add(self, job: Job) -> Job:
        return await self.database.write(lambda connection: _add(connection, job))

    async def submitted(self, job: Job) -> Job | None:
        def query(connection: sa.Connection) -> Job | None:
            return _earlier(connection, job) or _find(connection, job.job_id)

        return await self.database.read(query)

    @staticmethod
    def job_of(row: Mapping[str, Any]) -> Job:
        return to_job(row)

    async def get(self, job_id: str) -> Job | None:
        found = await self._select(ONE, {"the_job": job_id})
        return found[0] if found else None

    async def list(
        self,
        *,
        requester_id: str | None,
        since: float | None,
        states: Collection[JobState] | None,
        limit: int,
        before_id: str | None,
        labels: Collection[str] = (),
        name: str | None = None,
    ) -> Sequence[Job]:
        wanted = JobFilter(
            states=None if states is None else frozenset(states),
            requester_id=requester_id,
            labels=tuple(labels),
            name=name,
        )
        return await self.database.read(
            at_one_moment(partial(newest, wanted=wanted, since=since, limit=limit, before_id=before_id))
        )

    async def queue(self, limit: int, *, after: Entry | None = None) -> Sequence[Entry]:
        parameters: dict[str, Any] = {"limit": limit}
        if after is not None:
            parameters |= {"after_time": after.created_at, "after_id": after.job_id}
        return await self._entries(_QUEUE if after is None else _QUEUE_AFTER, parameters)

    async def live_entries(self, worker_id: str | None = None) -> Sequence[Entry]:
        query = _ENTRY.where(_LIVE)
        return await self._entries(query if worker_id is None else query.where(_j.worker_id == worker_id))

    async def entries(self, job_ids: Collection[str]) -> Sequence[Entry]:
        found: builtins.list[Entry] = []
        wanted = sorted(job_ids)
        for start in range(0, len(wanted), pages.AT_ONCE):
            found += await self._entries(_ENTRY.where(_j.job_id.in_(wanted[start : start + pages.AT_ONCE])))
        return found

    async def _entries(
        self, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> builtins.list[Entry]:
        return await self.database.read(
            lambda c: [to_entry(row) for row in by_name(c.execute(query, parameters))]
        )

    async def uses(self, since: float, limit: int) -> Sequence[Use]:
        parameters = {"since": since, "limit": limit}
        rows = await self.database.read(lambda c: c.execute(_USES, parameters).all())
        return [Use(*row) for row in rows]

    async def loads(self) -> Mapping[str, int]:
        return await self.database.read(_loads)

    async def live(self, worker_id: str | None = None) -> Sequence[Job]:
        query = sa.select(schema.jobs).where(_LIVE)
        if worker_id is not None:
            query = query.where(_j.worker_id == worker_id)
        return await self._select(query)

    async def worker_of(self, job_id: str) -> str | None:
        return await self.database.read(lambda connection: connection.scalar(_WORKER_OF, {"the_job": job_id}))

    async def apply(self, transition: Transition) -> bool:
        return await self.database.write(lambda connection: apply_transition(connection, transition))

    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        query = sa.select(schema.attempts).where(_a.job_id == job_id).order_by(_a.attempt)
        return await self.database.read(lambda c: [to_attempt(row) for row in by_name(c.execute(query))])

    async def set_priority(self, job_id: str, priority: int, *, expected: int, now: float) -> bool:
        change = (
            sa.update(schema.jobs)
            .where(_j.job_id == job_id, _PENDING, _j.priority == expected)
            .values(priority=priority, last_update=now)
        )

        def operation(connection: sa.Connection) -> bool:
            if connection.execute(change).rowcount == 0:
                return False
            note(connection, JobChanged(job_id))
            return True

        return await self.database.write(operation)

    async def seen_by_client(self, job_id: str, now: float) -> None:
        await self.database.execute(_SEEN, {"the_job": job_id, "client_last_seen": now})

    async def hindered(self) -> Mapping[str, str]:
        query = sa.select(_j.job_id, _j.hindrance).where(_PENDING, _j.hindrance.is_not(None))
        rows = await self.database.read(lambda c: c.execute(query).all())
        return {row.job_id: row.hindrance for row in rows}

    async def ease(self, job_id: str, needs: Needs) -> None:
        change = sa.update(schema.jobs).where(_j.job_id == job_id, _PENDING)
        change = change.values(needs=needs, hindrance=None)

        def operation(connection: sa.Connection) -> None:
            connection.execute(change)
            note(connection, JobChanged(job_id))

        await self.database.write(operation)

    async def set_hindrance(self, job_id: str, hindrance: str | None) -> None:
        await self.database.execute(_HINDRANCE, {"the_job": job_id, "hindrance": hindrance})

    async def note_begun(self, job_id: str, attempt: int, begun: Mapping[bytes, int]) -> None:
        await self.database.execute(_BEGUN, {"the_job": job_id, "the_attempt": attempt, "begun": begun})

    async def note_progress(self, job_id: str, attempt: int, progress: Progress) -> None:
        values = {"the_job": job_id, "the_attempt": attempt, "progress": progress, "pixels": progress.pixels}
        await self.database.execute(_PROGRESS, values)

    async def counts(self, states: Collection[JobState] | None = None) -> Mapping[JobState, int]:
        query = sa.select(_j.state, sa.func.count()).group_by(_j.state)
        if states is not None:
            query = query.where(_j.state.in_(sorted(states)))
        rows = await self.database.read(lambda c: c.execute(query).all())
        return {JobState(state): int(number) for state, number in rows}

    async def page(self, request: PageRequest) -> JobPage:
        return await self.database.read(at_one_moment(partial(pages.page, request=request)))

    async def briefs(self, job_ids: Collection[str]) -> Sequence[JobBrief]:
        found: builtins.list[JobBrief] = []
        wanted = sorted(job_ids)
        for start in range(0, len(wanted), pages.AT_ONCE):
            ids = {"ids": wanted[start : start + pages.AT_ONCE]}
            found += await self.database.read(partial(_briefs, ids))
        return found

    async def progress(self, job_ids: Collection[str]) -> Sequence[ProgressBrief]:
        found: builtins.list[ProgressBrief] = []
        wanted = sorted(job_ids)
        for start in range(0, len(wanted), pages.AT_ONCE):
            ids = {"ids": wanted[start : start + pages.AT_ONCE]}
            found += await self.database.read(partial(_progress, ids))
        return found

    async def depth(self, states: Collection[JobState]) -> Mapping[tuple[JobState, int], int]:
        query = sa.select(_j.state, _j.priority, sa.func.count()).where(_j.state.in_(sorted(states)))
        rows = await self.database.read(lambda c: c.execute(query.group_by(_j.state, _j.priority)).all())
        return {(JobState(state), priority): int(number) for state, priority, number in rows}

    async def _select(
        self, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> builtins.list[Job]:
        return await self.database.read(lambda connection: _jobs(connection, query, parameters))


def _briefs(ids: Mapping[str, Any], connection: sa.Connection) -> builtins.list[JobBrief]:
    rows = by_name(connection.execute(_BRIEFS, ids))
    return [JobBrief(**{**row, "state": JobState(row["state"])}) for row in rows]


def _progress(ids: Mapping[str, Any], connection: sa.Connection) -> builtins.list[ProgressBrief]:
    return [ProgressBrief(**row) for row in by_name(connection.execute(_FAR, ids))]


def _jobs(
    connection: sa.Connection, query: sa.Select[Any], parameters: Mapping[str, Any] | None
) -> builtins.list[Job]:
    return [to_job(row) for row in by_name(connection.execute(query, parameters))]


def _find(connection: sa.Connection, job_id: str) -> Job | None:
    found = _jobs(connection, ONE, {"the_job": job_id})
    return found[0] if found else None


def _earlier(connection: sa.Connection, job: Job) -> Job | None:
    """The requester's job with the same idempotency key."""
    if job.idempotency_key is None:
        return None
    the_key = {"requester": job.requester_id, "key": job.idempotency_key}
    found = _jobs(connection, _BY_KEY, the_key)
    return found[0] if found else None


def _add(connection: sa.Connection, job: Job) -> Job:
    # Looked up first: where the key's index complains, all that share the transaction begin anew.
    earlier = _earlier(connection, job)
    if earlier is not None:
        return earlier
    entered = consequences.admit(connection, job)
    connection.execute(_ADD, to_row(entered))
    enqueue(connection, entered, entered.created_at)
    note(connection, entered)
    return entered


def _loads(connection: sa.Connection) -> dict[str, int]:
    return {worker_id: int(number) for worker_id, number in connection.execute(_LOADS)}

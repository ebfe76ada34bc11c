"""Jobs on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.jobs import LIVE, TERMINAL, Attempt, AttemptOutcome, Job, JobState, Transition
from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.encoding import dump, load_map, load_names, pack, unpack_list, unpack_map
from dffmpeg.store.jobs import JobRepository, Outlook
from dffmpeg.store.journal import JobChanged, Journal, note

_j = schema.jobs.c
_PENDING = _j.state == JobState.PENDING.value
_LIVE = _j.state.in_(sorted(LIVE))
_DEADLINE = _j.created_at + _j.pending_timeout

# What runs for each request is built once: building a statement costs ten times what running it does.
_a = schema.attempts.c
_THE_JOB = _j.job_id == sa.bindparam("the_job")
_ADD = sa.insert(schema.jobs)
_GET = sa.select(schema.jobs).where(_THE_JOB)
_SEEN = sa.update(schema.jobs).where(_THE_JOB)
_OPEN = sa.insert(schema.attempts)
_RECORD = sa.update(schema.attempts).where(
    _a.job_id == sa.bindparam("the_job"), _a.attempt == sa.bindparam("the_attempt")
)

_NOW = sa.bindparam("now", type_=sa.Double)
_LOADS = sa.select(_j.worker_id, sa.func.count()).where(_LIVE).group_by(_j.worker_id)
_ELIGIBLE = (
    sa.select(schema.jobs)
    .where(_PENDING, sa.or_(_j.not_before.is_(None), _j.not_before <= _NOW))
    .order_by(_j.created_at, _j.job_id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_ELIGIBLE_AFTER = _ELIGIBLE.where(
    (_j.created_at > sa.bindparam("after_time"))
    | ((_j.created_at == sa.bindparam("after_time")) & (_j.job_id > sa.bindparam("after_id")))
)
_NEXT_MOMENTS = (
    sa.select(sa.func.min(_j.not_before)).where(_PENDING, _j.not_before > _NOW),
    sa.select(sa.func.min(_DEADLINE)).where(_PENDING, _DEADLINE > _NOW),
)

ATTEMPT_RESULTS = ("exit_code", "signal", "reason")
"""What an attempt's row takes over from a transition's changes."""


class SqlAlchemyJobRepository(JobRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def journal(self) -> Journal:
        return self._database.journal

    async def add(self, job: Job) -> None:
        row = _to_row(job)

        def operation(connection: sa.Connection) -> None:
            connection.execute(_ADD, row)
            note(connection, job)

        await self._database.write(operation)

    async def get(self, job_id: str) -> Job | None:
        found = await self._select(_GET, {"the_job": job_id})
        return found[0] if found else None

    async def list(
        self,
        *,
        requester_id: str | None,
        since: float | None,
        states: Collection[JobState] | None,
        limit: int,
        before_id: str | None,
    ) -> Sequence[Job]:
        query = sa.select(schema.jobs).order_by(_j.created_at.desc(), _j.job_id.desc()).limit(limit)
        if requester_id is not None:
            query = query.where(_j.requester_id == requester_id)
        if since is not None:
            query = query.where(_j.state.not_in(sorted(TERMINAL)) | (_j.last_update >= since))
        if states is not None:
            query = query.where(_j.state.in_(sorted(states)))
        if before_id is not None:
            other = schema.jobs.alias()
            place = sa.select(other.c.created_at).where(other.c.job_id == before_id).scalar_subquery()
            query = query.where(
                (_j.created_at < place) | ((_j.created_at == place) & (_j.job_id < before_id))
            )
        return await self._select(query)

    async def outlook(
        self, now: float, slots: Mapping[str, int], limit: int, *, after: Job | None = None
    ) -> Outlook:
        def query(connection: sa.Connection) -> tuple[dict[str, int], Sequence[sa.RowMapping], float | None]:
            loads = _loads(connection)
            free = any(loads.get(worker_id, 0) < count for worker_id, count in slots.items())
            rows = _pending(connection, now, limit, after) if free else []
            moments = [connection.scalar(statement, {"now": now}) for statement in _NEXT_MOMENTS]
            return loads, rows, min((moment for moment in moments if moment is not None), default=None)

        loads, rows, moment = await self._database.read(query)
        return Outlook(loads, [_to_job(row) for row in rows], moment)

    async def loads(self) -> Mapping[str, int]:
        return await self._database.read(_loads)

    async def expired(self, now: float) -> Sequence[Job]:
        return await self._select(sa.select(schema.jobs).where(_PENDING, now >= _DEADLINE).limit(1000))

    async def live(self, worker_id: str | None = None) -> Sequence[Job]:
        query = sa.select(schema.jobs).where(_LIVE)
        if worker_id is not None:
            query = query.where(_j.worker_id == worker_id)
        return await self._select(query)

    async def apply(self, transition: Transition) -> bool:
        return await self._database.write(lambda connection: _apply(connection, transition))

    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        query = sa.select(schema.attempts).where(_a.job_id == job_id).order_by(_a.attempt)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [_to_attempt(row) for row in rows]

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

        return await self._database.write(operation)

    async def delete(self, job_id: str) -> bool:
        def operation(connection: sa.Connection) -> bool:
            ended = sa.delete(schema.jobs).where(_j.job_id == job_id, _j.state.in_(sorted(TERMINAL)))
            if connection.execute(ended).rowcount == 0:
                return False
            connection.execute(sa.delete(schema.attempts).where(_a.job_id == job_id))
            return True

        return await self._database.write(operation)

    async def seen_by_client(self, job_id: str, now: float) -> None:
        await self._database.execute(_SEEN, {"the_job": job_id, "client_last_seen": now})

    async def counts(self) -> Mapping[JobState, int]:
        query = sa.select(_j.state, sa.func.count()).group_by(_j.state)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return {JobState(state): int(number) for state, number in rows}

    async def _select(
        self, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> builtins.list[Job]:
        rows = await self._database.read(lambda c: c.execute(query, parameters).mappings().all())
        return [_to_job(row) for row in rows]


def _loads(connection: sa.Connection) -> dict[str, int]:
    return {worker_id: int(number) for worker_id, number in connection.execute(_LOADS)}


def _pending(connection: sa.Connection, now: float, limit: int, after: Job | None) -> Sequence[sa.RowMapping]:
    parameters: dict[str, Any] = {"now": now, "limit": limit}
    if after is not None:
        parameters |= {"after_time": after.created_at, "after_id": after.job_id}
    statement = _ELIGIBLE if after is None else _ELIGIBLE_AFTER
    return connection.execute(statement, parameters).mappings().all()


@lru_cache(maxsize=64)
def _compare_and_set(sources: frozenset[JobState], by_attempt: bool, by_worker: bool) -> sa.Update:
    """The update of a row that still fits; the columns that it sets are those of its other parameters."""
    fits = [_THE_JOB, _j.state.in_(sorted(sources))]
    if by_attempt:
        fits.append(_j.attempt == sa.bindparam("the_attempt"))
    if by_worker:
        fits.append(_j.worker_id == sa.bindparam("the_worker"))
    return sa.update(schema.jobs).where(*fits)


def _apply(connection: sa.Connection, transition: Transition) -> bool:
    by_attempt, by_worker = transition.fence_attempt is not None, transition.fence_worker is not None
    values = {**transition.columns, "state": transition.target.value, "the_job": transition.job_id}
    if by_attempt:
        values["the_attempt"] = transition.fence_attempt
    if by_worker:
        values["the_worker"] = transition.fence_worker
    change = _compare_and_set(transition.sources, by_attempt, by_worker)
    if connection.execute(change, values).rowcount != 1:
        return False
    _record_attempt(connection, transition)
    note(connection, transition)
    return True


def _record_attempt(connection: sa.Connection, transition: Transition) -> None:
    """The attempt's row follows the job's, in the same transaction."""
    if transition.opens is not None:
        opened = transition.opens
        connection.execute(
            _OPEN,
            {
                "job_id": opened.job_id,
                "attempt": opened.attempt,
                "worker_id": opened.worker_id,
                "assigned_at": opened.assigned_at,
                "substitutions": opened.substitutions,
            },
        )
        return
    values: dict[str, Any] = {}
    if transition.starts:
        values["started_at"] = transition.now
    if transition.closes is not None:
        values |= {"ended_at": transition.now, "outcome": transition.closes.value}
        values |= {key: transition.changes[key] for key in ATTEMPT_RESULTS if key in transition.changes}
    if values:
        values |= {"the_job": transition.job_id, "the_attempt": transition.fence_attempt}
        connection.execute(_RECORD, values)


_AS_THEY_ARE = (
    "name",
    "labels",
    "priority",
    "needs",
    "rules",
    "predecessors",
    "blocked",
    "idempotency_key",
    "losses",
    "ended_at",
    "size",
    "resources",
    "hindrance",
    "progress",
    "retry_of",
)


def _to_row(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "requester_id": job.requester_id,
        "binary_name": job.binary_name,
        "arguments": pack(job.arguments),
        "paths": dump(job.paths),
        "working_directory": job.working_directory,
        "client_paths": pack(dict(job.client_paths)),
        "state": job.state.value,
        "attempt": job.attempt,
        "worker_id": job.worker_id,
        "exit_code": job.exit_code,
        "signal": job.signal,
        "reason": job.reason,
        "monitor": job.monitor,
        "heartbeat_interval": job.heartbeat_interval,
        "transport": job.transport,
        "transport_metadata": dump(dict(job.transport_metadata)),
        "supported_transports": dump(job.supported_transports),
        "pending_timeout": job.pending_timeout,
        "max_attempts": job.max_attempts,
        "not_before": job.not_before,
        "created_at": job.created_at,
        "last_update": job.last_update,
        "worker_last_seen": job.worker_last_seen,
        "client_last_seen": job.client_last_seen,
        "excluded_worker": job.excluded_worker,
        "launch": job.launch,
        **{name: getattr(job, name) for name in _AS_THEY_ARE},
    }


def _to_job(row: sa.RowMapping) -> Job:
    values = dict(row)
    values["arguments"] = unpack_list(values["arguments"])
    values["client_paths"] = unpack_map(values["client_paths"])
    values["paths"] = load_names(values["paths"])
    values["supported_transports"] = load_names(values["supported_transports"])
    values["transport_metadata"] = load_map(values["transport_metadata"])
    values["state"] = JobState(values["state"])
    return Job(**values)


def _to_attempt(row: sa.RowMapping) -> Attempt:
    values = dict(row)
    values["outcome"] = None if values["outcome"] is None else AttemptOutcome(values["outcome"])
    return Attempt(**values)

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
from dffmpeg.store.hooks.sqlalchemy import SqlAlchemyHookRepository, enqueue
from dffmpeg.store.janitor.sqlalchemy import SqlAlchemyJanitorRepository
from dffmpeg.store.jobs import Doomed, JobRepository, Outlook, consequences
from dffmpeg.store.journal import JobChanged, Journal, note

_j = schema.jobs.c
_PENDING = _j.state == JobState.PENDING.value
_LIVE = _j.state.in_(sorted(LIVE))
_FREE = _j.blocked == 0
# A job that waits for its predecessors, or for its start, does not wait for a worker yet.
_DEADLINE = sa.func.coalesce(_j.ready_at, _j.created_at) + _j.pending_timeout

# What runs for each request is built once: building a statement costs ten times what running it does.
_a = schema.attempts.c
_THE_JOB = _j.job_id == sa.bindparam("the_job")
_ADD = sa.insert(schema.jobs)
_GET = sa.select(schema.jobs).where(_THE_JOB)
_SEEN = sa.update(schema.jobs).where(_THE_JOB)
_HINDRANCE = sa.update(schema.jobs).where(_THE_JOB, _PENDING)
_OPEN = sa.insert(schema.attempts)
_RECORD = sa.update(schema.attempts).where(
    _a.job_id == sa.bindparam("the_job"), _a.attempt == sa.bindparam("the_attempt")
)

_NOW = sa.bindparam("now", type_=sa.Double)
_LOADS = sa.select(_j.worker_id, sa.func.count()).where(_LIVE).group_by(_j.worker_id)
_ELIGIBLE = (
    sa.select(schema.jobs)
    .where(_PENDING, _FREE, sa.or_(_j.not_before.is_(None), _j.not_before <= _NOW))
    .order_by(_j.created_at, _j.job_id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_ELIGIBLE_AFTER = _ELIGIBLE.where(
    (_j.created_at > sa.bindparam("after_time"))
    | ((_j.created_at == sa.bindparam("after_time")) & (_j.job_id > sa.bindparam("after_id")))
)
_NEXT_MOMENTS = (
    sa.select(sa.func.min(_j.not_before)).where(_PENDING, _FREE, _j.not_before > _NOW),
    sa.select(sa.func.min(_DEADLINE)).where(_PENDING, _FREE, _DEADLINE > _NOW),
)

_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_BY_KEY = sa.select(schema.jobs).where(
    _j.requester_id == sa.bindparam("requester"), _j.idempotency_key == sa.bindparam("key")
)
_p = schema.job_predecessors.c
_DOOMED = (
    sa.select(schema.jobs, _p.predecessor_id, _p.outcome)
    .join_from(schema.job_predecessors, schema.jobs, _j.job_id == _p.job_id)
    .where(_p.outcome.is_not(None), _PENDING)
    .limit(_LIMIT)
)
# Who was promised a call of a hook gets it first.
_h = schema.hook_calls.c
_TOLD = ~sa.select(_h.seq).where(_h.job_id == _j.job_id, _h.due_at.is_not(None)).exists()
_ENDED = _j.state.in_(sorted(TERMINAL))
_EXPIRED = (
    sa.select(_j.job_id).where(_j.expires_at <= _NOW, _ENDED, _TOLD).order_by(_j.expires_at).limit(_LIMIT)
)
_OLD = (
    sa.select(_j.job_id)
    .where(_j.ended_at <= sa.bindparam("before", type_=sa.Double), _j.expires_at.is_(None), _ENDED, _TOLD)
    .order_by(_j.ended_at)
    .limit(_LIMIT)
)

ATTEMPT_RESULTS = ("exit_code", "signal", "reason")
"""What an attempt's row takes over from a transition's changes."""


class SqlAlchemyJobRepository(JobRepository):
    def __init__(self, database: Database) -> None:
        self.database = database
        self._janitor = SqlAlchemyJanitorRepository(database)
        self._hooks = SqlAlchemyHookRepository(database)

    @property
    def journal(self) -> Journal:
        return self.database.journal

    @property
    def janitor(self) -> SqlAlchemyJanitorRepository:
        return self._janitor

    @property
    def hooks(self) -> SqlAlchemyHookRepository:
        return self._hooks

    async def add(self, job: Job) -> Job:
        return await self.database.write(lambda connection: _add(connection, job))

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
        labels: Collection[str] = (),
        name: str | None = None,
    ) -> Sequence[Job]:
        query = sa.select(schema.jobs).order_by(_j.created_at.desc(), _j.job_id.desc()).limit(limit)
        if requester_id is not None:
            query = query.where(_j.requester_id == requester_id)
        if since is not None:
            query = query.where(_j.state.not_in(sorted(TERMINAL)) | (_j.last_update >= since))
        if states is not None:
            query = query.where(_j.state.in_(sorted(states)))
        for label in labels:
            # As text, where each stands in quotation marks; none can hold one.
            query = query.where(sa.type_coerce(_j.labels, sa.Text).icontains(f'"{label}"', autoescape=True))
        if name is not None:
            query = query.where(_j.name.ilike(_pattern(name), escape=ESCAPE))
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

        loads, rows, moment = await self.database.read(query)
        return Outlook(loads, [_to_job(row) for row in rows], moment)

    async def loads(self) -> Mapping[str, int]:
        return await self.database.read(_loads)

    async def expired(self, now: float) -> Sequence[Job]:
        return await self._select(sa.select(schema.jobs).where(_PENDING, _FREE, now >= _DEADLINE).limit(1000))

    async def live(self, worker_id: str | None = None) -> Sequence[Job]:
        query = sa.select(schema.jobs).where(_LIVE)
        if worker_id is not None:
            query = query.where(_j.worker_id == worker_id)
        return await self._select(query)

    async def apply(self, transition: Transition) -> bool:
        return await self.database.write(lambda connection: apply_transition(connection, transition))

    async def doomed(self, limit: int) -> Sequence[Doomed]:
        rows = await self.database.read(lambda c: c.execute(_DOOMED, {"limit": limit}).mappings().all())
        return [_to_doomed(row) for row in rows]

    async def heal(self, now: float, limit: int) -> int:
        ended, miscounted = await self.database.read(lambda c: consequences.inconsistencies(c, limit))
        if ended or miscounted:
            await self.database.write(lambda c: consequences.repair(c, ended, miscounted, now))
        return len(ended) + len(miscounted)

    async def old(self, ended_before: float | None, now: float, limit: int) -> Sequence[str]:
        def query(connection: sa.Connection) -> builtins.list[str]:
            found = list(connection.scalars(_EXPIRED, {"now": now, "limit": limit}))
            if ended_before is not None:
                found += connection.scalars(_OLD, {"before": ended_before, "limit": limit})
            return found[:limit]

        return await self.database.read(query)

    async def outdated(self, job_ids: Collection[str], ended_before: float) -> Collection[str]:
        def query(connection: sa.Connection) -> Collection[str]:
            kept = sa.select(_j.job_id).where(
                _j.job_id.in_(job_ids),
                _j.ended_at.is_(None) | (_j.ended_at > ended_before) | _j.expires_at.is_not(None),
            )
            return set(job_ids) - set(connection.scalars(kept))

        return await self.database.read(query)

    async def delete(self, job_id: str) -> bool:
        return await self.database.write(lambda connection: _delete(connection, job_id))

    async def attempts(self, job_id: str) -> Sequence[Attempt]:
        query = sa.select(schema.attempts).where(_a.job_id == job_id).order_by(_a.attempt)
        rows = await self.database.read(lambda c: c.execute(query).mappings().all())
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

        return await self.database.write(operation)

    async def seen_by_client(self, job_id: str, now: float) -> None:
        await self.database.execute(_SEEN, {"the_job": job_id, "client_last_seen": now})

    async def set_hindrance(self, job_id: str, hindrance: str | None) -> None:
        await self.database.execute(_HINDRANCE, {"the_job": job_id, "hindrance": hindrance})

    async def counts(self) -> Mapping[JobState, int]:
        query = sa.select(_j.state, sa.func.count()).group_by(_j.state)
        rows = await self.database.read(lambda c: c.execute(query).all())
        return {JobState(state): int(number) for state, number in rows}

    async def _select(
        self, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> builtins.list[Job]:
        rows = await self.database.read(lambda c: c.execute(query, parameters).mappings().all())
        return [_to_job(row) for row in rows]


ESCAPE = "/"


def _pattern(name: str) -> str:
    for special in (ESCAPE, "%", "_"):
        name = name.replace(special, ESCAPE + special)
    return name.replace("*", "%")


def _load(connection: sa.Connection, job_id: str) -> Job:
    return _to_job(connection.execute(_GET, {"the_job": job_id}).mappings().one())


def _add(connection: sa.Connection, job: Job) -> Job:
    if job.idempotency_key is not None:
        # Looked up first: where the key's index complains, all that share the transaction begin anew.
        the_key = {"requester": job.requester_id, "key": job.idempotency_key}
        earlier = connection.execute(_BY_KEY, the_key).mappings().one_or_none()
        if earlier is not None:
            return _to_job(earlier)
    entered = consequences.admit(connection, job)
    connection.execute(_ADD, _to_row(entered))
    enqueue(connection, entered, entered.created_at)
    note(connection, entered)
    return entered


def _delete(connection: sa.Connection, job_id: str) -> bool:
    ended = sa.delete(schema.jobs).where(_j.job_id == job_id, _j.state.in_(sorted(TERMINAL)))
    if connection.execute(ended).rowcount == 0:
        return False
    for table in (schema.attempts, schema.hook_calls, schema.job_predecessors):
        connection.execute(sa.delete(table).where(table.c.job_id == job_id))
    return True


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


def apply_transition(connection: sa.Connection, transition: Transition) -> bool:
    """`JobRepository.apply`, in a transaction."""
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
    consequences.follow(connection, transition, lambda: _load(connection, transition.job_id))
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
        if "substitutions" in transition.changes:
            values["substitutions"] = transition.changes["substitutions"]
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
    "ready_at",
    "ended_at",
    "expires_at",
    "size",
    "resources",
    "substitutions",
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


def _to_job(row: sa.RowMapping | Mapping[str, Any]) -> Job:
    values = dict(row)
    values["arguments"] = unpack_list(values["arguments"])
    values["client_paths"] = unpack_map(values["client_paths"])
    values["paths"] = load_names(values["paths"])
    values["supported_transports"] = load_names(values["supported_transports"])
    values["transport_metadata"] = load_map(values["transport_metadata"])
    values["state"] = JobState(values["state"])
    return Job(**values)


def _to_doomed(row: sa.RowMapping) -> Doomed:
    values = dict(row)
    predecessor_id, outcome = values.pop("predecessor_id"), JobState(values.pop("outcome"))
    return Doomed(_to_job(values), predecessor_id, outcome)


def _to_attempt(row: sa.RowMapping) -> Attempt:
    values = dict(row)
    values["outcome"] = None if values["outcome"] is None else AttemptOutcome(values["outcome"])
    return Attempt(**values)

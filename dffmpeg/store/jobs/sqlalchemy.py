"""Jobs on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from dffmpeg.model.jobs import LIVE, TERMINAL, Attempt, AttemptOutcome, Job, JobState, Room, Transition
from dffmpeg.model.needs import Needs
from dffmpeg.model.progress import Progress
from dffmpeg.model.scheduling.capacity import short_of, taken
from dffmpeg.model.scheduling.entries import Entry, Shape
from dffmpeg.model.workers import WorkerState
from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.encoding import dump, load_map, load_names, pack, unpack_list, unpack_map
from dffmpeg.store.hooks.sqlalchemy import SqlAlchemyHookRepository, enqueue
from dffmpeg.store.janitor.sqlalchemy import SqlAlchemyJanitorRepository
from dffmpeg.store.jobs import Use, consequences
from dffmpeg.store.jobs.aftermath import SqlAlchemyAftermath
from dffmpeg.store.journal import JobChanged, Journal, note

_j = schema.jobs.c
_PENDING = _j.state == JobState.PENDING.value
_LIVE = _j.state.in_(sorted(LIVE))

# What runs for each request is built once: building a statement costs ten times what running it does.
_a = schema.attempts.c
_THE_JOB = _j.job_id == sa.bindparam("the_job")
_ADD = sa.insert(schema.jobs)
_GET = sa.select(schema.jobs).where(_THE_JOB)
_SEEN = sa.update(schema.jobs).where(_THE_JOB)
_HINDRANCE = sa.update(schema.jobs).where(_THE_JOB, _PENDING)
_PROGRESS = (
    sa.update(schema.jobs)
    .where(_THE_JOB, _j.attempt == sa.bindparam("the_attempt"), _LIVE)
    .values(size=sa.func.coalesce(_j.size, sa.bindparam("pixels", type_=sa.Double)))
)
_OPEN = sa.insert(schema.attempts)
_RECORD = sa.update(schema.attempts).where(
    _a.job_id == sa.bindparam("the_job"), _a.attempt == sa.bindparam("the_attempt")
)

_LOADS = sa.select(_j.worker_id, sa.func.count()).where(_LIVE).group_by(_j.worker_id)

_w = schema.workers.c
# Locked, where other transactions could run beside this one.
_WORKER = (
    sa.select(_w.slots, _w.resources, _w.state, _w.hold)
    .where(_w.worker_id == sa.bindparam("the_worker"))
    .with_for_update()
)
_CHARGES = sa.select(_j.resources).where(_j.worker_id == sa.bindparam("the_worker"), _LIVE)

# Names and needs as text: most jobs have the same, which are decoded once.
_RAW = ("paths", "labels", "needs")
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
    *(_j[name] for name in _AS_ENTRY), *(sa.type_coerce(_j[name], sa.Text).label(name) for name in _RAW)
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

_AT_ONCE = 500
"""Ids in one question."""

ATTEMPT_RESULTS = ("exit_code", "signal", "reason")
"""What an attempt's row takes over from a transition's changes."""


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
        return _to_job(row)

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
        for start in range(0, len(wanted), _AT_ONCE):
            found += await self._entries(_ENTRY.where(_j.job_id.in_(wanted[start : start + _AT_ONCE])))
        return found

    async def _entries(
        self, query: sa.Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> builtins.list[Entry]:
        return await self.database.read(
            lambda c: [_to_entry(row) for row in c.execute(query, parameters).mappings()]
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

    async def apply(self, transition: Transition) -> bool:
        return await self.database.write(lambda connection: apply_transition(connection, transition))

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

    async def note_progress(self, job_id: str, attempt: int, progress: Progress) -> None:
        values = {"the_job": job_id, "the_attempt": attempt, "progress": progress, "pixels": progress.pixels}
        await self.database.execute(_PROGRESS, values)

    async def counts(self, states: Collection[JobState] | None = None) -> Mapping[JobState, int]:
        query = sa.select(_j.state, sa.func.count()).group_by(_j.state)
        if states is not None:
            query = query.where(_j.state.in_(sorted(states)))
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


def _find(connection: sa.Connection, job_id: str) -> Job | None:
    row = connection.execute(_GET, {"the_job": job_id}).mappings().one_or_none()
    return None if row is None else _to_job(row)


def _earlier(connection: sa.Connection, job: Job) -> Job | None:
    """The requester's job with the same idempotency key."""
    if job.idempotency_key is None:
        return None
    the_key = {"requester": job.requester_id, "key": job.idempotency_key}
    row = connection.execute(_BY_KEY, the_key).mappings().one_or_none()
    return None if row is None else _to_job(row)


def _load(connection: sa.Connection, job_id: str) -> Job:
    return _to_job(connection.execute(_GET, {"the_job": job_id}).mappings().one())


def _add(connection: sa.Connection, job: Job) -> Job:
    # Looked up first: where the key's index complains, all that share the transaction begin anew.
    earlier = _earlier(connection, job)
    if earlier is not None:
        return earlier
    entered = consequences.admit(connection, job)
    connection.execute(_ADD, _to_row(entered))
    enqueue(connection, entered, entered.created_at)
    note(connection, entered)
    return entered


def _loads(connection: sa.Connection) -> dict[str, int]:
    return {worker_id: int(number) for worker_id, number in connection.execute(_LOADS)}


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
    if transition.room is not None and not _has_room(connection, transition, transition.room):
        return False
    change = _compare_and_set(transition.sources, by_attempt, by_worker)
    if connection.execute(change, values).rowcount != 1:
        return False
    _record_attempt(connection, transition)
    note(connection, transition)
    consequences.follow(connection, transition, lambda: _load(connection, transition.job_id))
    return True


def _has_room(connection: sa.Connection, assignment: Transition, room: Room) -> bool:
    """Whether the worker of an assignment takes it. Whoever writes is alone, so that this is still so when
    the assignment is made."""
    changes = assignment.changes
    the_worker = {"the_worker": changes["worker_id"]}
    worker = connection.execute(_WORKER, the_worker).one_or_none()
    if worker is None or worker.state != WorkerState.ONLINE.value or worker.hold is not None:
        return False
    charges = [charge for (charge,) in connection.execute(_CHARGES, the_worker)]
    slots = min(worker.slots, room.at_most)
    return short_of(slots, worker.resources, len(charges), taken(charges), changes["resources"]) is None


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
        values |= transition.results
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
    "new_outputs",
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


def _to_entry(row: sa.RowMapping) -> Entry:
    values = dict(row)
    shape = _shape(values.pop("binary_name"), *(values.pop(name) for name in _RAW))
    return Entry(shape=shape, **{**values, "state": JobState(values["state"])})


@lru_cache(maxsize=4096)
def _shape(binary_name: str, paths: str, labels: str, needs: str) -> Shape:
    return Shape(binary_name, load_names(paths), load_names(labels), msgspec.json.decode(needs, type=Needs))


def _to_attempt(row: sa.RowMapping) -> Attempt:
    values = dict(row)
    values["outcome"] = None if values["outcome"] is None else AttemptOutcome(values["outcome"])
    return Attempt(**values)

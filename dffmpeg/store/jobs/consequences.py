"""What a change of a job entails, in the same transaction: for its successors, its hooks, its retention."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import sqlalchemy as sa

from dffmpeg.model import succession
from dffmpeg.model.jobs import TERMINAL, Job, JobState, Transition
from dffmpeg.store import schema
from dffmpeg.store.errors import Unstorable
from dffmpeg.store.hooks.sqlalchemy import enqueue
from dffmpeg.store.journal import JobChanged, note

_j = schema.jobs.c
_p = schema.job_predecessors.c

_THE_JOB = _j.job_id == sa.bindparam("the_job")
_CONCERNED = (
    sa.select(_p.job_id)
    .where((_p.predecessor_id == sa.bindparam("the_job")) | (_p.job_id == sa.bindparam("the_job")))
    .exists()
)
_LOOK = sa.select(_j.rules, _CONCERNED.label("concerned")).where(_THE_JOB)
_EXPIRES = sa.update(schema.jobs).where(_THE_JOB)
_WAITS_NO_MORE = sa.delete(schema.job_predecessors).where(_p.job_id == sa.bindparam("the_job"))
_SUCCESSORS = sa.select(_p.job_id).where(_p.predecessor_id == sa.bindparam("the_job"))
_LET_GO = sa.delete(schema.job_predecessors).where(_p.predecessor_id == sa.bindparam("the_job"))
_DOOM = sa.update(schema.job_predecessors).where(_p.predecessor_id == sa.bindparam("the_job"))
_LEFT = (
    sa.select(sa.func.count())
    .select_from(schema.job_predecessors)
    .where(_p.job_id == _j.job_id)
    .correlate(schema.jobs)
    .scalar_subquery()
)
_NOW = sa.bindparam("now", type_=sa.Double)
_COUNT = (
    sa.update(schema.jobs)
    .where(_j.job_id.in_(sa.bindparam("ids", expanding=True)), _j.state == JobState.PENDING.value)
    .values(
        blocked=_LEFT,
        # As `succession.released` has it.
        ready_at=sa.case((_LEFT > 0, _j.ready_at), (_j.not_before > _NOW, _j.not_before), else_=_NOW),
    )
)
# Where others write at the same time, each of these locks what it reads until the commit: the first, or a
# predecessor could end without seeing who waits for it; the second, or two predecessors of one job that end
# at once would each count the other.
_STATES = (
    sa.select(_j.job_id, _j.state)
    .where(_j.job_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_j.job_id)
    .with_for_update(read=True)
)
_HOLD = (
    sa.select(_j.job_id)
    .where(_j.job_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_j.job_id)
    .with_for_update()
)

_LIMIT = sa.bindparam("limit", type_=sa.Integer)
_predecessor = schema.jobs.alias()
_ENDED = (
    sa.select(_p.predecessor_id, _predecessor.c.state)
    .distinct()
    .select_from(schema.job_predecessors.outerjoin(_predecessor, _predecessor.c.job_id == _p.predecessor_id))
    .where(
        _p.outcome.is_(None),
        _predecessor.c.job_id.is_(None) | _predecessor.c.state.in_(sorted(TERMINAL)),
    )
    .limit(_LIMIT)
)
_MISCOUNTED = (
    sa.select(_j.job_id)
    .where(_j.state == JobState.PENDING.value, _j.blocked > 0, _j.blocked != _LEFT)
    .limit(_LIMIT)
)

CHUNK = 500
"""Ids in one statement; engines limit them."""


def admit(connection: sa.Connection, job: Job) -> Job:
    """A new job as it enters, with respect to its predecessors. Its row is added afterwards.

    Raises:
        Unstorable: there is no such predecessor.
    """
    if not job.predecessors:
        return job
    found = connection.execute(_STATES, {"ids": job.predecessors})
    states = {job_id: JobState(state) for job_id, state in found}
    for name in job.predecessors:
        if name not in states:
            raise Unstorable(f"after: there is no job {name}")
    entered = succession.admitted(job, states)
    if entered.blocked:
        rows = [
            {"job_id": job.job_id, "predecessor_id": name} for name in succession.waits_for(entered, states)
        ]
        connection.execute(sa.insert(schema.job_predecessors), rows)
    return entered


def follow(connection: sa.Connection, transition: Transition, load: Callable[[], Job]) -> None:
    """What follows from a change that was made.

    Args:
        load: reads the job's row as it is now.
    """
    the_job = {"the_job": transition.job_id}
    rules, concerned = connection.execute(_LOOK, the_job).one()
    if transition.target in TERMINAL:
        if rules.retention is not None:
            expires_at = succession.expiry(transition.now, rules.retention)
            connection.execute(_EXPIRES, {**the_job, "expires_at": expires_at})
        if concerned:
            connection.execute(_WAITS_NO_MORE, the_job)
            settle(connection, transition.job_id, transition.target, transition.now)
    if rules.hooks:
        enqueue(connection, load(), transition.now)


def settle(connection: sa.Connection, job_id: str, state: JobState, now: float) -> None:
    """A job has ended: its successors are released, or marked as those that will never begin."""
    the_job = {"the_job": job_id}
    if state is not JobState.COMPLETED:
        connection.execute(_DOOM, {**the_job, "outcome": state.value})
        return
    successors = connection.scalars(_SUCCESSORS, the_job).all()
    connection.execute(_LET_GO, the_job)
    count(connection, successors, now)


def count(connection: sa.Connection, job_ids: Sequence[str], now: float) -> None:
    """Bring the number of predecessors that pending jobs wait for in line with the table."""
    for ids in _chunks(job_ids):
        connection.execute(_HOLD, {"ids": ids})
        connection.execute(_COUNT, {"ids": ids, "now": now})
        for job_id in ids:
            note(connection, JobChanged(job_id))


def inconsistencies(connection: sa.Connection, limit: int) -> tuple[dict[str, JobState], Sequence[str]]:
    """What does not fit together, should anybody have written past us. Reads only.

    Returns:
        Predecessors that have ended, and that somebody still waits for; those that are not there
        any more count as failed. And jobs that wait for another number of them than there is.
    """
    ended = connection.execute(_ENDED, {"limit": limit}).all()
    # Of one that is not there nobody knows that it completed.
    states = {name: JobState.FAILED if state is None else JobState(state) for name, state in ended}
    return states, connection.scalars(_MISCOUNTED, {"limit": limit}).all()


def repair(
    connection: sa.Connection, ended: Mapping[str, JobState], miscounted: Sequence[str], now: float
) -> None:
    """Bring in line what `inconsistencies` found; where it is by now, nothing changes."""
    for predecessor_id, state in ended.items():
        settle(connection, predecessor_id, state, now)
    count(connection, miscounted, now)


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))

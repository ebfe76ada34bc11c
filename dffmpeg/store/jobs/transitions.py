"""Changing a job: one compare-and-set, and what goes with it in the same transaction."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.jobs import LIVE, Job, JobState, Room, Transition
from dffmpeg.model.scheduling.capacity import short_of, taken
from dffmpeg.model.workers import WorkerState
from dffmpeg.store import schema
from dffmpeg.store.jobs import consequences
from dffmpeg.store.jobs.rows import ONE, to_job
from dffmpeg.store.journal import note
from dffmpeg.store.results import by_name

# What runs for each request is built once: building a statement costs ten times what running it does.
_j = schema.jobs.c
_a = schema.attempts.c
_THE_JOB = _j.job_id == sa.bindparam("the_job")
_OPEN = sa.insert(schema.attempts)
_RECORD = sa.update(schema.attempts).where(
    _a.job_id == sa.bindparam("the_job"), _a.attempt == sa.bindparam("the_attempt")
)

_w = schema.workers.c
# Locked, where other transactions could run beside this one.
_WORKER = (
    sa.select(_w.slots, _w.resources, _w.state, _w.hold)
    .where(_w.worker_id == sa.bindparam("the_worker"))
    .with_for_update()
)
_CHARGES = sa.select(_j.resources).where(
    _j.worker_id == sa.bindparam("the_worker"), _j.state.in_(sorted(LIVE))
)

ATTEMPT_RESULTS = ("exit_code", "signal", "reason")
"""What an attempt's row takes over from a transition's changes."""


def _load(connection: sa.Connection, job_id: str) -> Job:
    (row,) = by_name(connection.execute(ONE, {"the_job": job_id}))
    return to_job(row)


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
    """Whether the worker of an assignment takes it. Its row is locked, so that this is still so when
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

"""What administration reads of the queue and of the scheduler's decisions."""

from __future__ import annotations

import msgspec


class QueueState(msgspec.Struct, kw_only=True):
    """Whether jobs are given to workers at all.

    Attributes:
        reason: what whoever paused it said.
        changed_by: who paused or resumed it last; None as long as nobody did.
        changed_at: ISO 8601 UTC.
    """

    paused: bool
    reason: str | None = None
    changed_by: str | None = None
    changed_at: str | None = None


class WorkerVerdict(msgspec.Struct, kw_only=True):
    """What the scheduler thinks of giving a job to one worker.

    Attributes:
        suitable: it could run the job at all, whatever it is doing now.
        has_room: nothing of the worker's own is against its getting the job now.
        takes: it could take it now: it has room, and nothing keeps the job itself from starting.
        reasons: short clauses: what is against it, or where nothing is, what speaks for it.
        score: what it is compared by; the highest gets the job.
    """

    worker_id: str
    status: str
    suitable: bool
    takes: bool
    has_room: bool = False
    reasons: list[str]
    score: float | None = None


class Explanation(msgspec.Struct, kw_only=True):
    """Why a job is where it is.

    Attributes:
        status: the job's state.
        may_start: nothing keeps the job itself from starting: a worker with room gets it when it is its turn.
        waits_for: what keeps it from being given to any worker, each a short clause; empty if it may start.
        workers: by id; the one that would get it first comes first.
        choice: the worker that gets it, if it is its turn now; none while it may not start.
        otherwise: the worker that would get it as things stand, once what it waits for is over.
    """

    job_id: str
    status: str
    may_start: bool = False
    waits_for: list[str]
    workers: list[WorkerVerdict] = []
    choice: str | None = None
    otherwise: str | None = None

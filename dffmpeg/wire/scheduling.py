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
        takes: it could take it now.
        reasons: short clauses: what is against it, or where nothing is, what speaks for it.
        score: what it is compared by; the highest gets the job.
    """

    worker_id: str
    status: str
    suitable: bool
    takes: bool
    reasons: list[str]
    score: float | None = None


class Explanation(msgspec.Struct, kw_only=True):
    """Why a job is where it is.

    Attributes:
        status: the job's state.
        waits_for: what keeps it from being given to any worker, each a short clause; empty if nothing does.
        workers: by id; the one that would get it now comes first.
        choice: the worker that would get it, if it were its turn now.
    """

    job_id: str
    status: str
    waits_for: list[str]
    workers: list[WorkerVerdict] = []
    choice: str | None = None

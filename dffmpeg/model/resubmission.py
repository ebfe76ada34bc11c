"""A job that has ended is asked for once more. Pure."""

from __future__ import annotations

from dataclasses import replace

from dffmpeg.model.jobs import TERMINAL, Job, JobState


def resubmitted(job: Job, job_id: str, now: float, *, launch: bytes | None) -> Job:
    """A new pending job with the request of one that has ended.

    The ended one stays what it is: the table of transitions has no way out of an end, and who
    watches it was told of that. What it ran with and how it is to be treated are the same; whatever
    came of it is not. Nobody is attached to the new one, nothing is left for it to wait for, and it is
    no longer the submission that an idempotency key named.

    Args:
        job: one that has ended.
        launch: what it inherits, for a job that nobody is attached to.

    Raises:
        ValueError: it has not ended.
    """
    if job.state not in TERMINAL:
        raise ValueError(f"job {job.job_id} is {job.state}")
    return replace(
        job,
        job_id=job_id,
        retry_of=job.job_id,
        launch=launch,
        created_at=now,
        last_update=now,
        state=JobState.PENDING,
        attempt=0,
        losses=0,
        worker_id=None,
        excluded_worker=None,
        exit_code=None,
        signal=None,
        reason=None,
        monitor=False,
        not_before=None,
        predecessors=(),
        blocked=0,
        idempotency_key=None,
        ready_at=now,
        ended_at=None,
        expires_at=None,
        worker_last_seen=None,
        client_last_seen=None,
        resources={},
        substitutions={},
        hindrance=None,
        progress=None,
        begun={},
        last_line=None,
    )

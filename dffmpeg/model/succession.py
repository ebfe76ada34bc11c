"""Jobs that start after others: what a predecessor's state means for its successor. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dffmpeg.model.jobs import TERMINAL, Job, JobState, Transition


def waits_for(job: Job, states: Mapping[str, JobState]) -> tuple[str, ...]:
    """The predecessors that have not ended yet.

    Args:
        states: of each of its predecessors.
    """
    return tuple(name for name in job.predecessors if states[name] not in TERMINAL)


def admitted(job: Job, states: Mapping[str, JobState]) -> Job:
    """A new job as it enters the queue: free, blocked, or failed at once.

    Args:
        states: of each of its predecessors, at that moment.
    """
    for name in job.predecessors:
        state = states[name]
        if state in TERMINAL and state is not JobState.COMPLETED:
            return replace(
                job,
                state=JobState.FAILED,
                reason=because(name, state),
                ended_at=job.created_at,
                expires_at=expiry(job.created_at, job.rules.retention),
                ready_at=None,
            )
    blocked = len(waits_for(job, states))
    return replace(job, blocked=blocked, ready_at=None if blocked else job.ready_at)


def released(not_before: float | None, now: float) -> float:
    """Since when a job waits for nothing but a worker, whose last predecessor has just completed."""
    return now if not_before is None else max(now, not_before)


def fail(job: Job, predecessor_id: str, outcome: JobState, now: float) -> Transition:
    """A predecessor will never complete, so neither will the job begin.

    Args:
        outcome: how the predecessor ended.
    """
    return Transition(
        job_id=job.job_id,
        sources=frozenset({JobState.PENDING}),
        target=JobState.FAILED,
        now=now,
        fence_attempt=job.attempt,
        changes={"reason": because(predecessor_id, outcome)},
    )


def because(predecessor_id: str, outcome: JobState) -> str:
    """Why a job cannot begin."""
    ended = "was canceled" if outcome is JobState.CANCELED else outcome.value
    return f"job {predecessor_id} {ended}, and this one was to come after it"


def expiry(ended_at: float, retention: float | None) -> float | None:
    """When a job whose rules name a retention is removed; None where the configuration decides."""
    return None if retention is None else ended_at + retention

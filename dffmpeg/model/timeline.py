"""What happened to a job, from its row and those of its attempts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dffmpeg.model.jobs import TERMINAL, Attempt, AttemptOutcome, Job, JobState
from dffmpeg.model.retries import ended_with

_ENDS = {
    AttemptOutcome.COMPLETED: "completed",
    AttemptOutcome.FAILED: "failed",
    AttemptOutcome.CANCELED: "was canceled",
    AttemptOutcome.REJECTED: "did not take it",
    AttemptOutcome.NOT_ACCEPTED: "did not accept it in time",
    AttemptOutcome.LOST: "lost it",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened.

    Attributes:
        at: Unix seconds.
        what: one word: `submitted`, `ready`, `assigned`, `started`, an attempt's outcome, `retry`,
            `waiting`, `canceling`, or how the job ended.
        text: a clause for people.
        attempt: None for what is about the job as a whole.
    """

    at: float
    what: str
    text: str
    attempt: int | None = None
    worker_id: str | None = None


def timeline(
    job: Job, attempts: Sequence[Attempt], now: float, waits_for: Sequence[str] = ()
) -> list[Happening]:
    """All of it up to now (Unix seconds), the oldest first.

    Args:
        attempts: all of the job's, the first one first.
        waits_for: what a pending job waits for now, where that is known.
    """
    return [*_beginning(job, now), *_attempts(job, attempts), *_now(job, attempts, now, waits_for)]


def _beginning(job: Job, now: float) -> Iterator[Happening]:
    text = f"submitted by {job.requester_id}"
    if job.retry_of is not None:
        text += f", once more what {job.retry_of} was"
    yield Happening(job.created_at, "submitted", text)
    if job.ready_at is not None and job.created_at < job.ready_at <= now:
        behind = "what it waited for has completed" if job.predecessors else "its start has come"
        yield Happening(job.ready_at, "ready", behind)


def _attempts(job: Job, attempts: Sequence[Attempt]) -> Iterator[Happening]:
    for one in attempts:
        number, worker = one.attempt, one.worker_id
        yield Happening(one.assigned_at, "assigned", f"given to {worker}", number, worker)
        if one.started_at is not None:
            yield Happening(one.started_at, "started", f"started on {worker}", number, worker)
        if one.ended_at is None or one.outcome is None:
            continue
        yield Happening(one.ended_at, one.outcome.value, _end(one), number, worker)
        if number < job.attempt or job.state is JobState.PENDING:
            yield Happening(one.ended_at, "retry", "waits for another attempt", number)


def _end(attempt: Attempt) -> str:
    assert attempt.outcome is not None
    who = attempt.worker_id if attempt.outcome in _BY_WORKER else f"attempt {attempt.attempt}"
    return _because(f"{who} {_ENDS[attempt.outcome]}", _cause(attempt))


_BY_WORKER = frozenset({AttemptOutcome.REJECTED, AttemptOutcome.NOT_ACCEPTED, AttemptOutcome.LOST})


def _cause(ended: Attempt | Job) -> str | None:
    if ended.reason is not None:
        return ended.reason
    if ended.exit_code or ended.signal is not None:
        return ended_with(ended.exit_code, ended.signal)
    return None


def _because(text: str, cause: str | None) -> str:
    return text if cause is None else f"{text}: {cause}"


def _now(job: Job, attempts: Sequence[Attempt], now: float, waits_for: Sequence[str]) -> Iterator[Happening]:
    if job.state is JobState.PENDING:
        before = [one.ended_at for one in attempts if one.ended_at is not None]
        since = max(job.created_at, job.ready_at or 0.0, *before)
        since = min(since, now)
        text = "; ".join(waits_for) or "it is next for a worker with room"
        yield Happening(since, "waiting", text)
    elif job.state is JobState.CANCELING:
        yield Happening(
            job.last_update, "canceling", _because("is to end", job.reason), job.attempt, job.worker_id
        )
    elif job.state in TERMINAL:
        at = job.last_update if job.ended_at is None else job.ended_at
        cause = None if job.state is JobState.COMPLETED else _cause(job)
        yield Happening(at, job.state.value, _because(job.state.value, cause))

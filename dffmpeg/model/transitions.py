"""How a job may change: from its row and what happened to what should become of it.

Each of these decides one change, `dffmpeg.model.jobs.Transition`, and makes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from dffmpeg.model.jobs import (
    TERMINAL,
    Attempt,
    AttemptOutcome,
    Executed,
    Job,
    JobState,
    Room,
    S,
    Transition,
    TransitionError,
)
from dffmpeg.model.retries import GiveUp, Retry, RetryPolicy, ended_with


def _later(now: float, delay: float) -> float | None:
    return now + delay if delay > 0 else None


class Numbered(Protocol):
    """A job, as far as its next attempt is concerned."""

    @property
    def job_id(self) -> str: ...

    @property
    def attempt(self) -> int: ...


def assign(
    job: Numbered,
    worker_id: str,
    now: float,
    *,
    resources: Mapping[str, int] | None = None,
    room: Room | None = None,
) -> Transition:
    """Give a pending job to a worker: its next attempt begins.

    Args:
        resources: what it takes of the worker's resources.
        room: what must hold of the worker; None asks nothing.
    """
    number = job.attempt + 1
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.PENDING}),
        target=S.ASSIGNED,
        now=now,
        fence_attempt=job.attempt,
        changes={
            "attempt": number,
            "worker_id": worker_id,
            "not_before": None,
            "worker_last_seen": None,
            "resources": resources or {},
            "substitutions": {},
            "hindrance": None,
        },
        room=room,
        opens=Attempt(job_id=job.job_id, attempt=number, worker_id=worker_id, assigned_at=now),
    )


def accept(
    job: Job,
    attempt: int,
    worker_id: str,
    now: float,
    *,
    substitutions: Mapping[str, str] | None = None,
    executed: Executed | None = None,
) -> Transition:
    """The worker takes the attempt, and may start the process once this has won.

    Args:
        substitutions: encoders that its own stand in for.
        executed: what it will run.
    """
    others = {"substitutions": substitutions} if substitutions else {}
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.ASSIGNED}),
        target=S.RUNNING,
        now=now,
        fence_attempt=attempt,
        fence_worker=worker_id,
        changes={"worker_last_seen": now, **others},
        starts=True,
        results={} if executed is None else {"executed": executed},
    )


def reject(
    job: Job, attempt: int, worker_id: str, now: float, reason: str, *, delay: float = 0.0
) -> Transition:
    """The worker does not take the attempt; another worker goes first now.

    Args:
        delay: seconds before the next attempt, so that a worker which rejects
            whatever it gets does not keep everybody busy.
    """
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.ASSIGNED}),
        target=S.PENDING,
        now=now,
        fence_attempt=attempt,
        fence_worker=worker_id,
        changes={
            "worker_id": None,
            "excluded_worker": worker_id,
            "reason": reason,
            "not_before": _later(now, delay),
        },
        closes=AttemptOutcome.REJECTED,
    )


def unfit(
    job: Job, attempt: int, worker_id: str, now: float, reason: str, policy: RetryPolicy, jitter: float
) -> Transition:
    """The worker found that it cannot run the job as it is. It counts: every other one may find the same."""
    losses = job.losses + 1
    verdict = policy.next(losses, jitter)
    if isinstance(verdict, Retry):
        rejected = reject(job, attempt, worker_id, now, reason, delay=verdict.delay)
        return replace(rejected, changes={**rejected.changes, "losses": losses})
    used = f"{losses} of {job.max_attempts} attempts are used up"
    changes = {
        "excluded_worker": worker_id,
        "losses": losses,
        "reason": f"{worker_id}: {reason}; {used}",
    }
    return replace(reject(job, attempt, worker_id, now, reason), target=S.FAILED, changes=changes)


def not_accepted(job: Job, now: float, *, delay: float = 0.0) -> Transition:
    """The worker said nothing in time; `delay` as for `reject`."""
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.ASSIGNED}),
        target=S.PENDING,
        now=now,
        fence_attempt=job.attempt,
        changes={
            "worker_id": None,
            "excluded_worker": job.worker_id,
            "reason": f"{job.worker_id} did not accept it in time",
            "not_before": _later(now, delay),
        },
        closes=AttemptOutcome.NOT_ACCEPTED,
    )


def finish(
    job: Job,
    attempt: int,
    worker_id: str,
    now: float,
    target: JobState,
    exit_code: int | None,
    signal: int | None,
    reason: str | None,
) -> Transition:
    """The attempt's process has ended, or could not be started."""
    if target not in TERMINAL:
        raise TransitionError(f"job {job.job_id}: {target} is not an end")
    # A job that was being canceled ends canceled, however its process ended.
    sources = {S.RUNNING, S.CANCELING} if target is S.CANCELED else {S.RUNNING}
    return Transition(
        job_id=job.job_id,
        sources=frozenset(sources),
        target=target,
        now=now,
        fence_attempt=attempt,
        fence_worker=worker_id,
        changes={
            "exit_code": exit_code,
            "signal": signal,
            "reason": reason if reason is not None or target is not S.CANCELED else job.reason,
            "worker_last_seen": now,
        },
        closes=AttemptOutcome(target.value),
    )


def request_cancel(job: Job, now: float, reason: str) -> Transition:
    """Somebody wants it to end. Only a process that runs has to be asked."""
    waiting = job.state in (S.PENDING, S.ASSIGNED)
    return Transition(
        job_id=job.job_id,
        sources=frozenset({job.state}),
        target=S.CANCELED if waiting else S.CANCELING,
        now=now,
        fence_attempt=job.attempt,
        changes={"reason": reason},
        closes=AttemptOutcome.CANCELED if job.state is S.ASSIGNED else None,
    )


def confirm_canceled(job: Job, now: float) -> Transition:
    """Nobody is left who could confirm the cancelation: the attempt is over for us."""
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.CANCELING}),
        target=S.CANCELED,
        now=now,
        fence_attempt=job.attempt,
        closes=AttemptOutcome.CANCELED,
    )


def repeat(
    job: Job,
    attempt: int,
    worker_id: str,
    now: float,
    exit_code: int | None,
    signal: int | None,
    *,
    delay: float,
) -> Transition:
    """The command failed, and its submitter's rules say that it is tried again.

    Args:
        delay: seconds before the next attempt.
    """
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.RUNNING}),
        target=S.PENDING,
        now=now,
        fence_attempt=attempt,
        fence_worker=worker_id,
        changes={
            "worker_id": None,
            "excluded_worker": worker_id,
            "reason": f"attempt {attempt} on {worker_id} ended with {ended_with(exit_code, signal)}",
            "not_before": _later(now, delay),
            "losses": job.losses + 1,
            "progress": None,
        },
        closes=AttemptOutcome.FAILED,
        # The job itself has no exit code as long as it may get another.
        results={"exit_code": exit_code, "signal": signal, "reason": None},
    )


def overrun(job: Job, now: float, limit: float) -> Transition:
    """The attempt runs for longer than it may, and its worker did not end it."""
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.RUNNING}),
        target=S.FAILED,
        now=now,
        fence_attempt=job.attempt,
        changes={"reason": f"it ran for longer than {limit:g} s"},
        closes=AttemptOutcome.FAILED,
    )


def lose(job: Job, now: float, reason: str, policy: RetryPolicy, jitter: float) -> Transition:
    """The attempt is gone through no fault of the command: again, if there are attempts left.

    One that was not accepted yet has used up nothing.
    """
    if job.state is S.CANCELING:
        return confirm_canceled(job, now)
    changes: dict[str, Any] = {"excluded_worker": job.worker_id, "progress": None}
    if job.state is S.ASSIGNED:
        verdict: Retry | GiveUp = Retry(policy.delay(job.attempt - 1, jitter))
    else:
        changes["losses"] = job.losses + 1
        verdict = policy.next(job.losses + 1, jitter)
    target = S.PENDING if isinstance(verdict, Retry) else S.FAILED
    match verdict:
        case Retry(delay=delay):
            changes |= {"worker_id": None, "reason": reason, "not_before": _later(now, delay)}
        case GiveUp():
            used = f"{job.losses + 1} of {job.max_attempts} attempts are used up"
            changes |= {"reason": f"{reason}; {used}"}
    return Transition(
        job_id=job.job_id,
        sources=frozenset({job.state}),
        target=target,
        now=now,
        fence_attempt=job.attempt,
        changes=changes,
        closes=AttemptOutcome.LOST,
    )


def impossible(job: Job, now: float, hindrance: str) -> Transition:
    """No known worker could ever run it, and its submitter does not want to wait for another one."""
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.PENDING}),
        target=S.FAILED,
        now=now,
        fence_attempt=job.attempt,
        changes={"reason": f"no worker can run this: {hindrance}", "hindrance": hindrance},
    )


def expire(job: Job, now: float) -> Transition:
    """No worker took it for as long as its submitter was ready to wait."""
    return Transition(
        job_id=job.job_id,
        sources=frozenset({S.PENDING}),
        target=S.FAILED,
        now=now,
        fence_attempt=job.attempt,
        changes={"reason": f"no worker took it within {job.pending_timeout:g} s"},
    )

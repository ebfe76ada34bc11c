"""What becomes of a job when its attempt ends: the model's decisions, with the configuration and chance.

Not an actor: the job's actor asks.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from dffmpeg.model import retries, transitions
from dffmpeg.model.jobs import Job, JobState, Transition
from dffmpeg.model.progress import completed
from dffmpeg.model.retries import MATCHED_END, Retry, RetryPolicy
from dffmpeg.model.rules import Rules, filled
from dffmpeg.wire.jobs import FinishReport

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.job.messages import Reject
    from dffmpeg.actors.coordinator.job.streams import JobStreams
    from dffmpeg.actors.coordinator.services import Services


class Verdicts:
    """See the module."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def rules(self, job: Job) -> Rules:
        """The job's rules, with what its submitter left open."""
        return filled(job.rules, self._services.rules)

    def lease(self, job: Job) -> float:
        """Seconds of silence after which the job's worker has lost it."""
        return job.rules.lease or self._services.config.leases.worker

    def patience(self, job: Job) -> float:
        """Seconds in which a worker accepts the job, or another one goes first."""
        return job.rules.assignment_timeout or self._services.config.janitor.job_assignment_timeout

    def losing(self, job: Job, reason: str) -> Transition:
        """The attempt is gone through no fault of the command."""
        return transitions.lose(job, time.time(), reason, self._policy(job), _chance())

    def not_accepted(self, job: Job) -> Transition:
        """The worker said nothing in time."""
        return transitions.not_accepted(job, time.time(), delay=self._pause(job))

    def rejected(self, job: Job, message: Reject) -> Transition:
        """The worker does not take the attempt, or gives it back."""
        worker_id, reason = message.worker_id, message.reason
        if job.state is not JobState.ASSIGNED:
            return self.losing(job, f"{worker_id}: {reason}")
        if message.unfit:
            policy = self._policy(job)
            return transitions.unfit(job, job.attempt, worker_id, time.time(), reason, policy, _chance())
        delay = self._pause(job)
        return transitions.reject(job, job.attempt, worker_id, time.time(), reason, delay=delay)

    async def finished(
        self, job: Job, worker_id: str, report: FinishReport, streams: JobStreams
    ) -> Transition:
        """The attempt's process has ended."""
        # A job that was being canceled ends canceled, however its process ended.
        target = JobState.CANCELED if job.state is JobState.CANCELING else JobState(report.status)
        if target is JobState.FAILED and report.reason is None and await self._named(job, report, streams):
            verdict = self._policy(job).next(job.losses + 1, _chance())
            if isinstance(verdict, Retry):
                return transitions.repeat(
                    job,
                    job.attempt,
                    worker_id,
                    time.time(),
                    report.exit_code,
                    report.signal,
                    delay=verdict.delay,
                )
        progress = report.progress or job.progress
        if target is JobState.COMPLETED:
            progress = completed(progress)
        finished = transitions.finish(
            job,
            job.attempt,
            worker_id,
            time.time(),
            target,
            report.exit_code,
            report.signal,
            report.reason,
        )
        size = progress.pixels if job.size is None and progress is not None else job.size
        return replace(finished, changes={**finished.changes, "progress": progress, "size": size})

    async def _named(self, job: Job, report: FinishReport, streams: JobStreams) -> bool:
        """Whether the job's rules say that this end is tried again."""
        if retries.names_exit_code(job.rules, report.exit_code):
            return True
        if not job.rules.retry_stderr:
            return False
        end = await streams.stderr_end(MATCHED_END) or b""
        return await self._services.patterns.found(job.rules.retry_stderr, end)

    def _policy(self, job: Job) -> RetryPolicy:
        settings = self._services.config.retries
        return RetryPolicy(job.max_attempts, settings.backoff_minimum, settings.backoff_maximum)

    def _pause(self, job: Job) -> float:
        """Before the next offer. The first that is not taken may be bad luck; from the second on there is
        no hurry."""
        return self._policy(job).delay(job.attempt - 1, _chance())


def _chance() -> float:
    return random.random()  # noqa: S311 - jitter

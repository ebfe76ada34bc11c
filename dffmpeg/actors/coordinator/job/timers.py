"""What a job's actor looks at after a while, by the state that its job is in."""

from __future__ import annotations

from dffmpeg.actors.coordinator.job.messages import Due
from dffmpeg.actors.coordinator.job.verdicts import Verdicts
from dffmpeg.actors.runtime import Context
from dffmpeg.model.jobs import Job, JobState

CANCEL_PATIENCE = 120.0
"""Seconds after which a cancelation without its worker's word is taken as done: the attempt is fenced."""

RUN_PATIENCE = 120.0
"""Seconds that a worker has for ending what has run for too long, before the attempt is fenced."""


def begin_timers(context: Context, job: Job, verdicts: Verdicts, ran: float) -> None:
    """Have the actor told when a state has lasted for as long as it may.

    Args:
        ran: for how many seconds the attempt has run already.
    """
    match job.state:
        case JobState.ASSIGNED:
            context.tell_after(verdicts.patience(job), Due("assignment"))
        case JobState.RUNNING:
            context.tell_after(verdicts.lease(job), Due("worker"))
            limit = verdicts.rules(job).run_timeout
            if limit is not None:
                # The worker ends it in time; this is for one that does not.
                context.tell_after(max(0.0, limit + RUN_PATIENCE - ran), Due("run"))
        case JobState.CANCELING:
            context.tell_after(CANCEL_PATIENCE, Due("cancel"))

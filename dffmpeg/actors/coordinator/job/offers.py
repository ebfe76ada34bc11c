"""Hints to a job's worker; its registration repeats whatever gets lost."""

from __future__ import annotations

from contextlib import suppress

from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.coordinator.worker_messages import Deliver
from dffmpeg.actors.runtime import ActorStopped, MailboxFull
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.wire import codec
from dffmpeg.wire.records import job_request, job_status


async def offer(services: Services, job: Job) -> None:
    """Tell a job's worker what there is to do about it, if there is something."""
    if job.worker_id is None:
        return
    if job.state is JobState.ASSIGNED:
        request = job_request(job, services.rules, traced=services.telemetry.enabled)
        message = Deliver("job_request", codec.to_builtins(request), job.job_id)
    elif job.state is not JobState.RUNNING:
        message = Deliver("job_status", job_status(job), job.job_id)
    else:
        return
    # Never wait here: the worker's actor may be telling us something at this very moment.
    with suppress(MailboxFull, ActorStopped):
        worker = await services.workers.reach(job.worker_id)
        worker.tell_nowait(message)

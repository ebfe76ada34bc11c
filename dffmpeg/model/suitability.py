"""Whether a worker could run a job at all, whatever it is doing now. Pure."""

from __future__ import annotations

from dffmpeg.model.jobs import Job
from dffmpeg.model.workers import Worker


def obstacles(job: Job, worker: Worker) -> tuple[str, ...]:
    """What keeps the worker from ever running the job, each a short clause for people; empty if it could."""
    found = []
    if job.binary_name not in worker.binaries:
        found.append(f"it has no {job.binary_name}")
    found += [f"${name} is not mapped or not there" for name in job.paths if name not in worker.paths]
    return tuple(found)

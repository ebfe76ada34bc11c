"""Which pending job goes to which worker. Pure: rows in, pairs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dffmpeg.model.jobs import Job
from dffmpeg.model.suitability import obstacles
from dffmpeg.model.workers import Worker, WorkerState


@dataclass(frozen=True, slots=True)
class WorkerSlots:
    """A worker, and how many of its slots are taken."""

    worker: Worker
    used: int


def match(pending: Sequence[Job], workers: Sequence[WorkerSlots]) -> list[tuple[str, str]]:
    """First come, first served; each job to the suitable worker with the largest free share of slots.

    The worker that just lost a job gets it again only if no other is online for it.

    Returns:
        Pairs of job id and worker id, never more on a worker than it has free slots.
    """
    used = {entry.worker.worker_id: entry.used for entry in workers}
    online = [entry.worker for entry in workers if entry.worker.state is WorkerState.ONLINE]
    free = sum(max(0, worker.slots - used[worker.worker_id]) for worker in online)
    chosen: list[tuple[str, str]] = []
    for job in pending:
        if not free:
            break
        suitable = [worker for worker in online if not obstacles(job, worker)]
        others = [worker for worker in suitable if worker.worker_id != job.excluded_worker]
        open_to_it = [w for w in others or suitable if used[w.worker_id] < w.slots]
        if not open_to_it:
            continue
        best = min(open_to_it, key=lambda worker: (used[worker.worker_id] / worker.slots, worker.worker_id))
        used[best.worker_id] += 1
        free -= 1
        chosen.append((job.job_id, best.worker_id))
    return chosen

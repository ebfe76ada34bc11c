"""`dffmpeg-client worker …` and `status`: what the cluster has."""

from __future__ import annotations

import time

from dffmpeg import summaries, tables
from dffmpeg.client.command import Invocation
from dffmpeg.client.endings import Ending
from dffmpeg.client.jobs import job_table
from dffmpeg.wire import codec
from dffmpeg.wire.workers import WorkerRecord

_ACTIVE = 1.0
"""Seconds: a window in which as good as only unfinished jobs are."""


async def show_all(call: Invocation) -> Ending:
    """List the workers."""
    records = await call.client.workers(call.options.window)
    call.print(records, lambda: _table(records))
    return Ending()


async def show(call: Invocation) -> Ending:
    """Everything about one worker."""
    record = await call.client.worker(call.options.worker)
    call.print(record, lambda: summaries.worker_text(record, names=call.options.abilities))
    return Ending()


async def status(call: Invocation) -> Ending:
    """One job; or, without one, the workers and the identity's unfinished jobs."""
    if call.options.job is not None:
        record = await call.client.status(call.options.job)
        call.print(record, lambda: summaries.job_fields(record))
        return Ending()
    workers = await call.client.workers()
    queue = await call.client.queue()
    jobs = [record for record in await call.client.jobs(_ACTIVE) if not record.finished]
    value = {
        "coordinator_url": call.client.config.coordinator_url,
        "workers": codec.to_builtins(workers),
        "jobs": codec.to_builtins(jobs),
        "queue": codec.to_builtins(queue),
    }
    online = [worker for worker in workers if worker.status == "online"]
    used, slots = sum(worker.used_slots for worker in online), sum(worker.slots for worker in online)
    summary = [
        ("coordinator", call.client.config.coordinator_url),
        ("workers", f"{len(online)} of {len(workers)} online, {used} of {slots} slots used"),
        ("queue", summaries.queue_line(queue)),
        ("your jobs", f"{len(jobs)} unfinished"),
    ]
    call.print(value, lambda: tables.fields(summary) + (f"\n\n{job_table(jobs)}" if jobs else ""))
    return Ending()


def _table(records: list[WorkerRecord]) -> str:
    now = time.time()
    return tables.table(
        ("WORKER", "STATUS", "SLOTS", "SEEN", "BINARIES", "PATHS"),
        [
            (
                record.worker_id,
                record.status,
                f"{record.used_slots}/{record.slots}",
                tables.age(record.last_seen, now),
                ", ".join(record.binaries) or None,
                tables.shortened(", ".join(record.paths)) or None,
            )
            for record in records
        ],
        empty="no workers",
    )

"""What is shown out of the database alone: by operations, and by an administration without a coordinator."""

from __future__ import annotations

import time

from dffmpeg import __version__
from dffmpeg.model.jobs import LIVE, Job, JobState
from dffmpeg.model.streams import Stream
from dffmpeg.store import Store
from dffmpeg.wire.administration import Overview
from dffmpeg.wire.jobs import LogLine
from dffmpeg.wire.records import job_record, queue_state, worker_record
from dffmpeg.wire.workers import WorkerRecord

LOG_BYTES = 1 << 20
"""How much of a stream one answer by lines reads."""

SHOWN_LIVE, SHOWN_FAILED = 200, 20
"""Jobs that an overview shows at most."""


async def workers(store: Store, since: float | None) -> list[WorkerRecord]:
    """The workers that were seen since then (Unix seconds), or all, by id; without their abilities."""
    used = await store.jobs.loads()
    rows = await store.workers.list(since)
    return [worker_record(row, used.get(row.worker_id, 0), abilities=False) for row in rows]


async def worker(store: Store, worker_id: str) -> WorkerRecord | None:
    """One worker."""
    row = await store.workers.get(worker_id)
    return None if row is None else worker_record(row, len(await store.jobs.live(worker_id)))


async def overview(store: Store, window: float) -> Overview:
    """The cluster as its database has it; of the coordinator's own health it says nothing.

    Args:
        window: how far back failed jobs are shown, seconds.
    """
    live = await store.jobs.list(requester_id=None, since=None, states=LIVE, limit=SHOWN_LIVE, before_id=None)
    failed = await store.jobs.list(
        requester_id=None,
        since=time.time() - window,
        states={JobState.FAILED},
        limit=SHOWN_FAILED,
        before_id=None,
    )
    counts = await store.jobs.counts()
    return Overview(
        version=__version__,
        counts={state.value: counts.get(state, 0) for state in JobState},
        workers=await workers(store, None),
        live=[job_record(job) for job in live],
        failed=[job_record(job) for job in failed],
        queue=queue_state(await store.settings.pause()),
    )


async def log_lines(
    store: Store, job: Job, *, since: str | None, limit: int
) -> tuple[list[LogLine], str | None]:
    """What is kept of the current attempt's stderr, by lines; a line's id is its offset's.

    Args:
        since: the id of a line; only what is behind it.
        limit: lines at most.

    Returns:
        The lines, and the id to go on from.
    """
    offset = _offset(since, job.attempt)
    part = await store.streams.read(job.job_id, job.attempt, Stream.STDERR, offset, LOG_BYTES)
    lines: list[LogLine] = []
    position = part.offset
    for raw in part.data.splitlines(keepends=True)[:limit]:
        position += len(raw)
        text = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        lines.append(LogLine(stream="stderr", content=text, id=f"{job.attempt}-{position}"))
    return lines, lines[-1].id if lines else since


def _offset(since: str | None, attempt: int) -> int:
    """Where the line behind an id begins; the id of another attempt begins anew."""
    number, _, offset = (since or "").partition("-")
    return int(offset) if number == str(attempt) and offset.isdigit() else 0

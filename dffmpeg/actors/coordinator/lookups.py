"""What is shown out of the database alone: by operations, and by an administration without a coordinator."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from dffmpeg import __version__
from dffmpeg.model.jobs import LIVE, Attempt, Job, JobState
from dffmpeg.model.membership import leader
from dffmpeg.model.retries import ended_with
from dffmpeg.model.workers import Worker
from dffmpeg.store import Store
from dffmpeg.wire import descriptors
from dffmpeg.wire.administration import CoordinatorRecord, Overview
from dffmpeg.wire.jobs import LogLine
from dffmpeg.wire.records import coordinator_record, job_record, launch_of, queue_state, worker_record
from dffmpeg.wire.workers import WorkerRecord

LOG_BYTES = 1 << 20
"""How much of a stream one answer by lines reads."""

SHOWN_LIVE, SHOWN_FAILED = 200, 20
"""Jobs that an overview shows at most."""


async def workers(store: Store, since: float | None) -> list[WorkerRecord]:
    """The workers that were seen since then (Unix seconds), or all, by id; without their abilities."""
    return await shown(store, await store.workers.list(since, abilities=False))


async def shown(store: Store, rows: Iterable[Worker]) -> list[WorkerRecord]:
    """Workers as a list shows them."""
    used = await store.jobs.loads()
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
        coordinators=await coordinators(store),
    )


async def coordinators(store: Store) -> list[CoordinatorRecord]:
    """Those that share the database, the oldest first."""
    if not store.members.shared:
        return []
    members = await store.members.list()
    homes = Counter((await store.workers.looked_after()).values())
    first = leader(members)
    return [
        coordinator_record(one, homes[one.coordinator_id], leads=one.coordinator_id == first)
        for one in members
    ]


async def log_lines(
    store: Store, job: Job, *, since: str | None, limit: int
) -> tuple[list[LogLine], str | None]:
    """What is kept of a job's stderr, by lines: of all attempts in order, with a line of ours before
    each but the first. A line's id is its attempt's and its end's offset. With `2>&1` its stdout is in it
    too; where its stderr does not come through here, one line of ours says that.

    Args:
        since: the id of a line; only what is behind it.
        limit: lines at most.

    Returns:
        The lines, and the id to go on from.
    """
    output = descriptors.error_output(launch_of(job))
    if output is None:
        text = "dffmpeg: the stderr of this job goes where its caller has it go, and not through here"
        return ([], since) if since else ([LogLine(stream="stderr", content=text, id="1-0")], "1-0")
    lines: list[LogLine] = []
    first, offset = _place(since)
    previous: Attempt | None = None
    for attempt in await store.jobs.attempts(job.job_id):
        if attempt.attempt >= first:
            if attempt.attempt > first:
                offset = 0
            if previous is not None and offset == 0 and since != _begin(attempt):
                lines.append(_mark(previous, attempt))
            found, whole = await _lines(store, attempt, output, offset, limit - len(lines))
            lines += found
            if not whole or len(lines) >= limit:
                break
        previous = attempt
    return lines, lines[-1].id if lines else since


async def _lines(
    store: Store, attempt: Attempt, output: int, offset: int, limit: int
) -> tuple[list[LogLine], bool]:
    """Lines of one attempt's output from an offset on, and whether they reach its end.

    Where something is not kept, or not kept any more, a line of ours says how much.
    """
    number = attempt.attempt
    part = await store.streams.read(attempt.job_id, number, output, offset, LOG_BYTES)
    end = max(part.end, (attempt.outputs or {}).get(output, 0))
    position = part.offset if part.data else max(offset, end)
    lines: list[LogLine] = []
    if position > offset:
        text = f"dffmpeg: {position - offset} bytes of stderr are not kept"
        lines.append(LogLine(stream="stderr", content=text, id=f"{number}-{position}"))
    for raw in part.data.splitlines(keepends=True)[: max(0, limit - len(lines))]:
        position += len(raw)
        text = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        lines.append(LogLine(stream="stderr", content=text, id=f"{number}-{position}"))
    return lines, position >= end


def _begin(attempt: Attempt) -> str:
    return f"{attempt.attempt}-0"


def _mark(previous: Attempt, attempt: Attempt) -> LogLine:
    """The line that stands between two attempts in a job's log, and nowhere else."""
    why = previous.reason
    if why is None and (previous.exit_code, previous.signal) != (None, None):
        why = ended_with(previous.exit_code, previous.signal)
    outcome = "ended" if previous.outcome is None else previous.outcome.value.replace("_", " ")
    text = f"dffmpeg: attempt {previous.attempt} on {previous.worker_id}: {outcome}"
    text += f" ({why})" if why else ""
    text += f"; attempt {attempt.attempt} on {attempt.worker_id} begins"
    return LogLine(stream="stderr", content=text, id=_begin(attempt))


def _place(since: str | None) -> tuple[int, int]:
    """The attempt and the offset at which the line behind an id begins."""
    number, _, offset = (since or "").partition("-")
    if number.isascii() and number.isdigit() and offset.isascii() and offset.isdigit():
        return int(number), int(offset)
    return 1, 0

"""The change feed: jobs, workers, the queue, and the topics of the dashboard's pages.

Each event tells how its subject stands by now.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dffmpeg.model.briefs import JobBrief
from dffmpeg.model.workers import Worker
from dffmpeg.wire import times
from dffmpeg.wire.dashboard import Alert, ClusterOverview, ProgressEvent, TreeEvent
from dffmpeg.wire.scheduling import QueueState

EventKind = Literal["here", "job", "worker", "queue", "missed", "overview", "alerts", "progress", "tree"]


class JobEvent(msgspec.Struct, kw_only=True):
    """A job, as it is now. `status` is `removed` for one that is no more, of which nothing else is known.

    The other fields are those of a JobRecord.
    """

    job_id: str
    status: str
    requester_id: str | None = None
    binary_name: str | None = None
    name: str | None = None
    labels: list[str] = []
    attempt: int = 0
    worker_id: str | None = None
    priority: int = 0
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    last_line: str | None = None
    created_at: str | None = None
    last_update: str | None = None
    ended_at: str | None = None


class WorkerEvent(msgspec.Struct, kw_only=True):
    """A worker, as it is now. `status` is `removed` for one that is no more.

    The other fields are those of a WorkerRecord.
    """

    worker_id: str
    status: str
    slots: int = 0
    version: str | None = None
    labels: list[str] = []
    hold_reason: str | None = None
    strikes: int = 0


class Here(msgspec.Struct, kw_only=True):
    """The first event of a feed that begins now."""


class Missed(msgspec.Struct, kw_only=True):
    """Some events are not there any more, or never were: read anew what you keep."""

    reason: str


EventData = (
    JobEvent
    | WorkerEvent
    | QueueState
    | Here
    | Missed
    | ClusterOverview
    | list[Alert]
    | ProgressEvent
    | TreeEvent
)


class EventMessage(msgspec.Struct, kw_only=True):
    """An event as a WebSocket has it.

    `data` by `event`: JobEvent, WorkerEvent, QueueState, Here, Missed, ClusterOverview, a list of Alert,
    ProgressEvent, TreeEvent. `id` is to go on from.
    """

    id: str
    event: EventKind
    data: msgspec.Raw


def job_event(brief: JobBrief) -> JobEvent:
    """A job's event."""
    return JobEvent(
        job_id=brief.job_id,
        status=brief.state.value,
        requester_id=brief.requester_id,
        binary_name=brief.binary_name,
        name=brief.name,
        labels=list(brief.labels),
        attempt=brief.attempt,
        worker_id=brief.worker_id,
        priority=brief.priority,
        exit_code=brief.exit_code,
        signal=brief.signal,
        reason=brief.reason,
        last_line=brief.last_line,
        created_at=times.to_wire(brief.created_at),
        last_update=times.to_wire(brief.last_update),
        ended_at=None if brief.ended_at is None else times.to_wire(brief.ended_at),
    )


def worker_event(worker: Worker) -> WorkerEvent:
    """A worker's event."""
    return WorkerEvent(
        worker_id=worker.worker_id,
        status=worker.status,
        slots=worker.slots,
        version=worker.version,
        labels=list(worker.labels),
        hold_reason=worker.hold_reason,
        strikes=worker.strikes,
    )

"""The change feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from dffmpeg.web.events import INTERVAL, MAX_INTERVAL
from dffmpeg.web.openapi import dashboard, examples
from dffmpeg.web.openapi.description import (
    EVENTS,
    Channel,
    Content,
    Described,
    Description,
    Message,
    Parameter,
)
from dffmpeg.web.openapi.sockets import CLOSES
from dffmpeg.wire.dashboard import Alert, ClusterOverview, ProgressEvent, TreeChange, TreeEvent
from dffmpeg.wire.events import Here, JobEvent, Missed, WorkerEvent
from dffmpeg.wire.scheduling import QueueState

_ID = "01K9ZQ0F7M4N2X8T6V5B3C1D0H-17"
_JOB = JobEvent(
    job_id=examples.JOB_ID, status="running", requester_id="player", attempt=1, worker_id="worker1"
)

_TREE = TreeEvent(nodes=[TreeChange(path="coordinator/janitor", state="running", kind="actor", restarts=1)])


class JobMessage(msgspec.Struct, kw_only=True):
    """A job has changed."""

    id: str
    event: Literal["job"]
    data: JobEvent


class WorkerMessage(msgspec.Struct, kw_only=True):
    """A worker has changed."""

    id: str
    event: Literal["worker"]
    data: WorkerEvent


class QueueMessage(msgspec.Struct, kw_only=True):
    """The queue was paused or resumed; for administrators."""

    id: str
    event: Literal["queue"]
    data: QueueState


class OverviewMessage(msgspec.Struct, kw_only=True):
    """The cluster at a glance: all of it, when something of it has changed. Not for workers."""

    id: str
    event: Literal["overview"]
    data: ClusterOverview


class AlertsMessage(msgspec.Struct, kw_only=True):
    """What somebody should look at: the whole list, when it has changed. Not for workers."""

    id: str
    event: Literal["alerts"]
    data: list[Alert]


class ProgressMessage(msgspec.Struct, kw_only=True):
    """How far a running job is. Of several in a row only the last is told."""

    id: str
    event: Literal["progress"]
    data: ProgressEvent


class TreeMessage(msgspec.Struct, kw_only=True):
    """What changed of this coordinator's supervision tree; to one who comes, all of it. Administrators'."""

    id: str
    event: Literal["tree"]
    data: TreeEvent


class HereMessage(msgspec.Struct, kw_only=True):
    """The feed begins now."""

    id: str
    event: Literal["here"]
    data: Here


class MissedMessage(msgspec.Struct, kw_only=True):
    """Some events are lost: read anew what you keep."""

    id: str
    event: Literal["missed"]
    data: Missed


def _message(kind: Any, event: str, data: Any) -> Message:
    return Message(text=kind.__doc__, kind=kind, example=kind(id=_ID, event=event, data=data))


_TEXT = (
    "Each event tells how its subject stands by now: of several changes in a row only the last may be told. "
    "A client sees its own jobs and all workers, a worker its jobs and itself, an administrator everything. "
    "`overview`, `alerts`, `progress` and `tree` are told to those who ask for them by `kind`: they have a "
    "present only, so that one who comes, or comes back, is told how it is, whatever `last_event_id` says. "
    "The first change after some quiet is told at once. Each subscriber stretches everybody's interval by "
    "5 ms: 200 of them are told once a second."
)
_PARAMETERS = (
    Parameter(
        name="last_event_id",
        kind=Annotated[str, msgspec.Meta(max_length=128)],
        text="the last event that the subscriber has; what comes behind it is sent, or `missed`",
        example=_ID,
    ),
    Parameter(
        name="kind",
        kind=Annotated[str, msgspec.Meta(max_length=4096)],
        text="some of `job`, `worker`, `queue`, `overview`, `alerts`, `progress`, `tree`, commas between; "
        "the first three where it is not said",
        example="job,worker",
    ),
    Parameter(
        name="interval",
        kind=Annotated[float, msgspec.Meta(ge=0, le=MAX_INTERVAL)],
        text=f"seconds between two messages at least; {INTERVAL} where it is not said",
        example=0.25,
    ),
)

FEED: Mapping[str, Described] = {
    "GET /api/v1/events": Description(
        tag="Observation",
        summary="What changes, as server-sent events",
        text=_TEXT,
        parameters=(
            *_PARAMETERS,
            Parameter(
                name="Last-Event-ID",
                kind=Annotated[str, msgspec.Meta(max_length=128)],
                text="the same as `last_event_id`, and goes before it",
                example=_ID,
                place="header",
            ),
        ),
        answers={
            200: Content(
                text="events without end; `data` by `event`: JobEvent, WorkerEvent, QueueState, Here, "
                "Missed, ClusterOverview, a list of Alert, ProgressEvent, TreeEvent",
                example=f"id: {_ID}\nevent: job\ndata: {msgspec.json.encode(_JOB).decode()}\n\n",
                media=(EVENTS,),
            )
        },
        errors={
            403: "one of the kinds is not for the caller",
            429: "there are as many subscribers as there may be",
        },
    ),
    "WEBSOCKET /api/v1/events": Channel(
        tag="Observation",
        summary="What changes",
        text=(
            f"{_TEXT} After 15 s without an event comes an empty object, or an empty array. With `batch` "
            "each message is an array of those below."
        ),
        parameters=(
            *_PARAMETERS,
            Parameter(
                name="batch",
                kind=bool,
                text="all that is told at once in one message, as an array",
                example=True,
            ),
        ),
        sends=(
            _message(JobMessage, "job", _JOB),
            _message(
                WorkerMessage, "worker", WorkerEvent(worker_id=examples.WORKER_ID, status="online", slots=4)
            ),
            _message(QueueMessage, "queue", examples.QUEUE),
            _message(OverviewMessage, "overview", dashboard.OVERVIEW),
            _message(AlertsMessage, "alerts", [dashboard.ALERT]),
            _message(ProgressMessage, "progress", dashboard.PROGRESS),
            _message(TreeMessage, "tree", _TREE),
            _message(HereMessage, "here", Here()),
            _message(MissedMessage, "missed", Missed(reason="too much has happened since")),
        ),
        closes=CLOSES,
    ),
}

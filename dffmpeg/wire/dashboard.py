"""What the dashboard's pages read: the cluster at a glance, its history, its alerts, and one job in full.

Times are ISO 8601 UTC, durations seconds. What is not known is null, never 0.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dffmpeg.model.alerts import Kind as AlertKind
from dffmpeg.model.alerts import Severity
from dffmpeg.model.progress import Progress
from dffmpeg.wire.bytestring import ByteString
from dffmpeg.wire.jobs import AttemptRecord, JobRecord
from dffmpeg.wire.scheduling import Explanation, QueueState

Span = Literal["hour", "day"]


class Alert(msgspec.Struct, kw_only=True, frozen=True):
    """Something that somebody should look at.

    Attributes:
        kind: what sort of thing it is.
        severity: `error` where jobs wait or fail because of it, else `warning`.
        subject: what it is about: a worker's or a coordinator's id, a downlink's or a database's name;
            with the kind it is unlike that of any other alert.
        text: what is wrong and what to do about it, for a person.
        since: when it began, as far as this coordinator knows.
    """

    kind: AlertKind
    severity: Severity
    subject: str
    text: str
    since: str


class Rates(msgspec.Struct, kw_only=True, frozen=True):
    """Jobs of the last full minute, in the whole cluster; null where nobody counted."""

    submitted: float | None = None
    started: float | None = None
    ended: float | None = None


class OverviewWorker(msgspec.Struct, kw_only=True, frozen=True):
    """A worker at a glance.

    Attributes:
        status: as in a WorkerRecord.
        load: of its machine: processes that run or want to, for each processor (1-minute average); null
            where it does not say.
        speed: seconds of output for each second, summed over its jobs; null where none of them says.
        hold_reason: why it gets no more jobs; null where it does.
    """

    worker_id: str
    status: str
    slots: int
    used_slots: int
    load: float | None = None
    speed: float | None = None
    labels: list[str] = []
    hold_reason: str | None = None


class ClusterOverview(msgspec.Struct, kw_only=True, frozen=True):
    """GET /api/v1/overview, and the feed's `overview`: the cluster at a glance.

    Attributes:
        counts: how many jobs there are in each state, all that the database has.
        queue: whether jobs are given to workers.
        workers: by id, those that are offline too.
        alerts: as GET /api/v1/alerts.
    """

    counts: dict[str, int]
    queue: QueueState
    workers: list[OverviewWorker]
    rates: Rates = Rates()
    alerts: list[Alert] = []


class HistoryPoint(msgspec.Struct, kw_only=True, frozen=True):
    """What happened within one step of time; null is what nobody recorded.

    Attributes:
        at: when the step began.
        submitted, started, completed, failed, canceled: jobs.
        waited_mean, waited_max: how long those waited that were started, seconds.
        queued, running: jobs, on average.
        slots, used_slots: of all workers that were there, on average.
        bytes: of programs' inputs and outputs that went through coordinators.
    """

    at: str
    submitted: int | None = None
    started: int | None = None
    completed: int | None = None
    failed: int | None = None
    canceled: int | None = None
    waited_mean: float | None = None
    waited_max: float | None = None
    queued: float | None = None
    running: float | None = None
    slots: float | None = None
    used_slots: float | None = None
    bytes: int | None = None


class History(msgspec.Struct, kw_only=True, frozen=True):
    """GET /api/v1/history.

    Attributes:
        step: seconds that a point stands for.
        points: the oldest first, without a gap between; the last one may not be over yet.
    """

    step: int
    points: list[HistoryPoint]


class JobCommand(msgspec.Struct, kw_only=True, frozen=True):
    """A command line.

    Attributes:
        line: as one types it into a POSIX shell.
        arguments: the same as a list, the program first.
        directory: where it runs; null where that has no meaning for it.
    """

    line: str
    arguments: list[ByteString]
    directory: ByteString | None = None


class JobCommands(msgspec.Struct, kw_only=True, frozen=True):
    """A job's command line, as each sees its paths.

    Attributes:
        mapped: with `$Name` for the mapped directories, as it travels.
        client: with the directories of whoever submitted it; null where it did not name all of them.
        worker: as the worker of the latest attempt ran it; null where it did not say, which older ones do
            not, and none of a very long command.
        in_view: the worker shows the program its caller's directories under their own names: so the two are
            the same, but for the program and what stands in for encoders.
    """

    mapped: JobCommand
    client: JobCommand | None = None
    worker: JobCommand | None = None
    in_view: bool = False


class TimelineEntry(msgspec.Struct, kw_only=True, frozen=True):
    """Something that happened to a job.

    Attributes:
        what: `submitted`, `ready`, `assigned`, `started`, an attempt's outcome, `retry`, `waiting`,
            `canceling`, or how the job ended.
        text: the same for a person, with its reason.
        attempt: null for what is about the job as a whole.
    """

    at: str
    what: str
    text: str
    attempt: int | None = None
    worker_id: str | None = None


class JobPage(msgspec.Struct, kw_only=True, frozen=True):
    """GET /api/v1/jobs/{id}: all that a page about one job shows.

    Attributes:
        timeline: the oldest first.
        attempts: the first one first.
        progress: of the current attempt; null as long as nothing was said.
        why: why it waits; null once a worker has it.
        stderr: the descriptor under which its stderr is found: 1 with `2>&1`; null where it goes where
            its caller has it go.
    """

    job: JobRecord
    commands: JobCommands
    timeline: list[TimelineEntry]
    attempts: list[AttemptRecord]
    progress: Progress | None = None
    why: Explanation | None = None
    stderr: int | None = 2


class ProgressEvent(msgspec.Struct, kw_only=True, frozen=True):
    """The feed's `progress`: how far a running job is. Of several in a row only the last is told.

    Attributes:
        fraction: done, 0 to 1.
        speed: seconds of output for each second.
        fps: pictures for each second.
        out_time: seconds of output that are done.
        size: bytes written.
        remaining: seconds, if it goes on like this.
        at: when its worker said so.
    """

    job_id: str
    attempt: int
    fraction: float | None = None
    speed: float | None = None
    fps: float | None = None
    out_time: float | None = None
    size: int | None = None
    remaining: float | None = None
    at: str


class TreeChange(msgspec.Struct, kw_only=True, frozen=True):
    """An actor or a supervisor, as it is now.

    Attributes:
        path: the ids from the root on, with `/` between.
        kind: `actor`, `supervisor` or `dynamic_supervisor`.
        state: `starting`, `running`, `restarting`, `stopping`, `stopped`; `removed` for one that is no more,
            of which nothing else is told.
        last_crash: one line; null if it never crashed.
        crashed_at: when that was.
        mailbox_depth: messages that wait.
        children: how many a supervisor has; of those only the first 200 are told.
    """

    path: str
    state: str
    kind: str | None = None
    restarts: int = 0
    last_crash: str | None = None
    crashed_at: str | None = None
    mailbox_depth: int = 0
    mailbox_capacity: int = 0
    children: int = 0


class TreeEvent(msgspec.Struct, kw_only=True, frozen=True):
    """The feed's `tree`: what changed of the supervision tree of the coordinator that sends it.

    Attributes:
        nodes: supervisors before what is below them.
        whole: these are all, whatever was told before: so to a new subscriber, and to one that missed some.
    """

    nodes: list[TreeChange]
    whole: bool = False

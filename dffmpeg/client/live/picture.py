"""What a live view knows: jobs, workers and the queue, put together from lists and from the change feed.

Whatever is new is noted once, in `Picture.news`, for those who write a line for each change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from dffmpeg import summaries
from dffmpeg.model.jobs import TERMINAL
from dffmpeg.model.progress import Progress
from dffmpeg.wire.events import JobEvent, WorkerEvent
from dffmpeg.wire.jobs import JobRecord
from dffmpeg.wire.scheduling import QueueState
from dffmpeg.wire.workers import WorkerRecord

ENDED = 50
"""Ended jobs that are kept: the last ones."""

UNFINISHED = 1000
"""Unfinished jobs that are kept."""


class JobRow(msgspec.Struct, kw_only=True, frozen=True):
    """A job as a live view has it: fields of a JobRecord, and its command line, if that is known."""

    job_id: str
    status: str
    attempt: int = 0
    worker_id: str | None = None
    name: str | None = None
    binary_name: str | None = None
    command: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    created_at: str | None = None
    last_update: str | None = None
    ended_at: str | None = None
    progress: Progress | None = None

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL

    @property
    def title(self) -> str:
        """What people know it by."""
        return self.name or self.command or self.binary_name or "-"

    @property
    def state(self) -> str:
        """Its status, with how its program ended where that is worth a word."""
        if self.signal is not None:
            return f"{self.status} (signal {self.signal})"
        return f"{self.status} (exit code {self.exit_code})" if self.exit_code else self.status


class WorkerRow(msgspec.Struct, kw_only=True, frozen=True):
    """A worker as a live view has it: fields of a WorkerRecord."""

    worker_id: str
    status: str
    slots: int
    used_slots: int = 0
    hold_reason: str | None = None


class Notice(msgspec.Struct, kw_only=True, frozen=True):
    """Something about the view itself, or the cluster as a whole."""

    text: str


class Update(msgspec.Struct, kw_only=True, frozen=True):
    """How far a job is by now."""

    job_id: str
    progress: Progress


Item = JobRow | WorkerRow | QueueState | Notice | Update


class Picture:
    """See the module.

    Attributes:
        place: the coordinator's URL.
        lost: why there is no connection; None while there is one.
        counts: how many jobs the cluster has in each state, as far as one may know.
        ended: the newest last.
        news: what has changed since somebody emptied it.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.lost: str | None = None
        self.queue: QueueState | None = None
        self.counts: dict[str, int] = {}
        self.workers: dict[str, WorkerRow] = {}
        self.jobs: dict[str, JobRow] = {}
        self.ended: dict[str, JobRow] = {}
        self.news: list[Item] = []

    def job(self, job_id: str) -> JobRow | None:
        """A job, finished or not."""
        return self.jobs.get(job_id) or self.ended.get(job_id)

    def running(self) -> list[JobRow]:
        """The jobs that a worker has."""
        return [row for row in self.jobs.values() if row.status != "pending"]

    def unnamed(self) -> list[str]:
        """Jobs with a worker of which nothing but the program's name is known."""
        return [row.job_id for row in self.running() if row.command is None]

    # Connection

    def lose(self, reason: str) -> None:
        """There is no connection any more."""
        if self.lost is None:
            self.news.append(Notice(text=f"connection lost: {reason}; trying again"))
        self.lost = reason

    def regain(self) -> None:
        """There is one again."""
        if self.lost is not None:
            self.news.append(Notice(text="connected again"))
        self.lost = None

    # Lists

    def take_jobs(self, records: Iterable[JobRecord], *, unfinished: bool) -> None:
        """Take a list of jobs, which has all that are unfinished, or some that ended lately."""
        rows = [_of_record(record) for record in records]
        if unfinished:
            there = {row.job_id for row in rows}
            self.jobs = {job_id: row for job_id, row in self.jobs.items() if job_id in there}
        for row in sorted(rows, key=lambda row: row.ended_at or row.created_at or ""):
            self._see(row)

    def take_workers(self, records: Iterable[WorkerRecord]) -> None:
        """Take the list of all workers."""
        known, self.workers = self.workers, {}
        for record in records:
            row = WorkerRow(
                worker_id=record.worker_id,
                status=record.status,
                slots=record.slots,
                used_slots=record.used_slots,
                hold_reason=record.hold_reason,
            )
            self._see_worker(row, known.get(row.worker_id))

    def take_record(self, record: JobRecord) -> None:
        """Take one job's record."""
        self._see(_of_record(record))

    def take_queue(self, queue: QueueState, counts: dict[str, int] | None = None) -> None:
        """Take the queue's switch and, where they are known, the numbers of jobs."""
        if queue != self.queue and (self.queue is not None or queue.paused):
            self.news.append(queue)
        self.queue = queue
        self.counts = self.counts if counts is None else counts

    # Events

    def take_job(self, event: JobEvent) -> None:
        """Take an event of a job."""
        known = self.job(event.job_id)
        if event.status == "removed":
            self.jobs.pop(event.job_id, None)
            self.ended.pop(event.job_id, None)
            return
        row = JobRow(
            job_id=event.job_id,
            status=event.status,
            attempt=event.attempt,
            worker_id=event.worker_id,
            name=event.name,
            binary_name=event.binary_name,
            command=None if known is None else known.command,
            exit_code=event.exit_code,
            signal=event.signal,
            reason=event.reason or event.last_line,
            created_at=event.created_at,
            last_update=event.last_update,
            ended_at=event.ended_at,
            progress=None if known is None or known.attempt != event.attempt else known.progress,
        )
        self._see(row)

    def take_worker(self, event: WorkerEvent) -> None:
        """Take an event of a worker."""
        known = self.workers.pop(event.worker_id, None)
        if event.status == "removed":
            return
        row = WorkerRow(
            worker_id=event.worker_id,
            status=event.status,
            slots=event.slots,
            used_slots=0 if known is None else known.used_slots,
            hold_reason=event.hold_reason,
        )
        self._see_worker(row, known)
        self.workers = dict(sorted(self.workers.items()))

    def take_progress(self, job_id: str, attempt: int, progress: Progress) -> None:
        """Take how far an attempt is."""
        known = self.jobs.get(job_id)
        if known is None or known.attempt != attempt or known.progress == progress:
            return
        self.jobs[job_id] = msgspec.structs.replace(known, progress=progress)
        self.news.append(Update(job_id=job_id, progress=progress))

    def _see(self, row: JobRow) -> None:
        known = self.job(row.job_id)
        if known is not None and known.finished and not row.finished:
            # What was read before its end, and arrived behind it.
            return
        if known is None or _turn(known) != _turn(row):
            self.news.append(row)
        elif row.progress is not None and known.progress != row.progress and not row.finished:
            self.news.append(Update(job_id=row.job_id, progress=row.progress))
        if not row.finished:
            self.jobs[row.job_id] = row
            _bound(self.jobs, UNFINISHED)
            return
        self.jobs.pop(row.job_id, None)
        self.ended[row.job_id] = row
        _bound(self.ended, ENDED)

    def _see_worker(self, row: WorkerRow, known: WorkerRow | None) -> None:
        self.workers[row.worker_id] = row
        if known is None or (known.status, known.slots, known.hold_reason) != (
            row.status,
            row.slots,
            row.hold_reason,
        ):
            self.news.append(row)


def _turn(row: JobRow) -> Sequence[object]:
    """What makes another line."""
    return row.status, row.attempt, row.worker_id


def _bound(rows: dict[str, JobRow], limit: int) -> None:
    while len(rows) > limit:
        del rows[next(iter(rows))]


def _of_record(record: JobRecord) -> JobRow:
    return JobRow(
        job_id=record.job_id,
        status=record.status,
        attempt=record.attempt,
        worker_id=record.worker_id,
        name=record.name,
        binary_name=record.binary_name,
        command=summaries.command_line(record)[:500],
        exit_code=record.exit_code,
        signal=record.signal,
        reason=record.reason or record.last_line,
        created_at=record.created_at,
        last_update=record.last_update,
        ended_at=record.ended_at,
        progress=record.progress,
    )

"""The state of the coordinator in memory, and what tests do to it behind its interface's back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from dffmpeg.actors.coordinator.operations import Conflict, Forbidden, NotFound, Operations
from dffmpeg.model.identities import Identity, Role
from dffmpeg.wire import times
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import JobRecord, LogLine, Position
from dffmpeg.wire.scheduling import QueueState
from dffmpeg.wire.workers import DownlinkMessage, WorkerRecord


@dataclass
class Stream:
    data: bytearray = field(default_factory=bytearray)
    eof: bool = False


@dataclass
class Job:
    record: JobRecord
    streams: dict[Kind, Stream] = field(
        default_factory=lambda: {Kind.STDOUT: Stream(), Kind.STDERR: Stream()}
    )
    logs: list[LogLine] = field(default_factory=list)
    inputs: list[Frame] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    messages: list[DownlinkMessage] = field(default_factory=list)
    heartbeats: int = 0


class MemoryState(Operations):
    """`failure`, if set, is raised by every operation on a job."""

    def __init__(self) -> None:  # without the services of the real ones
        self.all: dict[str, Job] = {}
        self.known_workers: dict[str, WorkerRecord] = {}
        self.queues: dict[str, list[DownlinkMessage]] = {}
        self.attached: dict[str, trio.MemorySendChannel[DownlinkMessage]] = {}
        self.swept: list[str] = []
        self.queue = QueueState(paused=False)
        self.moved: set[str] = set()
        """Workers that another coordinator looks after."""
        self.departures: list[tuple[str, bool, bool]] = []
        """Followers' ends: the job, whether it was the owner, and whether it closed by itself."""
        self.failure: Exception | None = None
        self.health_status = "online"
        self.hold = trio.Event()
        """Operations on a job wait for it."""
        self.hold.set()
        self.entered = trio.Event()
        self.detached = trio.Event()
        self._numbers = itertools.count(1)
        self._changed = trio.Event()

    def change(self) -> None:
        """Wake whoever waits for news."""
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    def write(self, job_id: str, kind: Kind, data: bytes, *, eof: bool = False) -> None:
        stream = self.all[job_id].streams[kind]
        stream.data += data
        stream.eof = eof
        self.change()

    def end(self, job_id: str, status: str = "completed", exit_code: int | None = 0) -> None:
        job = self.all[job_id]
        for stream in job.streams.values():
            stream.eof = True
        job.record.status, job.record.exit_code = status, exit_code
        self.change()

    def again(self, job_id: str) -> None:
        """The job begins its next attempt."""
        job = self.all[job_id]
        job.record.attempt += 1
        job.streams = {Kind.STDOUT: Stream(), Kind.STDERR: Stream()}
        self.change()

    def post(self, recipient: str, job_id: str | None = None) -> DownlinkMessage:
        message = DownlinkMessage(
            message_id=f"{next(self._numbers):026}",
            recipient_id=recipient,
            timestamp=times.to_wire(time.time()),
            message_type="job_status",
            payload={"status": "running"},
            job_id=job_id,
        )
        if job_id is not None:
            self.all[job_id].messages.append(message)
        else:
            self.queues.setdefault(recipient, []).append(message)
        if recipient in self.attached:
            self.attached[recipient].send_nowait(message)
        self.change()
        return message

    async def _until(self, ready: Callable[[], list[object]], wait: float) -> None:
        with trio.move_on_after(wait):
            while not ready():
                await self._changed.wait()

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until something that tests look for has happened."""
        while not ready():
            await self._changed.wait()

    async def _job(self, who: Identity, job_id: str) -> Job:
        self.entered.set()
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        job = self.all.get(job_id)
        if job is None:
            raise NotFound(f"no job {job_id}")
        if who.role is Role.CLIENT and job.record.requester_id != who.client_id:
            raise Forbidden("not your job")
        return job

    async def _attempt(self, who: Identity, job_id: str, attempt: int | None) -> Job:
        job = await self._job(who, job_id)
        if job.record.worker_id not in (None, who.client_id):
            raise Conflict("not your job any more")
        if attempt not in (None, job.record.attempt):
            raise Conflict("stale attempt")
        return job

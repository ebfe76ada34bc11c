"""The coordinator's operations in memory: small, but with the rules that callers can see."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from dffmpeg.actors.coordinator.operations import Conflict, Ear, Forbidden, NotFound, Operations
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import JobState
from dffmpeg.model.workers import Hold
from dffmpeg.wire import bytestring, codec, times
from dffmpeg.wire.administration import Overview, RetryRequest
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.jobs import (
    AttemptRecord,
    AttemptReport,
    FinishReport,
    JobRecord,
    LogLine,
    LogsRequest,
    OutputReply,
    Position,
    StatusReply,
    StreamAck,
    SubmitRequest,
)
from dffmpeg.wire.scheduling import Explanation, QueueState
from dffmpeg.wire.workers import DownlinkMessage, RegisterReply, RegisterRequest, WorkerRecord


class MemoryIdentities:
    """What the repository of identities offers to the web layer."""

    def __init__(self) -> None:
        self.known: dict[str, Identity] = {}
        self.failure: Exception | None = None

    async def get(self, client_id: str) -> Identity | None:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        return self.known.get(client_id)


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


class MemoryOperations(Operations):
    """One coordinator. `failure`, if set, is raised by every operation on a job."""

    def __init__(self) -> None:  # without the services of the real ones
        self.all: dict[str, Job] = {}
        self.known_workers: dict[str, WorkerRecord] = {}
        self.queues: dict[str, list[DownlinkMessage]] = {}
        self.attached: dict[str, trio.MemorySendChannel[DownlinkMessage]] = {}
        self.swept: list[str] = []
        self.queue = QueueState(paused=False)
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

    # What tests do behind the interface's back

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

    # Jobs

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

    async def submit(self, who: Identity, request: SubmitRequest) -> JobRecord:
        bytestring.list_from_wire(request.arguments, "arguments")
        if self.failure is not None:
            raise self.failure
        now = times.to_wire(time.time())
        job_id = request.job_id or f"JOB{next(self._numbers):023}"
        record = JobRecord(
            job_id=job_id,
            requester_id=who.client_id,
            binary_name=request.binary_name,
            arguments=request.arguments,
            paths=list(request.paths),
            working_directory=request.working_directory,
            status="pending",
            attempt=1,
            max_attempts=3,
            exit_code=None,
            worker_id=None,
            created_at=now,
            last_update=now,
            worker_last_seen=None,
            client_last_seen=None,
            heartbeat_interval=request.heartbeat_interval or 5.0,
            monitor=request.monitor,
            transport="websocket",
            transport_metadata={"path": f"/jobs/{job_id}/follow"},
        )
        self.all[job_id] = Job(record)
        return record

    async def job(self, who: Identity, job_id: str) -> JobRecord:
        return (await self._job(who, job_id)).record

    async def jobs(
        self,
        who: Identity,
        *,
        window: float,
        since_id: str | None,
        limit: int,
        states: Collection[JobState] | None = None,
        requester: str | None = None,
        labels: Collection[str] = (),
        name: str | None = None,
    ) -> list[JobRecord]:
        mine = (job.record for job in self.all.values() if job.record.requester_id == who.client_id)
        return [record for record in mine if since_id is None or record.job_id > since_id][:limit]

    async def cancel(self, who: Identity, job_id: str) -> StatusReply:
        job = await self._job(who, job_id)
        if job.record.finished:
            return StatusReply(detail=f"the job was {job.record.status} already")
        self.end(job_id, "canceled", None)
        return StatusReply()

    async def client_heartbeat(self, who: Identity, job_id: str, *, monitor: bool | None) -> StatusReply:
        job = await self._job(who, job_id)
        if monitor is not None:
            job.record.monitor = monitor
        job.heartbeats += 1
        self.change()
        return StatusReply()

    def _news(self, job: Job, cursor: Position) -> list[Frame]:
        attempt = job.record.attempt
        fresh = cursor.attempt < attempt
        news = []
        if (fresh or cursor.status != job.record.status) and not job.record.finished:
            news.append(Frame(Kind.STATUS, attempt, 0, codec.encode(job.record)))
        for kind, known in ((Kind.STDOUT, cursor.stdout), (Kind.STDERR, cursor.stderr)):
            stream, start = job.streams[kind], 0 if fresh else known
            data = bytes(stream.data[start:])
            if data or (stream.eof and job.record.finished):
                news.append(Frame(kind, attempt, start, data, eof=stream.eof))
        if job.record.finished:
            news.append(Frame(Kind.STATUS, attempt, 0, codec.encode(job.record)))
        return news

    async def follow(
        self, who: Identity, job_id: str, cursor: Position, ear: Ear | None = None
    ) -> list[Frame]:
        job = await self._job(who, job_id)
        await self._until(lambda: list(self._news(job, cursor)), cursor.wait if ear is None else math.inf)
        return self._news(job, cursor)

    async def input(self, who: Identity, job_id: str, frames: Sequence[Frame]) -> list[Frame]:
        job = await self._job(who, job_id)
        job.inputs += frames
        self.change()
        return []

    def left(self, job_id: str, ear: Ear, *, gone: bool) -> None:
        self.departures.append((job_id, ear.heard is not None, gone))
        self.change()

    async def acknowledge(self, who: Identity, job_id: str, position: Position) -> None:
        job = await self._job(who, job_id)
        job.positions.append(position)
        self.change()

    async def attempts(self, who: Identity, job_id: str) -> list[AttemptRecord]:
        await self._job(who, job_id)
        return []

    async def log_lines(
        self, who: Identity, job_id: str, *, since: str | None, limit: int
    ) -> tuple[list[LogLine], str | None]:
        lines = (await self._job(who, job_id)).logs[int(since or 0) :][:limit]
        return lines, str(int(since or 0) + len(lines))

    async def accept(self, who: Identity, job_id: str, report: AttemptReport) -> StatusReply:
        job = await self._attempt(who, job_id, report.attempt)
        if job.record.status != "pending":
            raise Conflict(f"the job is {job.record.status}")
        job.record.status, job.record.worker_id = "running", who.client_id
        self.change()
        return StatusReply()

    async def reject(self, who: Identity, job_id: str, report: AttemptReport) -> StatusReply:
        await self._attempt(who, job_id, report.attempt)
        return StatusReply()

    async def worker_heartbeat(self, who: Identity, job_id: str, report: AttemptReport) -> StatusReply:
        await self._attempt(who, job_id, report.attempt)
        return StatusReply()

    async def finish(self, who: Identity, job_id: str, report: FinishReport) -> StatusReply:
        await self._attempt(who, job_id, report.attempt)
        self.end(job_id, report.status, report.exit_code)
        return StatusReply()

    async def output(self, who: Identity, job_id: str, frames: Sequence[Frame]) -> OutputReply:
        job = await self._job(who, job_id)
        for frame in frames:
            if frame.attempt != job.record.attempt:
                raise Conflict("stale attempt")
            stream = job.streams[frame.kind]
            stream.data[frame.offset :] = frame.payload
            stream.eof = frame.eof
        self.change()
        acks = [
            StreamAck(received=len(job.streams[kind].data), acked=len(job.streams[kind].data))
            for kind in (Kind.STDOUT, Kind.STDERR)
        ]
        return OutputReply(stdout=acks[0], stderr=acks[1])

    async def add_log_lines(self, who: Identity, job_id: str, request: LogsRequest) -> StatusReply:
        (await self._job(who, job_id)).logs.extend(request.logs)
        return StatusReply()

    # Workers

    async def register(self, who: Identity, request: RegisterRequest) -> RegisterReply:
        if request.worker_id != who.client_id:
            raise Forbidden("not your name")
        self.known_workers[who.client_id] = WorkerRecord(
            worker_id=who.client_id,
            status=request.status,
            capabilities=request.capabilities,
            binaries=list(request.binaries),
            paths=list(request.paths),
            registration_interval=request.registration_interval,
            slots=request.slots,
            used_slots=0,
            version=request.version,
            transport="websocket",
            last_seen=times.to_wire(time.time()),
        )
        return RegisterReply(transport="websocket", transport_metadata={}, status="registering", lease=60.0)

    async def verify(self, who: Identity, worker_id: str, token: str) -> StatusReply:
        if token != "token":
            raise BadInput("registration_token: not the one that was sent")
        return StatusReply()

    async def deregister(self, who: Identity, worker_id: str) -> StatusReply:
        self.known_workers.pop(worker_id, None)
        return StatusReply()

    async def workers(self, who: Identity, *, window: float) -> list[WorkerRecord]:
        return list(self.known_workers.values())

    async def worker(self, who: Identity, worker_id: str) -> WorkerRecord:
        if worker_id not in self.known_workers:
            raise NotFound(f"no worker {worker_id}")
        return self.known_workers[worker_id]

    # Messages

    async def poll_worker(self, who: Identity, *, last: str | None, wait: float) -> list[DownlinkMessage]:
        queue = self.queues.setdefault(who.client_id, [])
        return await self._behind(queue, last, wait)

    async def poll_job(
        self, who: Identity, job_id: str, *, last: str | None, wait: float
    ) -> list[DownlinkMessage]:
        return await self._behind((await self._job(who, job_id)).messages, last, wait)

    async def _behind(
        self, queue: list[DownlinkMessage], last: str | None, wait: float
    ) -> list[DownlinkMessage]:
        def fresh() -> list[DownlinkMessage]:
            return [message for message in queue if last is None or message.message_id > last]

        await self._until(lambda: list(fresh()), wait)
        if self.failure is not None:
            raise self.failure
        return fresh()

    @asynccontextmanager
    async def downlink(self, who: Identity, worker_id: str) -> AsyncIterator[AsyncIterator[DownlinkMessage]]:
        if who.client_id != worker_id:
            raise Forbidden("not your downlink")
        send, receive = trio.open_memory_channel[DownlinkMessage](100)
        if worker_id in self.attached:
            self.attached[worker_id].close()
        self.attached[worker_id] = send
        self.change()
        try:
            yield receive
        finally:
            send.close()
            receive.close()
            if self.attached.get(worker_id) is send:
                del self.attached[worker_id]
            self.detached.set()

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until something that tests look for has happened."""
        while not ready():
            await self._changed.wait()

    # The rest

    async def run_janitor(self, who: Identity, action: str) -> JanitorRecord:
        self.swept.append(action)
        now = times.to_wire(time.time())
        return JanitorRecord(run_id="1", action=action, started_at=now, ended_at=now, result={})

    async def retry(self, who: Identity, job_id: str, request: RetryRequest) -> JobRecord:
        return (await self._job(who, job_id)).record

    async def set_priority(self, who: Identity, job_id: str, wanted: int | str) -> JobRecord:
        record = (await self._job(who, job_id)).record
        assert isinstance(wanted, int)
        record.priority = wanted
        return record

    async def purge(self, who: Identity, job_id: str) -> StatusReply:
        await self._job(who, job_id)
        del self.all[job_id]
        return StatusReply()

    async def remove_worker(self, who: Identity, worker_id: str) -> StatusReply:
        if self.known_workers.pop(worker_id, None) is None:
            raise NotFound(f"no worker {worker_id}")
        return StatusReply()

    async def why(self, who: Identity, job_id: str) -> Explanation:
        record = (await self._job(who, job_id)).record
        return Explanation(job_id=job_id, status=record.status, waits_for=[])

    async def hold_worker(
        self,
        who: Identity,
        worker_id: str,
        hold: Hold,
        *,
        reason: str | None = None,
        seconds: float | None = None,
    ) -> WorkerRecord:
        record = await self.worker(who, worker_id)
        until = None if seconds is None else times.to_wire(time.time() + seconds)
        record.hold, record.hold_reason, record.hold_until = hold.value, reason, until
        return record

    async def release_worker(self, who: Identity, worker_id: str) -> WorkerRecord:
        record = await self.worker(who, worker_id)
        record.hold = record.hold_reason = record.hold_until = None
        return record

    async def probe(self, who: Identity, worker_id: str, *, benchmark: bool = False) -> StatusReply:
        await self.worker(who, worker_id)
        return StatusReply(detail="measured too" if benchmark else None)

    async def queue_state(self, who: Identity) -> QueueState:
        return self.queue

    async def pause_queue(self, who: Identity, reason: str | None = None) -> QueueState:
        self.queue = QueueState(paused=True, reason=reason, changed_by=who.client_id)
        return self.queue

    async def resume_queue(self, who: Identity) -> QueueState:
        self.queue = QueueState(paused=False, changed_by=who.client_id)
        return self.queue

    async def janitor_runs(self, who: Identity, *, limit: int) -> list[JanitorRecord]:
        now = times.to_wire(time.time())
        return [
            JanitorRecord(run_id=str(number), action=action, started_at=now, ended_at=now, result={})
            for number, action in enumerate(self.swept)
        ][-limit:]

    async def cluster(self, who: Identity, window: float) -> Overview:
        return Overview(
            status=self.health_status,
            version="1",
            counts={},
            workers=list(self.known_workers.values()),
            live=[job.record for job in self.all.values()],
            failed=[],
            queue=self.queue,
        )

    async def overview(self, window: float) -> dict[str, object]:
        return {
            "workers": codec.to_builtins(list(self.known_workers.values())),
            "worker_load": {name: record.used_slots for name, record in self.known_workers.items()},
            "jobs": [codec.to_builtins(job.record) for job in self.all.values()],
            "counts": {},
        }

    async def health(self, *, deep: bool) -> dict[str, object]:
        self.entered.set()
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        report: dict[str, object] = {"status": self.health_status, "version": "1"}
        if deep:
            report |= {"databases": {}, "transports": {}}
        return report

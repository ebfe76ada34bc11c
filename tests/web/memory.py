"""The coordinator's operations in memory: small, but with the rules that callers can see."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from dffmpeg.actors.coordinator.operations import Conflict, Ear, Forbidden, LogSource, NotFound
from dffmpeg.actors.coordinator.operations.logs import LogStream
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import JobState
from dffmpeg.wire import bytestring, codec, times
from dffmpeg.wire.frames import Frame, Kind
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
from dffmpeg.wire.workers import DownlinkMessage, RegisterReply, RegisterRequest, WorkerRecord
from tests.web.memory_administration import MemoryAdministration
from tests.web.memory_state import Job


class MemoryIdentities:
    """What the repository of identities offers to the web layer."""

    def __init__(self) -> None:
        self.known: dict[str, Identity] = {}
        self.failure: Exception | None = None

    async def get(self, client_id: str) -> Identity | None:
        return await self.look_up(client_id)

    def recall(self, client_id: str) -> Identity | None:
        return None if self.failure is not None else self.known.get(client_id)

    async def look_up(self, client_id: str) -> Identity | None:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        return self.known.get(client_id)

    async def current(self, client_ids: Collection[str]) -> Mapping[str, Identity]:
        await trio.lowlevel.checkpoint()
        return {name: self.known[name] for name in client_ids if name in self.known}


class MemoryOperations(MemoryAdministration):
    """One coordinator: what it says of jobs, attempts and workers."""

    # Jobs

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
        self,
        who: Identity,
        job_id: str,
        cursor: Position,
        ear: Ear | None = None,
        *,
        outputs: Collection[int] | None = None,
    ) -> list[Frame]:
        assert outputs is None
        job = await self._job(who, job_id)
        await self._until(lambda: list(self._news(job, cursor)), cursor.wait if ear is None else math.inf)
        return self._news(job, cursor)

    async def log_source(
        self, who: Identity, job_id: str, stream: LogStream, attempt: int | None
    ) -> LogSource:
        await self._job(who, job_id)
        return LogSource(job_id, 1 if stream == "stdout" else 2, attempt or 1, 1)

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

    async def deregister(self, who: Identity, worker_id: str, instance: str | None = None) -> StatusReply:
        self.known_workers.pop(worker_id, None)
        return StatusReply()

    async def workers(self, who: Identity, *, window: float) -> list[WorkerRecord]:
        return list(self.known_workers.values())

    async def worker(self, who: Identity, worker_id: str) -> WorkerRecord:
        if worker_id not in self.known_workers:
            raise NotFound(f"no worker {worker_id}")
        return self.known_workers[worker_id]

    # Messages

    async def poll_worker(
        self, who: Identity, *, last: str | None, wait: float, instance: str | None = None
    ) -> list[DownlinkMessage]:
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

    async def looks_after(self, worker_id: str) -> bool:
        return worker_id not in self.moved

    @asynccontextmanager
    async def downlink(
        self, who: Identity, worker_id: str, instance: str | None = None
    ) -> AsyncIterator[AsyncIterator[DownlinkMessage]]:
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

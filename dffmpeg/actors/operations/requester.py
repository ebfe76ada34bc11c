"""What a requester may do: submit, look, follow, cancel."""

from __future__ import annotations

import time

import trio
from ulid import ULID

from dffmpeg.actors.job_messages import Acknowledge, Cancel, Follow
from dffmpeg.actors.operations.base import TRIES, Base, NotLive, require
from dffmpeg.actors.refusals import Forbidden, Unavailable
from dffmpeg.actors.relays import ended_frames
from dffmpeg.actors.services import wait_at_most
from dffmpeg.errors import BadInput
from dffmpeg.model import access, jobs
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.transports.downlink import Downlink
from dffmpeg.wire import codec
from dffmpeg.wire.bytestring import from_wire, list_from_wire
from dffmpeg.wire.frames import MAX_PAYLOAD, Frame
from dffmpeg.wire.jobs import JobRecord, Position, StatusReply, SubmitRequest
from dffmpeg.wire.records import job_record, status_frame

MAX_RECORD = MAX_PAYLOAD - 64 * 1024
"""Bytes of a job's record as JSON: it has to fit into a frame, and into a message to a worker, whatever
reason it ends with."""


class RequesterOperations(Base):
    """Each may raise `NotFound`, `Forbidden` and `Unavailable`, and `BadInput` where it takes a body."""

    async def submit(self, who: Identity, request: SubmitRequest) -> JobRecord:
        """Queue a job; it is durable when this returns."""
        require(who, Role.CLIENT, Role.ADMIN)
        downlink = self._services.downlinks.choose(request.supported_transports)
        if downlink is None:
            raise BadInput(
                f"supported_transports: none of {request.supported_transports} is enabled here;"
                f" enabled: {self._services.downlinks.names}"
            )
        job = self._new_job(who, request, downlink)
        record = job_record(job)
        if len(codec.encode(record)) > MAX_RECORD:
            raise BadInput(f"arguments: too much altogether: the job's record may have {MAX_RECORD} bytes")
        await self._services.store.jobs.add(job)
        self._services.wake_scheduler()
        return record

    def _new_job(self, who: Identity, request: SubmitRequest, downlink: Downlink) -> Job:
        config = self._services.config
        if request.binary_name not in config.allowed_binaries:
            raise BadInput(
                f"binary_name: {request.binary_name!r} is not allowed here;"
                f" allowed: {', '.join(config.allowed_binaries)}"
            )
        if len(request.arguments) > config.limits.arguments:
            raise BadInput(
                f"arguments: {len(request.arguments)}, at most {config.limits.arguments} are allowed"
            )
        now = time.time()
        job_id = str(ULID())
        directory = request.working_directory
        return Job(
            job_id=job_id,
            requester_id=who.client_id,
            binary_name=request.binary_name,
            arguments=list_from_wire(request.arguments, "arguments"),
            paths=tuple(dict.fromkeys(request.paths)),
            working_directory=None if directory is None else from_wire(directory, "working_directory"),
            client_paths={
                name: from_wire(path, f"client_paths.{name}") for name, path in request.client_paths.items()
            },
            state=JobState.PENDING,
            attempt=0,
            worker_id=None,
            exit_code=None,
            signal=None,
            reason=None,
            monitor=request.monitor,
            heartbeat_interval=request.heartbeat_interval or config.default_job_heartbeat_interval,
            transport=downlink.name,
            transport_metadata=downlink.job_metadata(who.client_id, job_id),
            supported_transports=tuple(request.supported_transports),
            pending_timeout=request.pending_timeout or config.default_pending_timeout,
            max_attempts=request.max_attempts or config.retries.max_attempts,
            not_before=None,
            created_at=now,
            last_update=now,
            worker_last_seen=None,
            client_last_seen=now if request.monitor else None,
            excluded_worker=None,
        )

    async def job(self, who: Identity, job_id: str) -> JobRecord:
        """One job, as its requester, its worker or an administrator may see it."""
        return job_record(await self._visible(who, job_id))

    async def jobs(
        self, who: Identity, *, window: float, since_id: str | None, limit: int
    ) -> list[JobRecord]:
        """The caller's jobs (an administrator's: everybody's), newest first.

        Args:
            window: those that have not ended, or ended within so many seconds.
            since_id: only those behind this one in the list: older ones.
        """
        require(who, Role.CLIENT, Role.ADMIN)
        rows = await self._services.store.jobs.list(
            requester_id=None if who.role is Role.ADMIN else who.client_id,
            since=time.time() - window,
            states=None,
            limit=limit,
            before_id=since_id,
        )
        return [job_record(row) for row in rows]

    async def cancel(self, who: Identity, job_id: str) -> StatusReply:
        """Ask for a job to end; when this returns, that it was asked for is durable."""
        request = Cancel(who, f"canceled by {who.client_id}")
        for _ in range(TRIES):
            try:
                await self._ask(job_id, request)
                return StatusReply()
            except NotLive as error:
                job = error.job
            if not access.may_command(who, job):
                raise Forbidden(f"job {job_id} is not yours")
            if job.state in jobs.TERMINAL:
                return StatusReply(detail=f"the job is {job.state} already")
            canceled = jobs.request_cancel(job, time.time(), request.reason)
            if await self._services.store.jobs.apply(canceled):
                await self._services.announce(canceled.made(job))
                return StatusReply()
        raise Unavailable(f"job {job_id} changes too fast")

    async def client_heartbeat(self, who: Identity, job_id: str, *, monitor: bool | None) -> StatusReply:
        """Renew the client's lease."""
        del monitor
        try:
            await self._ask(job_id, Acknowledge(who, Position()))
        except NotLive as error:
            return await self._seen(who, error.job)
        return StatusReply()

    async def _seen(self, who: Identity, job: Job) -> StatusReply:
        """The client of a job without an actor was here."""
        if not access.may_see(who, job):
            raise Forbidden(f"job {job.job_id} is not yours")
        if job.state in jobs.TERMINAL:
            return StatusReply(detail=f"the job is {job.state} already")
        if job.monitor and access.is_owner(who, job):
            await self._services.store.jobs.seen_by_client(job.job_id, time.time())
        return StatusReply()

    async def acknowledge(self, who: Identity, job_id: str, position: Position) -> None:
        """Take a follower's position: the owner's frees the window and renews the client's lease.

        Anybody else's means nothing here, and is not looked at.
        """
        if not position.owner:
            return
        try:
            await self._ask(job_id, Acknowledge(who, position))
        except NotLive as error:
            await self._seen(who, error.job)

    async def follow(self, who: Identity, job_id: str, cursor: Position) -> list[Frame]:
        """What is newer than the cursor; waits up to `cursor.wait` seconds for something to be.

        Does not acknowledge.
        """
        deadline = trio.current_time() + cursor.wait
        while True:
            changed = self._services.changed.listen(job_id)
            left = max(0.0, deadline - trio.current_time())
            try:
                return await self._ask(job_id, Follow(who, cursor, left), hold=left)
            except NotLive as error:
                job = error.job
            if not access.may_see(who, job):
                raise Forbidden(f"job {job_id} is not yours")
            if job.state in jobs.TERMINAL:
                return await ended_frames(job, cursor, self._services.store.streams)
            if (cursor.status, cursor.attempt) != (job.state.value, job.attempt):
                return [status_frame(job)]
            if not await wait_at_most(changed, left):
                self._services.changed.forget(job_id, changed)
                return []

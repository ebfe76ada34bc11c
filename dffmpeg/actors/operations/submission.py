"""Submitting a job."""

from __future__ import annotations

import time

from ulid import ULID

from dffmpeg.actors.operations.base import Base, require
from dffmpeg.actors.refusals import Conflict
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.retries import check_patterns
from dffmpeg.model.rules import Rules
from dffmpeg.store.errors import Duplicate
from dffmpeg.transports.downlink import Downlink
from dffmpeg.wire import codec, descriptors
from dffmpeg.wire.bytestring import from_wire, list_from_wire
from dffmpeg.wire.frames import MAX_PAYLOAD
from dffmpeg.wire.jobs import JobRecord, SubmitRequest
from dffmpeg.wire.records import job_record

MAX_RECORD = MAX_PAYLOAD - 64 * 1024
"""Bytes of a job's record as JSON: it has to fit into a frame, and into a message to a worker, whatever
reason it ends with."""


class SubmissionOperations(Base):
    """May raise `Forbidden`, and `BadInput` where the request cannot be carried out."""

    async def submit(self, who: Identity, request: SubmitRequest) -> JobRecord:
        """Queue a job; it is durable when this returns.

        Repeating a submission with the same `job_id` changes nothing.

        Raises:
            Conflict: another requester's job has this id.
        """
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
        try:
            await self._services.store.jobs.add(job)
        except Duplicate:
            if request.job_id is None:
                raise
            return await self._submitted_before(who, request.job_id)
        self._services.wake_scheduler()
        return record

    async def _submitted_before(self, who: Identity, job_id: str) -> JobRecord:
        job = await self._row(job_id)
        if job.requester_id != who.client_id:
            raise Conflict(f"there is another job {job_id}")
        return job_record(job)

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
        if request.launch is not None:
            descriptors.check(request.launch)
        check_patterns(request.retry_stderr)
        now = time.time()
        job_id = request.job_id or str(ULID())
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
            launch=None if request.launch is None else codec.encode(request.launch),
            rules=_rules(request),
        )


def _rules(request: SubmitRequest) -> Rules:
    return Rules(
        assignment_timeout=request.assignment_timeout,
        lease=request.lease,
        run_timeout=request.run_timeout,
        stall_timeout=request.stall_timeout,
        retry_exit_codes=tuple(dict.fromkeys(request.retry_exit_codes)),
        retry_stderr=tuple(dict.fromkeys(request.retry_stderr)),
        impossible=request.impossible,
        retention=request.retention,
        hooks=tuple(dict.fromkeys(request.hooks)),
    )

"""Submitting a job."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence

from ulid import ULID

from dffmpeg.actors.coordinator.hindrances import judged
from dffmpeg.actors.coordinator.operations.base import Base, require
from dffmpeg.actors.coordinator.refusals import Conflict, Forbidden, TooMany
from dffmpeg.errors import BadInput
from dffmpeg.model import access, hooks, idempotency, priorities
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.needs import Needs, merged, written
from dffmpeg.model.paths import variables_written
from dffmpeg.model.requirements import needs_of
from dffmpeg.model.retries import check_patterns
from dffmpeg.model.rules import Rules
from dffmpeg.store.errors import Duplicate
from dffmpeg.transports.downlink import Downlink
from dffmpeg.wire import codec, descriptors
from dffmpeg.wire.bytestring import from_wire, list_from_wire
from dffmpeg.wire.frames import MAX_PAYLOAD
from dffmpeg.wire.jobs import JobRecord, SubmitRequest
from dffmpeg.wire.records import job_record

log = logging.getLogger(__name__)

MAX_RECORD = MAX_PAYLOAD - 64 * 1024
"""Bytes of a job's record as JSON: it has to fit into a frame, and into a message to a worker, whatever
reason it ends with."""


class SubmissionOperations(Base):
    """May raise `Forbidden`, and `BadInput` where the request cannot be carried out."""

    async def submit(self, who: Identity, request: SubmitRequest) -> JobRecord:
        """Queue a job; it is durable when this returns.

        Repeating a submission with the same `job_id`, or with the same `idempotency_key`, changes
        nothing, and is answered with the job as it is by now.

        Raises:
            Conflict: another requester's job has this id; or a job with this key is different work.
            TooMany: as many jobs are in the queue as there may be.
        """
        require(who, Role.CLIENT, Role.ADMIN)
        downlink = self._services.downlinks.choose(request.supported_transports)
        job = self._new_job(who, request, downlink)
        if len(codec.encode(job_record(job))) > MAX_RECORD:
            raise BadInput(f"arguments: too much altogether: the job's record may have {MAX_RECORD} bytes")
        stored, is_new = await self._store(who, job)
        if is_new:
            self._count_fallbacks(who, request.local_fallbacks)
        if stored.requester_id != who.client_id:
            raise Conflict(f"there is another job {job.job_id}")
        if stored.job_id != job.job_id:
            return _same_key(stored, job)
        self._services.follow_up(stored)
        self._services.wake_scheduler()
        if stored.state is not JobState.PENDING:
            return job_record(stored)
        return job_record(await judged(self._services, stored))

    async def _store(self, who: Identity, job: Job) -> tuple[Job, bool]:
        """The job as it is in the queue, or the one that was submitted so before; and whether it is new."""
        store = self._services.store
        if job.predecessors:
            # Those of what was taken before may have been removed since.
            known = await store.jobs.submitted(job)
            if known is not None:
                return known, False
            await self._check_predecessors(who, job.predecessors)
        try:
            with self._services.backlog.admitted(store, job):
                stored = await store.jobs.add(job)
        except (Duplicate, TooMany):
            # What was taken before is not refused when it is submitted again.
            known = await store.jobs.submitted(job)
            if known is None:
                raise
            return known, False
        return stored, stored.job_id == job.job_id

    def _count_fallbacks(self, who: Identity, times: int) -> None:
        if times:
            self._services.measurements.ran_locally(times)
            log.info("%s ran a local program in place of a job, %d times in all", who.client_id, times)

    async def _check_predecessors(self, who: Identity, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            predecessor = await self._services.store.jobs.get(job_id)
            if predecessor is None:
                raise BadInput(f"after: there is no job {job_id}")
            if not access.may_command(who, predecessor):
                raise Forbidden(f"after: job {job_id} is not yours")

    def _new_job(self, who: Identity, request: SubmitRequest, downlink: Downlink) -> Job:
        config = self._services.config
        self._check(request)
        now = time.time()
        job_id = request.job_id or str(ULID())
        wired = request.working_directory
        directory = None if wired is None else from_wire(wired, "working_directory")
        arguments = list_from_wire(request.arguments, "arguments")
        starts = request.start_at if request.start_at is not None and request.start_at > now else None
        return Job(
            job_id=job_id,
            requester_id=who.client_id,
            binary_name=request.binary_name,
            arguments=arguments,
            needs=merged(
                needs_of(request.binary_name, arguments, request.require, config.scheduling.resources),
                _written(request, arguments, directory),
            ),
            paths=tuple(dict.fromkeys(request.paths)),
            working_directory=directory,
            client_paths={
                name: from_wire(path, f"client_paths.{name}") for name, path in request.client_paths.items()
            },
            monitor=request.monitor,
            heartbeat_interval=request.heartbeat_interval or config.default_job_heartbeat_interval,
            transport=downlink.name,
            transport_metadata=downlink.job_metadata(who.client_id, job_id),
            supported_transports=tuple(request.supported_transports),
            pending_timeout=request.pending_timeout or config.default_pending_timeout,
            max_attempts=request.max_attempts or config.retries.max_attempts,
            not_before=starts,
            ready_at=starts or now,
            created_at=now,
            last_update=now,
            client_last_seen=now if request.monitor else None,
            launch=None if request.launch is None else codec.encode(request.launch),
            name=request.name,
            labels=tuple(dict.fromkeys(request.labels)),
            priority=priorities.resolve(request.priority, config.scheduling.classes),
            rules=_rules(request),
            predecessors=tuple(dict.fromkeys(request.after)),
            idempotency_key=request.idempotency_key,
            size=request.size,
        )

    def _check(self, request: SubmitRequest) -> None:
        """Refuse what the protocol allows and this coordinator does not."""
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
        if request.job_id is not None and request.job_id in request.after:
            raise BadInput("after: a job cannot come after itself")
        for url in request.hooks:
            refusal = hooks.problem(url, config.hooks.allowed)
            if refusal is not None:
                raise BadInput(f"hooks: {refusal}")


def _written(request: SubmitRequest, arguments: Sequence[bytes], directory: bytes | None) -> Needs:
    """The path variables whose directories it changes: by its command line, or by what it was given open."""
    given = [] if request.launch is None else request.launch.descriptors
    files = [
        from_wire(one.path, "launch.descriptors.path")
        for one in given
        if one.kind == "file" and one.direction == "out" and one.path is not None
    ]
    opened = Needs(writes=variables_written(files, request.paths))
    return merged(opened, written(request.binary_name, arguments, request.paths, directory))


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
        traceparent=request.traceparent,
        hooks=tuple(dict.fromkeys(request.hooks)),
    )


def _same_key(earlier: Job, later: Job) -> JobRecord:
    field = idempotency.difference(earlier, later)
    key = later.idempotency_key
    if field is not None:
        raise Conflict(
            f"idempotency_key: job {earlier.job_id} was submitted with {key!r} and differs in {field};"
            " use another key for other work"
        )
    if later.monitor:
        # Two owners would each take half of the output.
        raise Conflict(
            f"idempotency_key: job {earlier.job_id} was submitted with {key!r} before, and has its caller;"
            f" attach to it instead"
        )
    return job_record(earlier)

"""From the model's records to what answers and messages show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ulid import ULID

from dffmpeg.model.confinement import reaching_out
from dffmpeg.model.janitor import JanitorRun
from dffmpeg.model.jobs import CLIENT_GONE, Attempt, Executed, Job, JobState
from dffmpeg.model.membership import Member
from dffmpeg.model.rules import Rules, filled
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.model.workers import Worker
from dffmpeg.wire import codec, times
from dffmpeg.wire.administration import CoordinatorRecord
from dffmpeg.wire.bytestring import from_wire, list_from_wire, list_to_wire, to_wire
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.jobs import AttemptRecord, Begun, ExecutedCommand, JobRecord, Launch
from dffmpeg.wire.scheduling import QueueState
from dffmpeg.wire.trace import job_context
from dffmpeg.wire.workers import DownlinkMessage, JobRequest, MessageType, WorkerRecord


def job_record(job: Job) -> JobRecord:
    """A job as answers show it."""
    return JobRecord(
        job_id=job.job_id,
        requester_id=job.requester_id,
        binary_name=job.binary_name,
        arguments=list_to_wire(job.arguments),
        paths=list(job.paths),
        working_directory=None if job.working_directory is None else to_wire(job.working_directory),
        client_paths={name: to_wire(path) for name, path in job.client_paths.items()},
        status=job.state.value,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        exit_code=job.exit_code,
        signal=job.signal,
        reason=job.reason,
        worker_id=job.worker_id,
        created_at=times.to_wire(job.created_at),
        last_update=times.to_wire(job.last_update),
        worker_last_seen=_time(job.worker_last_seen),
        client_last_seen=_time(job.client_last_seen),
        heartbeat_interval=job.heartbeat_interval,
        pending_timeout=job.pending_timeout,
        monitor=job.monitor,
        transport=job.transport,
        transport_metadata=dict(job.transport_metadata),
        name=job.name,
        labels=list(job.labels),
        priority=job.priority,
        needs=job.needs,
        rules=job.rules,
        after=list(job.predecessors),
        blocked=job.blocked,
        idempotency_key=job.idempotency_key,
        losses=job.losses,
        not_before=_time(job.not_before),
        ended_at=_time(job.ended_at),
        size=job.size,
        resources=dict(job.resources),
        substitutions=dict(job.substitutions),
        hindrance=job.hindrance,
        progress=job.progress,
        retry_of=job.retry_of,
        last_line=job.last_line,
    )


def attempt_record(attempt: Attempt) -> AttemptRecord:
    """An attempt as answers show it."""
    return AttemptRecord(
        attempt=attempt.attempt,
        worker_id=attempt.worker_id,
        assigned_at=times.to_wire(attempt.assigned_at),
        started_at=_time(attempt.started_at),
        ended_at=_time(attempt.ended_at),
        outcome=None if attempt.outcome is None else attempt.outcome.value,
        exit_code=attempt.exit_code,
        signal=attempt.signal,
        reason=attempt.reason,
        stderr_end=None if attempt.stderr_end is None else to_wire(attempt.stderr_end),
        outputs=None if attempt.outputs is None else dict(attempt.outputs),
        substitutions=dict(attempt.substitutions),
        executed=None if attempt.executed is None else executed_command(attempt.executed),
    )


def executed_command(executed: Executed) -> ExecutedCommand:
    """A command as it travels."""
    return ExecutedCommand(
        arguments=list_to_wire(executed.words),
        directory=None if executed.directory is None else to_wire(executed.directory),
        in_view=executed.in_view,
    )


def executed_of(command: ExecutedCommand) -> Executed:
    """The command that a worker told.

    Raises:
        BadInput: what cannot stand in a command.
    """
    return Executed(
        words=list_from_wire(command.arguments, "executed.arguments"),
        directory=None if command.directory is None else from_wire(command.directory, "executed.directory"),
        in_view=command.in_view,
    )


def status_frame(job: Job, progress: int = 0) -> Frame:
    """The frame that tells a follower how the job stands.

    Args:
        progress: the number of the job's progress, another one whenever that is another.
    """
    return Frame(Kind.STATUS, job.attempt, progress, codec.encode(job_record(job)))


def launch_of(job: Job) -> Launch | None:
    """What the job's program inherits from its caller."""
    return None if job.launch is None else codec.decode(job.launch, Launch, what="launch")


def job_request(job: Job, defaults: Rules, *, traced: bool = False) -> JobRequest:
    """What a worker needs in order to run the job's current attempt.

    Its heartbeats come three times as often as its lease ends, however slowly the job's client wants
    its own.

    Args:
        defaults: the coordinator's time-outs, for what the job's own rules leave open.
        traced: whether the job has a span of its own, to which the attempt's belongs.
    """
    rules = filled(job.rules, defaults)
    interval = job.heartbeat_interval if rules.lease is None else min(job.heartbeat_interval, rules.lease / 3)
    return JobRequest(
        job_id=job.job_id,
        attempt=job.attempt,
        binary_name=job.binary_name,
        arguments=list_to_wire(job.arguments),
        paths=list(job.paths),
        working_directory=None if job.working_directory is None else to_wire(job.working_directory),
        client_paths={name: to_wire(path) for name, path in job.client_paths.items()},
        launch=launch_of(job),
        heartbeat_interval=interval,
        resources=dict(job.resources),
        traceparent=job_context(job.job_id, rules.traceparent).header if traced else rules.traceparent,
        run_timeout=rules.run_timeout,
        stall_timeout=rules.stall_timeout,
        begun=[Begun(path=to_wire(path), inode=inode) for path, inode in job.begun.items()],
        network=bool(reaching_out(job.needs.protocols)),
    )


def job_status(job: Job) -> dict[str, Any]:
    """The payload of a `job_status` message."""
    payload = {
        "job_id": job.job_id,
        "status": job.state.value,
        "exit_code": job.exit_code,
        "attempt": job.attempt,
        "last_update": times.to_wire(job.last_update),
    }
    if job.state is JobState.CANCELING and job.reason == CLIENT_GONE:
        # Nobody is left to whom a gentle end would matter.
        payload["kill"] = True
    return payload


def downlink_message(
    recipient_id: str,
    message_type: MessageType,
    payload: Mapping[str, Any],
    now: float,
    *,
    job_id: str | None = None,
) -> DownlinkMessage:
    """A new message from the coordinator.

    Args:
        now: Unix seconds.
    """
    stamp = times.to_wire(now)
    return DownlinkMessage(
        message_id=str(ULID()),
        recipient_id=recipient_id,
        job_id=job_id,
        timestamp=stamp,
        sent_at=stamp,
        message_type=message_type,
        payload=dict(payload),
    )


def queue_state(pause: Pause) -> QueueState:
    """The queue's switch as answers show it."""
    return QueueState(
        paused=pause.paused, reason=pause.reason, changed_by=pause.by, changed_at=_time(pause.at)
    )


def coordinator_record(member: Member, workers: int, *, leads: bool) -> CoordinatorRecord:
    """A coordinator as answers show it."""
    return CoordinatorRecord(
        coordinator_id=member.coordinator_id,
        address=member.address,
        status=str(member.state),
        leads=leads,
        workers=workers,
        version=member.version,
        started_at=times.to_wire(member.started_at),
    )


def worker_record(worker: Worker, used_slots: int, *, abilities: bool = True) -> WorkerRecord:
    """A worker as answers show it.

    Args:
        used_slots: how many live jobs it has.
        abilities: whether to say what its programs can do, which is long.
    """
    return WorkerRecord(
        worker_id=worker.worker_id,
        status=worker.status,
        capabilities=list(worker.capabilities),
        binaries=list(worker.binaries),
        paths=list(worker.paths),
        registration_interval=worker.registration_interval,
        slots=worker.slots,
        used_slots=used_slots,
        version=worker.version,
        transport=worker.transport,
        last_seen=times.to_wire(worker.last_seen),
        labels=list(worker.labels),
        resources=dict(worker.resources),
        weight=worker.weight,
        abilities=dict(worker.abilities) if abilities else {},
        benchmark=worker.benchmark,
        substitutions=dict(worker.substitutions),
        hours=worker.hours,
        mounts=dict(worker.mounts),
        hold=None if worker.hold is None else worker.hold.value,
        hold_reason=worker.hold_reason,
        hold_until=_time(worker.hold_until),
        strikes=worker.strikes,
        load=worker.load,
        read_only=list(worker.read_only),
    )


def janitor_record(run: JanitorRun) -> JanitorRecord:
    """A run of the janitor as answers show it."""
    return JanitorRecord(
        run_id=run.run_id,
        action=run.action,
        started_at=times.to_wire(run.started_at),
        ended_at=_time(run.ended_at),
        result=dict(run.result),
    )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else times.to_wire(seconds)

"""What a worker says of the attempts that it was given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from dffmpeg.actors.coordinator.job.messages import (
    ASKING,
    Accept,
    Attend,
    Attendance,
    Finish,
    Left,
    News,
    Output,
    Reject,
    Streamed,
    WorkerBeat,
)
from dffmpeg.actors.coordinator.operations.base import Base, require
from dffmpeg.actors.runtime import MailboxFull
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity, Role
from dffmpeg.wire import frames
from dffmpeg.wire.bytestring import from_wire
from dffmpeg.wire.frames import Frame, Kind
from dffmpeg.wire.jobs import AttemptReport, AttendRequest, FinishReport, OutputReply, StatusReply
from dffmpeg.wire.records import executed_of
from dffmpeg.wire.workers import AttemptRef

_OUTPUTS = frozenset({Kind.STDOUT, Kind.STDERR, Kind.OUTPUT})
_FROM_WORKERS = _OUTPUTS | {Kind.ACK}


class AttemptOperations(Base):
    """Only for workers. Each may raise `NotFound`, `Forbidden`, `Unavailable`, and `Conflict`
    where the attempt is not the caller's any more or the job's state does not allow it."""

    async def accept(self, who: Identity, job_id: str, report: AttemptReport) -> StatusReply:
        """The worker takes the attempt; only after this has returned may it start the process."""
        require(who, Role.WORKER)
        executed = None if report.executed is None else executed_of(report.executed)
        await self._report(who, job_id, Accept(who.client_id, report.attempt, report.substitutions, executed))
        return StatusReply()

    async def reject(self, who: Identity, job_id: str, report: AttemptReport) -> StatusReply:
        """The worker does not take the attempt, or lost it through no fault of the command."""
        require(who, Role.WORKER)
        reason = report.reason or f"{who.client_id} gave no reason"
        request = Reject(who.client_id, report.attempt, reason, report.unfit, report.fault)
        await self._report(who, job_id, request)
        return StatusReply()

    async def worker_heartbeat(self, who: Identity, job_id: str, report: AttemptReport) -> StatusReply:
        """Renew the attempt's lease; `detail` says so where the job is being canceled."""
        require(who, Role.WORKER)
        begun = {from_wire(one.path, "begun"): one.inode for one in report.begun}
        if any(inode >= 1 << 64 for inode in begun.values()):
            raise BadInput("begun: an inode has 64 bits")
        beat = WorkerBeat(who.client_id, report.attempt, report.progress, begun)
        job = await self._report(who, job_id, beat)
        return StatusReply(detail=job.state.value)

    async def finish(self, who: Identity, job_id: str, report: FinishReport) -> StatusReply:
        """The attempt has ended; its end and its output are durable when this returns."""
        require(who, Role.WORKER)
        await self._report(who, job_id, Finish(who.client_id, report))
        return StatusReply()

    async def output(self, who: Identity, job_id: str, pieces: Sequence[Frame]) -> OutputReply:
        """Take pieces of the attempt's streams; held for some seconds while the owner's window is full."""
        require(who, Role.WORKER)
        for frame in pieces:
            if frame.kind not in _OUTPUTS:
                raise BadInput(f"frames: {frame.kind.name} does not come from a worker")
        self._services.measurements.carried(pieces)
        return await self._report(who, job_id, Output(who.client_id, pieces), hold=15.0)

    async def streamed(self, who: Identity, job_id: str, pieces: Sequence[Frame]) -> None:
        """Take pieces of the outputs and acknowledgements of inputs, from a worker that attends."""
        require(who, Role.WORKER)
        for frame in pieces:
            if frame.kind not in _FROM_WORKERS:
                raise BadInput(f"frames: {frame.kind.name} does not come from a worker")
        self._services.measurements.carried(pieces)
        await self._report(who, job_id, Streamed(who.client_id, pieces))

    async def attend(self, who: Identity, attempt: AttemptRef, connection: int, seen: Attendance) -> News:
        """Wait for what an attending worker has not got yet. It has to say `end_attendance` at its end."""
        require(who, Role.WORKER)
        request = Attend(who.client_id, attempt.attempt, connection, seen)
        return await self._report(who, attempt.job_id, request, hold=math.inf)

    async def attend_once(self, who: Identity, job_id: str, request: AttendRequest) -> list[Frame]:
        """What a worker without a link has not got yet of the inputs; held while there is nothing.

        A further request has the one before answered at once: each says all that there is to say.
        """
        require(who, Role.WORKER)
        given = {number: (one.given, one.ended) for number, one in request.inputs.items()}
        acks = [
            frames.acknowledgement(number, request.attempt, offset, offset, eof=ended)
            for number, (offset, ended) in given.items()
        ]
        await self._report(who, job_id, Streamed(who.client_id, acks))
        sent = {number: (one.received, one.eof) for number, one in request.inputs.items()}
        seen = Attendance(told=None, sent=sent, written=given)
        attend = Attend(who.client_id, request.attempt, ASKING, seen, request.wait)
        news = await self._report(who, job_id, attend, hold=request.wait)
        return list(news.frames)

    def end_attendance(self, job_id: str, connection: int) -> None:
        """A worker's connection has ended."""
        actor = self._services.jobs.find(job_id)
        if actor is not None:
            with suppress(MailboxFull):
                actor.tell_nowait(Left(connection, gone=True))

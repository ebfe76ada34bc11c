"""What a requester may do with its jobs: look, follow, write into them, cancel."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import trio

from dffmpeg.actors.coordinator.job.inputs import Reached
from dffmpeg.actors.coordinator.job.messages import Acknowledge, Cancel, Follow, Input, Left
from dffmpeg.actors.coordinator.job.relays import ended_frames
from dffmpeg.actors.coordinator.operations.base import READERS, TRIES, NotLive, require
from dffmpeg.actors.coordinator.operations.submission import SubmissionOperations
from dffmpeg.actors.coordinator.refusals import Forbidden, NotFound, Unavailable
from dffmpeg.actors.coordinator.services import wait_at_most
from dffmpeg.actors.runtime import MailboxFull
from dffmpeg.model import access, jobs, transitions
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.wire import descriptors
from dffmpeg.wire.frames import Frame
from dffmpeg.wire.jobs import AttemptRecord, JobRecord, Position, StatusReply
from dffmpeg.wire.records import attempt_record, job_record, launch_of, status_frame


@dataclass(frozen=True, slots=True)
class Ear:
    """A follower's connection.

    Attributes:
        connection: its number, unlike any other's.
        heard: what an owner was told of its inputs in its cursor's attempt; None for one who is not.
    """

    connection: int
    heard: Mapping[int, Reached] | None = None


class RequesterOperations(SubmissionOperations):
    """Each may raise `NotFound`, `Forbidden` and `Unavailable`."""

    async def job(self, who: Identity, job_id: str) -> JobRecord:
        """One job, as its requester, its worker or an administrator may see it."""
        return job_record(await self._visible(who, job_id))

    async def attempts(self, who: Identity, job_id: str) -> list[AttemptRecord]:
        """All attempts of a job, the first one first."""
        await self._visible(who, job_id)
        return [attempt_record(one) for one in await self._services.store.jobs.attempts(job_id)]

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
        """The caller's jobs (everybody's for who sees all), newest first.

        Args:
            window: those that have not ended, or ended within so many seconds.
            states: only those in one of these.
            requester: only this one's.
            labels: only those that have each of them.
            name: only those of this name, in which a `*` stands for anything.
            since_id: only those behind this one in the list: older ones.
        """
        require(who, *READERS)
        if not access.sees_all(who) and requester not in (None, who.client_id):
            raise Forbidden(f"{requester}'s jobs are not yours")
        rows = await self._services.store.jobs.list(
            requester_id=requester if access.sees_all(who) else who.client_id,
            since=time.time() - window,
            states=states,
            limit=limit,
            before_id=since_id,
            labels=labels,
            name=name,
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
            canceled = transitions.request_cancel(job, time.time(), request.reason)
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

    async def follow(
        self,
        who: Identity,
        job_id: str,
        cursor: Position,
        ear: Ear | None = None,
        *,
        outputs: Collection[int] | None = None,
    ) -> list[Frame]:
        """What is newer than the cursor. Does not acknowledge.

        Args:
            outputs: only these, by descriptor; None is all.
            ear: of a follower that stays and waits for as long as it takes; it has to say `left` at
                its end. Without it `cursor.wait` counts.
        """
        deadline = math.inf if ear is not None else trio.current_time() + cursor.wait
        while True:
            changed = self._services.changed.listen(job_id)
            left = max(0.0, deadline - trio.current_time())
            request = Follow(who, cursor, left, outputs=outputs)
            if ear is not None:
                request = Follow(who, cursor, None, ear.connection, ear.heard, outputs)
            try:
                return await self._ask(job_id, request, hold=left)
            except NotLive as error:
                job = error.job
            if not access.may_see(who, job):
                raise Forbidden(f"job {job_id} is not yours")
            if job.state in jobs.TERMINAL:
                return await self._last_frames(job, cursor, outputs)
            if (cursor.status, cursor.attempt) != (job.state.value, job.attempt):
                return [status_frame(job)]
            if not await wait_at_most(changed, left):
                self._services.changed.forget(job_id, changed)
                return []

    async def _last_frames(self, job: Job, cursor: Position, only: Collection[int] | None) -> list[Frame]:
        attempts = await self._services.store.jobs.attempts(job.job_id)
        last = next((one for one in attempts if one.attempt == job.attempt), None)
        if job.attempt and last is None:
            # Purged since we looked. That there was output, and how much, is not known any more.
            raise NotFound(f"there is no job {job.job_id} any more")
        told = (last.outputs if last is not None else None) or {}
        wanted = descriptors.outputs(launch_of(job))
        lengths = {number: told.get(number) for number in wanted if only is None or number in only}
        frames = await ended_frames(job, cursor, self._services.store.streams, lengths)
        return [*frames, status_frame(job)] if all(frame.eof for frame in frames) else frames

    async def input(self, who: Identity, job_id: str, frames: Sequence[Frame]) -> list[Frame]:
        """Take pieces of what goes into the program, from the job's owner.

        Returns:
            Acknowledgements of all inputs; none while no worker has the job.

        Raises:
            BadInput: of a stream that the job does not have.
        """
        self._services.measurements.carried(frames)
        try:
            return await self._ask(job_id, Input(who, frames))
        except NotLive as error:
            if not access.is_owner(who, error.job):
                raise Forbidden(f"job {job_id} is not yours") from None
            # The attempt that these were for is over; the next one begins anew.
            return []

    def left(self, job_id: str, ear: Ear, *, gone: bool) -> None:
        """A follower's connection has ended.

        Args:
            gone: it was closed from its other end, so that its owner may be no more.
        """
        actor = self._services.jobs.find(job_id)
        if actor is not None:
            # Where there is no room the owner's lease alone decides.
            with suppress(MailboxFull):
                actor.tell_nowait(Left(ear.connection, gone))

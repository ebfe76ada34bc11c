"""WorkerActor: owns one worker as the coordinator sees it: its lease, its downlink, what it should run."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import trio

from dffmpeg.actors.coordinator.job.messages import Lost
from dffmpeg.actors.coordinator.refusals import Conflict, NotFound
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.runtime import Actor, ActorStopped, MailboxFull, Request
from dffmpeg.model.abilities import UNTRIED, Abilities, ordered
from dffmpeg.model.jobs import Job
from dffmpeg.model.reconciliation import Held, reconcile
from dffmpeg.model.scheduling import quarantine
from dffmpeg.model.workers import Hold, Worker, WorkerState
from dffmpeg.wire.records import downlink_message, job_request
from dffmpeg.wire.workers import AttemptRef, MessageType, RegisterReply, RegisterRequest

log = logging.getLogger(__name__)

ACTIVE = frozenset({WorkerState.ONLINE, WorkerState.DRAINING})


@dataclass(frozen=True, slots=True)
class Register(Request[RegisterReply]):
    request: RegisterRequest


@dataclass(frozen=True, slots=True)
class Verify(Request[Worker]):
    token: str


@dataclass(frozen=True, slots=True)
class Deregister(Request[None]):
    pass


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send the worker a hint over its downlink."""

    message_type: MessageType
    payload: Mapping[str, Any]
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class SetHold(Request[Worker]):
    """Give the worker nothing new, or (with None) let it have jobs again and forget its strikes.

    Attributes:
        until: Unix seconds after which it comes back by itself; None is not before it is released.
    """

    hold: Hold | None
    reason: str | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Judged(Request[None]):
    """The end of an attempt says something of the worker. Answered when what follows from it is durable.

    Attributes:
        failure: of the worker's own making, in words; None where it did what it should.
    """

    job_id: str
    failure: str | None


@dataclass(frozen=True, slots=True)
class _HoldDue:
    pass


@dataclass(frozen=True, slots=True)
class Connected:
    """Its downlink's connection is open."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Its downlink's connection was closed."""


@dataclass(frozen=True, slots=True)
class _LeaseDue:
    pass


WorkerMessage = (
    Register
    | Verify
    | Deregister
    | Deliver
    | SetHold
    | Judged
    | Connected
    | Disconnected
    | _LeaseDue
    | _HoldDue
)


class WorkerActor(Actor[WorkerMessage]):
    """One registered worker. It ends when the worker is offline."""

    mailbox_size = 256

    def __init__(self, worker_id: str, services: Services) -> None:
        self._worker_id = worker_id
        self._services = services
        self._worker: Worker | None = None
        self._closed_at: float | None = None
        # Unix seconds. What was accepted before our last answer stands in the next
        # registration; what was accepted since may have crossed it on the way.
        self._answered_at: float | None = None
        # Jobs whose failure has counted, and when the last one did: one job, or one cause, is one strike.
        self._struck: set[str] = set()
        self._struck_at = -math.inf

    async def start(self) -> None:
        self._worker = await self._services.store.workers.get(self._worker_id)
        self._renewed_at = trio.current_time()
        self.context.tell_after(self._services.config.leases.worker, _LeaseDue())
        self._watch_hold()

    async def handle(self, message: WorkerMessage) -> object:  # noqa: C901 - a table of messages
        match message:
            case Register():
                return await self._register(message.request)
            case Verify():
                return await self._verify(message.token)
            case Deregister():
                await self._leave(quarantine.LEFT)
            case Deliver():
                await self._deliver(message)
            case SetHold():
                return await self._set_hold(message)
            case Judged():
                await self._judge(message)
            case _HoldDue():
                await self._end_hold()
            case Connected():
                self._closed_at = None
                await self._ask_for_token()
            case Disconnected():
                self._disconnected()
            case _LeaseDue():
                await self._check_lease()
        return None

    # Registration

    async def _register(self, request: RegisterRequest) -> RegisterReply:
        before = self._worker
        transport = self._negotiate(request.supported_transports, before)
        self._worker = self._record(request, transport, before)
        await self._services.store.workers.register(self._worker)
        self._renewed_at = trio.current_time()
        await self._ask_for_token()
        offer: tuple[Job, ...] = ()
        cancel: tuple[Held, ...] = ()
        stop: tuple[Held, ...] = ()
        if request.running is not None:
            live = await self._services.store.jobs.live(self._worker_id)
            plan = reconcile(live, {(held.job_id, held.attempt) for held in request.running})
            offer, cancel, stop = plan.offer, plan.cancel, plan.stop
            for job in plan.missing:
                await self._missing(job)
        if _offers_other(before, self._worker):
            self._services.review_hindrances()
            if self._worker.state is WorkerState.ONLINE:
                self._services.wake_scheduler()
        self._answered_at = time.time()
        return RegisterReply(
            transport=transport,
            transport_metadata=self._services.downlinks[transport].worker_metadata(self._worker_id),
            status=self._worker.state.value,
            lease=self._services.config.leases.worker,
            assigned=[job_request(job, self._services.rules) for job in offer],
            cancel=[AttemptRef(job_id=job_id, attempt=attempt) for job_id, attempt in cancel],
            stop=[AttemptRef(job_id=job_id, attempt=attempt) for job_id, attempt in stop],
            abilities_digest=self._worker.abilities_digest,
        )

    def _negotiate(self, supported: Sequence[str], before: Worker | None) -> str:
        """The downlink to use from now on."""
        current = before.transport if before is not None and before.state in ACTIVE else None
        downlink = self._services.downlinks.choose(supported, current)
        if current is not None and downlink.name != current:
            log.info("worker %s is told to use %s in place of %s", self._worker_id, downlink.name, current)
        return downlink.name

    def _record(self, request: RegisterRequest, transport: str, before: Worker | None) -> Worker:
        now = time.time()
        active = before is not None and before.state in ACTIVE
        abilities, named = _abilities(request, before)
        return Worker(
            worker_id=self._worker_id,
            state=WorkerState(request.status) if active else WorkerState.REGISTERING,
            capabilities=tuple(request.capabilities),
            binaries=tuple(request.binaries),
            paths=tuple(request.paths),
            supported_transports=tuple(request.supported_transports),
            registration_interval=request.registration_interval,
            slots=request.slots,
            version=request.version,
            transport=transport,
            transport_metadata=self._services.downlinks[transport].worker_metadata(self._worker_id),
            registration_token=None if active else _token(before),
            draining=request.status == "draining",
            last_seen=now,
            registered_at=before.registered_at if active and before else now,
            labels=tuple(request.labels),
            resources=request.resources,
            weight=request.weight,
            abilities=abilities,
            abilities_digest=named,
            benchmark=request.benchmark,
            substitutions=request.substitutions,
            hours=request.hours,
            mounts=request.mounts,
            hold=before.hold if before else None,
            hold_reason=before.hold_reason if before else None,
            hold_until=before.hold_until if before else None,
            strikes=before.strikes if before else 0,
        )

    async def _ask_for_token(self) -> None:
        """The worker is online once it has sent back what only its downlink could tell it."""
        worker = self._worker
        if worker is not None and worker.state is WorkerState.REGISTERING:
            await self._deliver(
                Deliver("verify_registration", {"registration_token": worker.registration_token})
            )

    async def _verify(self, token: str) -> Worker:
        won = await self._services.store.workers.verify(self._worker_id, token, time.time())
        self._worker = await self._services.store.workers.get(self._worker_id)
        if self._worker is None:
            raise NotFound(f"worker {self._worker_id} is not registered")
        if not won and self._worker.state not in ACTIVE:
            raise Conflict(f"worker {self._worker_id}: this is not the token of its latest registration")
        self._services.wake_scheduler()
        return self._worker

    async def _missing(self, job: Job) -> None:
        """A job that the worker should run and does not, unless it has only just accepted it."""
        attempts = await self._services.store.jobs.attempts(job.job_id)
        started = next((a.started_at for a in attempts if a.attempt == job.attempt), None)
        if self._answered_at is not None and started is not None and started < self._answered_at:
            await self._lose(job, f"{self._worker_id} does not run it any more")

    async def _lose(self, job: Job, reason: str) -> None:
        # Never wait here (the job's actor may be telling us something): a full mailbox
        # only means that the next registration or sweep finds the job still missing.
        with suppress(MailboxFull, ActorStopped):
            actor = await self._services.jobs.reach(job.job_id)
            actor.tell_nowait(Lost(job.attempt, reason))

    # Holds and strikes

    async def _set_hold(self, message: SetHold) -> Worker:
        if self._worker is None:
            raise NotFound(f"there is no worker {self._worker_id}")
        strikes = 0 if message.hold is None else self._worker.strikes
        await self._hold(
            replace(
                self._worker,
                hold=message.hold,
                hold_reason=message.reason,
                hold_until=message.until,
                strikes=strikes,
            )
        )
        return self._worker

    async def _judge(self, message: Judged) -> None:
        worker = self._worker
        if worker is None:
            return
        if message.failure is None:
            self._struck.clear()
            if worker.strikes:
                await self._hold(quarantine.proved(worker))
            return
        now = trio.current_time()
        if message.job_id in self._struck or now < self._struck_at + quarantine.AT_ONCE:
            return
        self._struck_at = now
        self._struck.add(message.job_id)
        rule = self._services.backlog.board.policy.quarantine
        struck = quarantine.struck(worker, message.failure, self._services.backlog.clock(), rule)
        if struck.hold is not worker.hold:
            self._struck.clear()
            log.warning("worker %s is quarantined: %s", self._worker_id, struck.hold_reason)
        await self._hold(struck)

    async def _hold(self, worker: Worker) -> None:
        """Make a worker's hold and strikes durable."""
        await self._services.store.workers.set_hold(
            self._worker_id,
            worker.hold,
            reason=worker.hold_reason,
            until=worker.hold_until,
            strikes=worker.strikes,
        )
        self._worker = worker
        self._watch_hold()
        self._services.wake_scheduler()

    def _watch_hold(self) -> None:
        if self._worker is not None and self._worker.hold_until is not None:
            left = self._worker.hold_until - self._services.backlog.clock()
            self.context.tell_after(max(0.0, left), _HoldDue())

    async def _end_hold(self) -> None:
        worker = self._worker
        if worker is None or worker.hold_until is None:
            return
        if self._services.backlog.clock() < worker.hold_until:
            # It was held anew since, or the clock was set.
            self._watch_hold()
            return
        log.info("worker %s is not %s any more", self._worker_id, worker.hold)
        await self._hold(quarantine.released(worker))

    # The downlink

    async def _deliver(self, message: Deliver) -> None:
        downlink = self._services.downlinks.get(self._worker.transport if self._worker else None)
        if downlink is None:
            return
        hint = downlink_message(
            self._worker_id, message.message_type, message.payload, time.time(), job_id=message.job_id
        )
        await downlink.send(hint, "worker")

    def _disconnected(self) -> None:
        downlink = self._services.downlinks.get(self._worker.transport if self._worker else None)
        # An older connection's end means nothing once a newer one is open.
        if downlink is not None and downlink.connected(self._worker_id) is False:
            self._closed_at = trio.current_time()
            self.context.tell_after(self._services.config.leases.worker_disconnect, _LeaseDue())

    # The lease

    async def _check_lease(self) -> None:
        leases = self._services.config.leases
        deadline = self._renewed_at + leases.worker
        if self._closed_at is not None:
            deadline = min(deadline, self._closed_at + leases.worker_disconnect)
        left = deadline - trio.current_time()
        if left > 0:
            self.context.tell_after(left, _LeaseDue())
        else:
            await self._leave("no word from it")

    async def _leave(self, why: str) -> None:
        """The worker is gone: others run its jobs."""
        now = time.time()
        sources = frozenset(WorkerState) - {WorkerState.OFFLINE}
        if await self._services.store.workers.set_state(self._worker_id, sources, WorkerState.OFFLINE, now):
            log.warning("worker %s is offline: %s", self._worker_id, why)
        for job in await self._services.store.jobs.live(self._worker_id):
            await self._lose(job, f"worker {self._worker_id}: {why}")
        self.context.finish()


def _token(before: Worker | None) -> str:
    """A worker that registers again in the middle of its handshake may have the token on its way back."""
    return (before.registration_token if before is not None else None) or secrets.token_urlsafe(24)


def _abilities(request: RegisterRequest, before: Worker | None) -> tuple[Mapping[str, Abilities], str | None]:
    """What the worker can do, and the name that it gave that; no name where it has to say it again."""
    if request.abilities or request.abilities_digest is None:
        sent = {name: ordered(abilities) for name, abilities in request.abilities.items()}
        return sent, request.abilities_digest
    if before is not None and before.abilities_digest == request.abilities_digest:
        return before.abilities, before.abilities_digest
    # They are not known here, which is not the same as those of a worker that cannot tell.
    return dict.fromkeys(request.binaries, UNTRIED), None


def _offers_other(before: Worker | None, now: Worker) -> bool:
    """Whether there may be jobs for which it matters now what this worker is."""
    if before is None:
        return True
    return replace(before, last_seen=now.last_seen, registered_at=now.registered_at) != now

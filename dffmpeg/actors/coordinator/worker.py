"""WorkerActor: owns one worker as the coordinator sees it: its lease, its downlink, what it should run."""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from dataclasses import replace

import trio

from dffmpeg.actors.coordinator.endurance import Endurance
from dffmpeg.actors.coordinator.job.messages import Lost
from dffmpeg.actors.coordinator.refusals import Conflict, Elsewhere, NotFound
from dffmpeg.actors.coordinator.registrations import ACTIVE, fell_back, offers_other, registered
from dffmpeg.actors.coordinator.services import Services
from dffmpeg.actors.coordinator.worker_messages import (
    Connected,
    Deliver,
    Deregister,
    Disconnected,
    HoldDue,
    Judged,
    LeaseDue,
    Moved,
    Register,
    SetHold,
    Verify,
    WorkerMessage,
)
from dffmpeg.actors.runtime import Actor, ActorStopped, MailboxFull
from dffmpeg.model import instances
from dffmpeg.model.jobs import Job
from dffmpeg.model.reconciliation import Held, reconcile
from dffmpeg.model.scheduling import quarantine
from dffmpeg.model.workers import Worker, WorkerState
from dffmpeg.wire.records import downlink_message, job_request
from dffmpeg.wire.workers import AttemptRef, RegisterReply, RegisterRequest

log = logging.getLogger(__name__)


class WorkerActor(Actor[WorkerMessage]):
    """One registered worker. It ends when the worker is offline."""

    mailbox_size = 256

    def __init__(self, worker_id: str, services: Services) -> None:
        self._worker_id = worker_id
        self._services = services
        self._worker: Worker | None = None
        self._before: Worker | None = None
        self._endurance = Endurance(self, self._unchanged)
        self._closed_at: float | None = None
        # Unix seconds. What was accepted before our last answer stands in the next
        # registration; what was accepted since may have crossed it on the way.
        self._answered_at: float | None = None
        # Jobs whose failure has counted, and when the last one did: one job, or one cause, is one strike.
        self._struck: set[str] = set()
        self._struck_at = -math.inf
        self._refused: str | None = None

    async def start(self) -> None:
        self._worker = await self._services.store.workers.get(self._worker_id)
        if self._worker is not None and not self._services.membership.minds(self._worker_id):
            self.context.finish()
            return
        self._renewed_at = trio.current_time()
        self.context.tell_after(self._services.config.leases.worker, LeaseDue())
        self._watch_hold()

    async def handle(self, message: WorkerMessage) -> object:
        self._before = self._worker
        return await self._endurance.handle(message, self._take)

    def _unchanged(self) -> bool:
        """What is not durable is not remembered either."""
        self._worker = self._before
        return True

    async def _take(self, message: WorkerMessage) -> object:  # noqa: C901 - a table of messages
        match message:
            case Register():
                return await self._register(message.request)
            case Verify():
                return await self._verify(message.token)
            case Deregister(instance=instance):
                self._require_same(instance)
                await self._leave(quarantine.LEFT)
            case Deliver():
                await self._deliver(message)
            case SetHold():
                return await self._set_hold(message)
            case Judged():
                await self._judge(message)
            case HoldDue():
                await self._end_hold()
            case Connected():
                self._closed_at = None
                await self._ask_for_token()
            case Disconnected():
                self._disconnected()
            case Moved():
                self._let_go()
            case LeaseDue():
                await self._check_lease()
        return None

    # Registration

    async def _register(self, request: RegisterRequest) -> RegisterReply:
        before = self._worker
        self._admit(request, before)
        used = before.transport if before is not None and before.state in ACTIVE else None
        transport = self._services.downlinks.choose(request.supported_transports, used).name
        self._worker = registered(
            self._worker_id,
            request,
            before,
            transport=transport,
            metadata=self._services.downlinks[transport].worker_metadata(self._worker_id),
            home=self._services.membership.home,
            now=time.time(),
        )
        await self._store(self._worker, new=before is None)
        preferred = self._services.downlinks.preferred(
            [*request.preferred_transports, *request.supported_transports]
        )
        if fell_back(before, transport, preferred):
            self._services.measurements.downlink_fell_back(preferred)
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
                await self._missing(job, known=instances.same(before, request.instance))
        if offers_other(before, self._worker):
            self._services.review_hindrances()
            if self._worker.state is WorkerState.ONLINE:
                self._services.wake_scheduler()
        self._answered_at = time.time()
        return RegisterReply(
            transport=transport,
            transport_metadata=dict(self._worker.transport_metadata),
            status=self._worker.state.value,
            lease=self._services.config.leases.worker,
            assigned=[
                job_request(job, self._services.rules, traced=self._services.telemetry.enabled)
                for job in offer
            ],
            cancel=[AttemptRef(job_id=job_id, attempt=attempt) for job_id, attempt in cancel],
            stop=[AttemptRef(job_id=job_id, attempt=attempt) for job_id, attempt in stop],
            abilities_digest=self._worker.abilities_digest,
        )

    async def _store(self, worker: Worker, *, new: bool) -> None:
        membership = self._services.membership
        await self._services.store.workers.register(worker)
        if new:
            # Another coordinator may have made its row at this very moment.
            await membership.look_up_home(self._worker_id)
        if not membership.minds(self._worker_id):
            self.context.finish()
            raise Elsewhere(f"worker {self._worker_id} has registered at another coordinator")

    def _admit(self, request: RegisterRequest, before: Worker | None) -> None:
        """Let a process be this worker, or refuse it while another one is.

        Raises:
            Conflict: another one is.
        """
        if instances.same(before, request.instance):
            return
        if not instances.takes_over(
            before, request.instance, request.sole_on, closed=self._closed_at is not None
        ):
            if request.instance != self._refused:
                self._refused = request.instance
                log.warning(
                    "another process wants to be worker %s: refused while this one lives", self._worker_id
                )
            raise Conflict(
                f"another process is worker {self._worker_id}: stop one of them, or give each an identity"
                " of its own; if that one is gone, it is forgotten within"
                f" {self._services.config.leases.worker:g} s"
            )
        if before is not None and before.state in instances.PRESENT:
            log.warning("worker %s: another process takes over from the one that was there", self._worker_id)
        self._closed_at = None

    def _require_same(self, instance: str | None) -> None:
        if not instances.same(self._worker, instance):
            raise Conflict(f"another process is worker {self._worker_id}")

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

    async def _missing(self, job: Job, *, known: bool) -> None:
        """A job that the worker should run and does not, unless it has only just accepted it.

        Args:
            known: it is the process that was given the job.
        """
        if not known:
            await self._lose(job, f"{self._worker_id} was started anew")
            return
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
        if quarantine.SILENT in message.failure and self._renewed_at < self._struck_at:
            return
        self._struck_at = now
        self._struck.add(message.job_id)
        rule = self._services.backlog.board.policy.quarantine
        struck = quarantine.struck(worker, message.failure, self._services.backlog.clock(), rule)
        if struck.hold is not worker.hold:
            self._struck.clear()
            log.warning(
                "worker %s is quarantined: %s (job %s: %s)",
                self._worker_id,
                struck.hold_reason,
                message.job_id,
                message.detail or message.failure,
            )
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
            self.context.tell_after(max(0.0, left), HoldDue())

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
            self.context.tell_after(self._services.config.leases.worker_disconnect, LeaseDue())

    def _let_go(self) -> None:
        """Another coordinator looks after the worker: no row is touched, and it connects anew."""
        if self._services.membership.minds(self._worker_id):
            return
        downlink = self._services.downlinks.get(self._worker.transport if self._worker else None)
        if downlink is not None:
            downlink.dismiss(self._worker_id)
        self.context.finish()

    # The lease

    async def _check_lease(self) -> None:
        leases = self._services.config.leases
        deadline = self._renewed_at + leases.worker
        if self._closed_at is not None:
            deadline = min(deadline, self._closed_at + leases.worker_disconnect)
        left = deadline - trio.current_time()
        if left > 0:
            self.context.tell_after(left, LeaseDue())
        else:
            await self._leave(f"{quarantine.SILENT} it")

    async def _leave(self, why: str) -> None:
        """The worker is gone: others run its jobs."""
        now = time.time()
        sources = frozenset(WorkerState) - {WorkerState.OFFLINE}
        if await self._services.store.workers.set_state(self._worker_id, sources, WorkerState.OFFLINE, now):
            log.warning("worker %s is offline: %s", self._worker_id, why)
        for job in await self._services.store.jobs.live(self._worker_id):
            await self._lose(job, f"worker {self._worker_id}: {why}")
        self.context.finish()

"""The worker's lease: registers, proves that it can be reached, reconciles what it runs, fences itself."""

from __future__ import annotations

import logging
import math
import os
import random
from dataclasses import dataclass

import trio

from dffmpeg import __version__
from dffmpeg.actors.runtime import Actor, ActorError, ActorRef, Timer
from dffmpeg.actors.worker.attempts.messages import (
    AttemptsMessage,
    BeginRegistration,
    EndRegistration,
    StopAll,
)
from dffmpeg.actors.worker.capabilities import Describe
from dffmpeg.actors.worker.downlink import Open, Shut
from dffmpeg.actors.worker.local_time import in_zone
from dffmpeg.actors.worker.mounts.messages import MountStates, PresentPaths
from dffmpeg.actors.worker.negotiation import Negotiation
from dffmpeg.actors.worker.registration_messages import BeginDraining, RegistrationMessage, Renew, Verify
from dffmpeg.actors.worker.uplink import Uplink
from dffmpeg.configuration.worker import WorkerConfig
from dffmpeg.errors import BadInput, Refused, Unreachable
from dffmpeg.model.abilities import digest
from dffmpeg.supervisors import Backoff
from dffmpeg.wire.workers import RegisterReply, RegisterRequest

logger = logging.getLogger("dffmpeg.worker.registration")

_ASK_SECONDS = 5.0
_DEREGISTER_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Whom the registration asks and tells."""

    mounts: ActorRef[PresentPaths | MountStates]
    capabilities: ActorRef[Describe]
    downlink: ActorRef[Open | Shut]
    attempts: ActorRef[AttemptsMessage | BeginRegistration]


@dataclass(frozen=True, slots=True)
class Oneself:
    """Which process this is.

    Attributes:
        instance: its name, another one each time that it is started.
        sole_on: names a lock that it has for itself, if it has one.
    """

    instance: str
    sole_on: str | None = None


class RegistrationActor(Actor[RegistrationMessage]):
    """Keeps this worker registered; stopping it deregisters.

    A registration that cannot be renewed within its lease kills every attempt:
    the coordinator has given them to others by then. So does one that another process has.
    """

    def __init__(
        self,
        config: WorkerConfig,
        uplink: Uplink,
        neighbours: Neighbours,
        oneself: Oneself,
        negotiation: Negotiation,
    ) -> None:
        self._config = config
        self._oneself = oneself
        self._negotiation = negotiation
        self._uplink = uplink
        self._mounts = neighbours.mounts
        self._capabilities = neighbours.capabilities
        self._downlink = neighbours.downlink
        self._attempts = neighbours.attempts
        self._backoff = Backoff(0.2, max(0.2, min(5.0, config.registration_interval)), jitter=0.5)
        self._hours = None if config.hours is None else in_zone(config.hours)
        self._failures = 0
        self._next: Timer | None = None
        self._draining = False
        self._status: str | None = None
        self._known_abilities: str | None = None
        self._lease = math.inf
        self._lease_end = math.inf
        self._lease_changed = trio.Event()

    async def start(self) -> None:
        self.context.nursery.start_soon(self._fence)
        self._next = self.context.tell_after(0, Renew())

    async def handle(self, message: RegistrationMessage) -> None:
        match message:
            case Renew():
                await self._renew()
            case Verify(token):
                await self._verify(token)
            case BeginDraining():
                self._draining = True
                await self._renew()

    async def stop(self) -> None:
        with trio.move_on_after(_DEREGISTER_SECONDS):
            try:
                await self._uplink.deregister(self._config.client_id, self._oneself.instance)
            except (Unreachable, Refused) as error:
                logger.info("could not deregister: %s", error)

    async def _renew(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._failures = 0 if await self._register() else self._failures + 1
        delay = min(self._config.registration_interval, self._lease / 3)
        if self._failures:
            delay = self._backoff.delay(self._failures, random.random())  # noqa: S311 - spreads load
        self._next = self.context.tell_after(delay, Renew())

    async def _register(self) -> bool:
        """Register once; whether that renewed the lease."""
        reply: RegisterReply | None = None
        displaced = False
        try:
            request = await self._request()
            sent = trio.current_time()
            reply = await self._uplink.register(request)
        except (Unreachable, Refused) as error:
            self._negotiation.unanswered()
            displaced = isinstance(error, Refused) and error.status == 409
            return False
        except (BadInput, ActorError, trio.TooSlowError) as error:
            logger.warning("could not register: %s", error)
            return False
        finally:
            with trio.CancelScope(shield=True):
                await self._attempts.tell(EndRegistration(reply))
                if displaced:
                    await self._give_way()
        self._note_abilities(request, reply)
        self._negotiation.answered(verified=reply.status != "registering")
        self._lease = reply.lease
        self._set_lease(sent + reply.lease)
        if reply.status != self._status:
            self._status = reply.status
            logger.info("registered with %s: %s", self._config.coordinator_url, reply.status)
        await self._downlink.tell(Open(reply.transport, reply.transport_metadata))
        return True

    async def _request(self) -> RegisterRequest:
        present = await self._mounts.ask(PresentPaths(), _ASK_SECONDS)
        mounts = await self._mounts.ask(MountStates(), _ASK_SECONDS)
        offered = await self._capabilities.ask(Describe(), _ASK_SECONDS)
        # They are large and hardly ever change: sent until the coordinator says that it has them.
        named = digest(offered.abilities) if offered.abilities else None
        told = named == self._known_abilities
        running = await self._attempts.ask(BeginRegistration(), _ASK_SECONDS)
        transports = self._negotiation.order()
        return RegisterRequest(
            worker_id=self._config.client_id,
            capabilities=offered.capabilities,
            binaries=sorted(offered.programs),
            paths=sorted(present),
            supported_transports=transports,
            preferred_transports=[] if transports == self._config.transports else self._config.transports,
            registration_interval=self._config.registration_interval,
            version=__version__,
            status="draining" if self._draining else "online",
            slots=self._config.slots,
            labels=self._config.labels,
            resources=self._config.resources,
            weight=self._config.weight,
            hours=self._hours,
            running=running,
            mounts=dict(mounts),
            abilities={} if told else dict(offered.abilities),
            abilities_digest=named,
            benchmark=offered.benchmark,
            substitutions={name: one.use for name, one in self._config.stand_ins.items()},
            instance=self._oneself.instance,
            sole_on=self._oneself.sole_on,
            load=_load(),
            read_only=sorted(self._config.read_only & present.keys()),
        )

    async def _give_way(self) -> None:
        """Another process is this worker: what this one still runs has been given to others."""
        if self._status is not None:
            logger.error("another process is worker %s now: every attempt is killed", self._config.client_id)
        self._status = None
        self._set_lease(math.inf)
        await self._downlink.tell(Shut())
        await self._attempts.tell(StopAll())

    def _note_abilities(self, request: RegisterRequest, reply: RegisterReply) -> None:
        self._known_abilities = reply.abilities_digest
        if reply.abilities_digest != request.abilities_digest and not request.abilities:
            # It has lost them, or another coordinator answers now.
            self.context.tell_after(0, Renew())

    async def _verify(self, token: str) -> None:
        try:
            await self._uplink.verify(self._config.client_id, token)
        except (Unreachable, Refused) as error:
            # A new registration brings a new token.
            logger.info("could not complete the registration: %s", error)
            return
        if self._status == "registering":
            self._status = "draining" if self._draining else "online"
            logger.info("registered with %s: %s", self._config.coordinator_url, self._status)

    # Self-fencing

    def _set_lease(self, end: float) -> None:
        self._lease_end = end
        self._lease_changed.set()
        self._lease_changed = trio.Event()

    async def _fence(self) -> None:
        """Beside the mailbox, because a registration that hangs must not hold it up."""
        while True:
            with trio.move_on_at(self._lease_end):
                await self._lease_changed.wait()
                continue
            logger.error("the lease ran out without the coordinator: what runs is killed")
            self._lease_end = math.inf
            await self._attempts.tell(StopAll())


def _load() -> float | None:
    """Processes of this machine that run or want to, for each processor, over the last minute."""
    try:
        return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    except OSError:
        return None

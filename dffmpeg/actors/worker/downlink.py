"""The downlink: keeps the negotiated transport connected and hands on what comes over it."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from dffmpeg.actors.runtime import Actor, ActorRef
from dffmpeg.actors.worker.attempts.messages import (
    Assign,
    AttemptsMessage,
    CancelAttempt,
    StopAttempt,
    StopJob,
)
from dffmpeg.actors.worker.capabilities import Probe
from dffmpeg.actors.worker.links import Links
from dffmpeg.actors.worker.negotiation import Negotiation
from dffmpeg.actors.worker.registration_messages import RegistrationMessage, Renew, Verify
from dffmpeg.errors import BadInput, DffmpegError, Refused, Unreachable
from dffmpeg.supervisors import Backoff
from dffmpeg.transports.broker import Causes
from dffmpeg.transports.client import ClientTransport, Link, Pieces, TransportFactory
from dffmpeg.transports.signed_http import SignedHttp
from dffmpeg.wire.link import Fenced
from dffmpeg.wire.workers import AttemptRef, DownlinkMessage, JobRequest

logger = logging.getLogger("dffmpeg.worker.downlink")


@dataclass(frozen=True, slots=True)
class Open:
    """Use this transport from now on; the one that is open already stays open."""

    transport: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shut:
    """Listen to nothing any more, until told to open again."""


class _JobStatus(msgspec.Struct):
    status: str
    attempt: int | None = None
    kill: bool = False


class _Token(msgspec.Struct):
    registration_token: str


class _Probe(msgspec.Struct):
    benchmark: bool = False


class DownlinkActor(Actor[Open | Shut]):
    """Follows the coordinator's messages; connects again whenever the connection ends.

    Args:
        connections: gives the signed connections to the coordinator.
        transports: the client halves by name.
        registration: told to renew after each connect, and given the tokens.
        attempts: given what concerns jobs.
        capabilities: told to probe.
        links: told of the connection, where it is one for both directions.
        negotiation: told how the transport in use fares.
    """

    def __init__(
        self,
        connections: Callable[[], SignedHttp],
        transports: Mapping[str, TransportFactory],
        *,
        registration: ActorRef[RegistrationMessage],
        attempts: ActorRef[AttemptsMessage],
        capabilities: ActorRef[Probe],
        links: Links,
        negotiation: Negotiation,
    ) -> None:
        self._connections = connections
        self._transports = transports
        self._registration = registration
        self._attempts = attempts
        self._capabilities = capabilities
        self._links = links
        self._negotiation = negotiation
        self._backoff = Backoff(minimum=0.1, maximum=5.0, jitter=0.5, reset_after=30.0)
        self._current: Open | None = None
        self._following = trio.CancelScope()
        self._causes: defaultdict[str, Causes] = defaultdict(Causes)

    async def handle(self, message: Open | Shut) -> None:
        if isinstance(message, Shut):
            self._current = None
            self._following.cancel()
            return
        if message == self._current:
            return
        factory = self._transports.get(message.transport)
        if factory is None:
            logger.error("the coordinator chose the transport %r, which is not known here", message.transport)
            return
        self._current = message
        self._following.cancel()
        self._following = trio.CancelScope()
        transport = factory(self._connections(), message.metadata)
        self._negotiation.opened(message.transport)
        self.context.nursery.start_soon(self._follow, message.transport, transport, self._following)

    async def _follow(self, name: str, transport: ClientTransport, scope: trio.CancelScope) -> None:
        attempt = 0
        with scope:
            while True:
                began = trio.current_time()
                asked: float | None = None
                try:
                    await self._listen(name, transport)
                except (Unreachable, Refused) as error:
                    asked = error.retry_after
                    self._say(name, error)
                    if isinstance(error, Refused) and error.status == 409:
                        # Another process may be this worker by now; the registration is told so.
                        await self._registration.tell(Renew())
                except BadInput as error:
                    self._say(name, error)
                self._negotiation.disconnected()
                attempt = self._backoff.attempt(attempt, trio.current_time() - began)
                chance = random.random()  # noqa: S311 - spreads load, guards nothing
                await trio.sleep(self._backoff.wait(attempt, chance, asked=asked))

    def _say(self, name: str, error: DffmpegError) -> None:
        if self._negotiation.is_connected:
            logger.info("the downlink ended: %s", error)
        elif self._causes[name].first(error):
            logger.warning("no downlink over %s, trying again: %s", name, error)

    async def _listen(self, name: str, transport: ClientTransport) -> None:
        link: Link | None = None
        try:
            async with transport.connect() as arrivals:
                self._negotiation.connected()
                self._causes[name].over()
                await self._registration.tell(Renew())
                async for arrival in arrivals:
                    match arrival:
                        case DownlinkMessage():
                            await self._take(arrival)
                        case Pieces():
                            await self._links.arrived(arrival)
                        case Fenced(fenced=attempt):
                            await self._attempts.tell(StopAttempt(attempt))
                        case _:
                            link = arrival
                            self._links.open(link)
        finally:
            if link is not None:
                self._links.close(link)

    async def _take(self, message: DownlinkMessage) -> None:
        try:
            await self._hand_on(message)
        except msgspec.ValidationError as error:
            logger.warning("a %s message does not fit: %s", message.message_type, error)

    async def _hand_on(self, message: DownlinkMessage) -> None:
        match message.message_type:
            case "job_request":
                await self._attempts.tell(Assign(msgspec.convert(message.payload, JobRequest)))
            case "verify_registration":
                token = msgspec.convert(message.payload, _Token).registration_token
                await self._registration.tell(Verify(token))
            case "probe":
                wanted = msgspec.convert(message.payload, _Probe)
                await self._capabilities.tell(Probe(benchmark=wanted.benchmark))
            case "job_status" if message.job_id is not None:
                await self._job_status(message.job_id, msgspec.convert(message.payload, _JobStatus))
            case _:
                logger.debug("a %s message is not for workers", message.message_type)

    async def _job_status(self, job_id: str, news: _JobStatus) -> None:
        if news.status in ("canceled", "failed"):
            await self._attempts.tell(StopJob(job_id))
        elif news.status == "canceling" and news.attempt is not None:
            attempt = AttemptRef(job_id=job_id, attempt=news.attempt)
            await self._attempts.tell(CancelAttempt(attempt, kill=news.kill))

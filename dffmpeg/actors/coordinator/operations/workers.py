"""What a worker says of itself, and what others may know of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from dffmpeg.actors.coordinator import lookups
from dffmpeg.actors.coordinator.operations.base import PATIENCE, READERS, Base, require
from dffmpeg.actors.coordinator.refusals import (
    Conflict,
    Elsewhere,
    Forbidden,
    NotFound,
    Unavailable,
)
from dffmpeg.actors.coordinator.registrations import ACTIVE
from dffmpeg.actors.coordinator.worker_messages import (
    Connected,
    Deliver,
    Deregister,
    Disconnected,
    Register,
    Verify,
)
from dffmpeg.actors.runtime import ActorStopped, MailboxFull, Request
from dffmpeg.errors import BadInput
from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.scheduling import hours
from dffmpeg.transports.websocket_server import WebSocketDownlink
from dffmpeg.wire.jobs import StatusReply
from dffmpeg.wire.workers import DownlinkMessage, RegisterReply, RegisterRequest, WorkerRecord

R = TypeVar("R")


class WorkerOperations(Base):
    """Each may raise `NotFound`, `Forbidden`, `Unavailable`; and `Elsewhere`, where it takes its actor."""

    async def register(self, who: Identity, request: RegisterRequest) -> RegisterReply:
        """Register, or renew the lease, and reconcile what runs with what should."""
        _only_itself(who, request.worker_id)
        if request.hours is not None:
            try:
                hours.parse(request.hours)
            except hours.BadHours as error:
                raise BadInput(f"hours: {error}") from None
        # Which one it will be its actor decides, who knows what it uses.
        self._services.downlinks.choose(request.supported_transports)
        return await self._ask_worker(request.worker_id, Register(request))

    async def verify(self, who: Identity, worker_id: str, token: str) -> StatusReply:
        """Complete the handshake: the downlink reaches the worker, or it would not know the token."""
        _only_itself(who, worker_id)
        worker = await self._ask_worker(worker_id, Verify(token))
        return StatusReply(detail=worker.state.value)

    async def deregister(self, who: Identity, worker_id: str, instance: str | None = None) -> StatusReply:
        """The worker leaves; what it still had moves to others.

        Raises:
            Conflict: another process is the worker by now.
        """
        _only_itself(who, worker_id)
        await self._ask_worker(worker_id, Deregister(instance))
        return StatusReply()

    async def probe(self, who: Identity, worker_id: str, *, benchmark: bool = False) -> StatusReply:
        """Have a worker find out anew what its programs can do, and with `benchmark` how fast it is.

        Raises:
            Conflict: it is not there to hear it.
        """
        require(who, Role.ADMIN)
        worker = await self._services.store.workers.get(worker_id)
        if worker is None:
            raise NotFound(f"there is no worker {worker_id}")
        await self._require_home(worker_id)
        actor = self._services.workers.find(worker_id)
        if actor is None:
            await self._require_home(worker_id)
        if actor is None or worker.state not in ACTIVE:
            raise Conflict(f"worker {worker_id} is {worker.state}: it can be probed once it is online")
        await actor.tell(Deliver("probe", {"benchmark": benchmark}))
        return StatusReply(detail="asked; what it finds comes with its next registrations")

    async def _ask_worker(self, worker_id: str, request: Request[R]) -> R:
        for _ in range(2):
            await self._require_home(worker_id)
            try:
                actor = await self._services.workers.reach(worker_id)
                return await actor.ask(request, timeout=PATIENCE)
            except ActorStopped:
                continue
        raise Unavailable(f"worker {worker_id} has no actor just now")

    async def looks_after(self, worker_id: str) -> bool:
        """Whether no other coordinator looks after a worker."""
        return await self._services.membership.home_of_worker(worker_id, claim=False) is None

    async def _require_home(self, worker_id: str) -> None:
        home = await self._services.membership.home_of_worker(worker_id, claim=True)
        if home is not None:
            raise Elsewhere(f"worker {worker_id} is looked after by {home.coordinator_id}; ask again")

    async def workers(self, who: Identity, *, window: float) -> list[WorkerRecord]:
        """The workers that were seen within so many seconds."""
        require(who, *READERS)
        return await lookups.workers(self._services.store, time.time() - window)

    async def worker(self, who: Identity, worker_id: str) -> WorkerRecord:
        """One worker."""
        if who.role is Role.WORKER:
            _only_itself(who, worker_id)
        record = await lookups.worker(self._services.store, worker_id)
        if record is None:
            raise NotFound(f"there is no worker {worker_id}")
        return record

    @asynccontextmanager
    async def downlink(
        self, who: Identity, worker_id: str, instance: str | None = None
    ) -> AsyncIterator[AsyncIterator[DownlinkMessage]]:
        """A worker's open WebSocket downlink: entering attaches it, leaving detaches it.

        A newer one replaces an older one, whose iteration then ends.

        Args:
            instance: the worker's process, where it has said which it is.

        Raises:
            Conflict: another process is the worker.
        """
        _only_itself(who, worker_id)
        await self._require_instance(worker_id, instance)
        downlink = self._services.downlinks.get("websocket")
        if not isinstance(downlink, WebSocketDownlink):
            raise Conflict("the websocket downlink is not enabled here")
        await self._require_home(worker_id)
        async with downlink.attach(worker_id) as messages:
            actor = await self._services.workers.reach(worker_id)
            await actor.tell(Connected())
            try:
                yield messages
            finally:
                # Where there is no actor any more, or no room, its lease alone decides.
                left = self._services.workers.find(worker_id)
                if left is not None:
                    with suppress(MailboxFull):
                        left.tell_nowait(Disconnected())


def _only_itself(who: Identity, worker_id: str) -> None:
    require(who, Role.WORKER)
    if who.client_id != worker_id:
        raise Forbidden(f"{who.client_id} cannot speak for {worker_id}")

"""The polling downlink, coordinator's half: messages are kept, and a poll takes those behind its cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import trio

from dffmpeg.configuration.common import Section
from dffmpeg.errors import ConfigurationError
from dffmpeg.model.messages import Message
from dffmpeg.store.messages import MessageRepository
from dffmpeg.transports.bell import Bell
from dffmpeg.transports.broker import Route
from dffmpeg.transports.broker_server import BrokerDownlink
from dffmpeg.transports.downlink import Audience, Surroundings
from dffmpeg.transports.relayed_messages import RelayedMessages
from dffmpeg.transports.settings import parsed
from dffmpeg.wire import times
from dffmpeg.wire.workers import DownlinkMessage, MessageType

BATCH = 500
"""Messages that one answer holds at most."""


class PollingServerSettings(Section, frozen=True):
    """`transports.transport_settings.http_polling`."""

    backend_transport: str | None = None
    """A broker's transport, which carries the messages between coordinators; None: the database has them."""


class Source(Protocol):
    """Where messages wait for a poll."""

    @property
    def failing_since(self) -> float | None:
        """As `Downlink` has it."""

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        """Put a message there."""

    async def poll(self, route: Route, *, last: str | None, wait: float) -> list[DownlinkMessage]:
        """As `HttpPollingDownlink.poll` has it."""

    def ring(self, recipient_id: str) -> None:
        """Another coordinator has put something there."""

    async def run(self, ready: Callable[[], None]) -> None:
        """As `Downlink` has it."""


class HttpPollingDownlink:
    """Needs only the database, or a broker in its place."""

    name = "http_polling"

    def __init__(self, source: Source) -> None:
        self.source = source

    @classmethod
    def create(cls, settings: Mapping[str, Any], surroundings: Surroundings) -> HttpPollingDownlink:
        """As the entry point makes it."""
        place = f"transports.transport_settings.{cls.name}"
        backend = parsed(PollingServerSettings, place, settings).backend_transport
        if backend is None:
            return cls(StoredMessages(surroundings.messages))
        carrier = surroundings.transport(backend, f"{place}.backend_transport")
        if not isinstance(carrier, BrokerDownlink):
            raise ConfigurationError(
                f"{place}.backend_transport: {backend} is no broker's; there are: mqtt, rabbitmq"
            )
        return cls(RelayedMessages(carrier))

    @property
    def failing_since(self) -> float | None:
        return self.source.failing_since

    def worker_metadata(self, worker_id: str) -> dict[str, Any]:
        return {"path": "/poll/worker"}

    def job_metadata(self, requester_id: str, job_id: str) -> dict[str, Any]:
        return {"path": f"/poll/jobs/{job_id}"}

    def connected(self, recipient_id: str) -> bool | None:
        return None

    def dismiss(self, recipient_id: str) -> None:
        """Its next poll goes where it has to."""

    def ring(self, recipient_id: str) -> None:
        """Another coordinator has stored a message for somebody who may poll here."""
        self.source.ring(recipient_id)

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        await self.source.send(message, audience)

    async def run(self, ready: Callable[[], None]) -> None:
        await self.source.run(ready)

    async def poll(
        self, recipient_id: str, *, job_id: str | None, last: str | None, wait: float
    ) -> list[DownlinkMessage]:
        """Messages behind a cursor, oldest first.

        Args:
            job_id: only those about one job.
            last: the last message's id that the poller has; None for all that are kept.
            wait: seconds to wait for one.
        """
        return await self.source.poll(Route(recipient_id, job_id), last=last, wait=wait)


class StoredMessages:
    """`Source` in the database.

    Args:
        messages: the repository, as long as the database is open.
    """

    failing_since = None

    def __init__(self, messages: Callable[[], MessageRepository]) -> None:
        self._messages = messages
        self._bell = Bell()

    def ring(self, recipient_id: str) -> None:
        self._bell.ring(recipient_id)

    async def run(self, ready: Callable[[], None]) -> None:
        """Nothing is open between two polls."""
        ready()
        await trio.sleep_forever()

    async def send(self, message: DownlinkMessage, audience: Audience) -> None:
        await self._messages().add(_to_model(message))
        self._bell.ring(message.recipient_id)

    async def poll(self, route: Route, *, last: str | None, wait: float) -> list[DownlinkMessage]:
        deadline = trio.current_time() + wait
        while True:
            rung = self._bell.listen(route.recipient_id)
            found = await self._messages().after(
                route.recipient_id, job_id=route.job_id, last_message_id=last, limit=BATCH
            )
            if found:
                return [_to_wire(message) for message in found]
            with trio.move_on_at(deadline):
                await rung.wait()
            if not rung.is_set():
                self._bell.forget(route.recipient_id, rung)
                return []


def _to_model(message: DownlinkMessage) -> Message:
    return Message(
        message_id=message.message_id,
        sender_id=message.sender_id,
        recipient_id=message.recipient_id,
        job_id=message.job_id,
        timestamp=times.from_wire(message.timestamp),
        message_type=message.message_type,
        payload=message.payload,
    )


def _to_wire(message: Message) -> DownlinkMessage:
    stamp = times.to_wire(message.timestamp)
    return DownlinkMessage(
        message_id=message.message_id,
        sender_id=message.sender_id,
        recipient_id=message.recipient_id,
        job_id=message.job_id,
        timestamp=stamp,
        sent_at=stamp,
        message_type=cast(MessageType, message.message_type),
        payload=dict(message.payload),
    )

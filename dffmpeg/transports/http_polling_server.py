"""The polling downlink, coordinator's half: messages are stored, and a poll takes those behind its cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import trio

from dffmpeg.model.messages import Message
from dffmpeg.store.messages import MessageRepository
from dffmpeg.transports.bell import Bell
from dffmpeg.transports.downlink import expect_no_settings
from dffmpeg.wire import times
from dffmpeg.wire.workers import DownlinkMessage, MessageType

BATCH = 500
"""Messages that one answer holds at most."""


class HttpPollingDownlink:
    """Needs only the database.

    Args:
        messages: the repository, as long as the database is open.
    """

    name = "http_polling"
    healthy = True

    def __init__(self, messages: Callable[[], MessageRepository]) -> None:
        self._messages = messages
        self._bell = Bell()

    @classmethod
    def create(
        cls, messages: Callable[[], MessageRepository], settings: Mapping[str, Any]
    ) -> HttpPollingDownlink:
        """As the entry point makes it; it has no settings."""
        expect_no_settings(cls.name, settings)
        return cls(messages)

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
        self._bell.ring(recipient_id)

    async def send(self, message: DownlinkMessage) -> None:
        await self._messages().add(_to_model(message))
        self._bell.ring(message.recipient_id)

    def close(self) -> None:
        """Nothing is open between two polls."""

    async def poll(
        self, recipient_id: str, *, job_id: str | None, last: str | None, wait: float
    ) -> list[DownlinkMessage]:
        """Messages behind a cursor, oldest first.

        Args:
            job_id: only those about one job.
            last: the last message's id that the poller has; None for all that are kept.
            wait: seconds to wait for one.
        """
        deadline = trio.current_time() + wait
        while True:
            rung = self._bell.listen(recipient_id)
            found = await self._messages().after(
                recipient_id, job_id=job_id, last_message_id=last, limit=BATCH
            )
            if found:
                return [_to_wire(message) for message in found]
            with trio.move_on_at(deadline):
                await rung.wait()
            if not rung.is_set():
                self._bell.forget(recipient_id, rung)
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

"""Messages that wait for a poll."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dffmpeg.model.messages import Message


class MessageRepository(ABC):
    """What the rest knows of how messages are stored."""

    @abstractmethod
    async def add(self, message: Message) -> int:
        """Store a message; returns its place in the order in which messages become visible."""

    @abstractmethod
    async def after(
        self, recipient_id: str, *, job_id: str | None, last_message_id: str | None, limit: int
    ) -> Sequence[Message]:
        """A recipient's messages behind one, oldest first.

        All that are kept, if that one is not known (any more).
        """

    @abstractmethod
    async def prune(self, before: float, limit: int) -> int:
        """Delete what is older than a time (Unix seconds), at most so many; returns how many."""

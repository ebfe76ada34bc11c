"""The audit trail."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dffmpeg.model.audit import AuditEntry, AuditRequest


class AuditRepository(ABC):
    """In the same database as the identities. Times are Unix seconds.

    Entries are added, read, and forgotten by their age; nothing changes one.
    """

    @abstractmethod
    async def add(self, entry: AuditEntry) -> None:
        """Store an entry; it is durable afterwards."""

    @abstractmethod
    async def page(self, request: AuditRequest) -> Sequence[AuditEntry]:
        """Entries that fit, in the request's order, at most `request.limit`."""

    @abstractmethod
    async def forget(self, before: float, limit: int) -> int:
        """Delete entries that are older, at most so many; returns how many."""

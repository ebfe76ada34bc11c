"""Who is signed in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

from dffmpeg.model.sessions import Session


class SessionRepository(ABC):
    """In the same database as the identities. Times are Unix seconds."""

    @abstractmethod
    async def add(self, session: Session, most: int) -> None:
        """Store a new session, and end the identity's oldest ones, so that it has at most so many."""

    @abstractmethod
    async def get(self, digest: str) -> Session | None:
        """One session, as it is now; also one that has expired, until it is forgotten."""

    @abstractmethod
    async def there(self, digests: Collection[str]) -> set[str]:
        """Those of these that are there."""

    @abstractmethod
    async def signed_in(self, client_ids: Collection[str]) -> Mapping[str, float]:
        """Of these identities those that have sessions, and when each signed in last."""

    @abstractmethod
    async def delete(self, digest: str) -> bool:
        """End one; returns whether it was there."""

    @abstractmethod
    async def forget(self, before: float, limit: int) -> int:
        """Delete sessions that expired before a time, at most so many; returns how many."""

"""Requests that must not be carried out twice: by two coordinators, or before and after a restart."""

from __future__ import annotations

from abc import ABC, abstractmethod


class NonceRepository(ABC):
    """What the rest knows of how they are stored. Times are Unix seconds."""

    @property
    @abstractmethod
    def shared(self) -> bool:
        """Whether other coordinators may use the same database."""

    @abstractmethod
    async def claim(self, client_id: str, nonce: str, expires_at: float) -> bool:
        """Have a nonce for oneself; returns whether nobody had it before, durably.

        Args:
            nonce: at most 64 characters.
            expires_at: from when on nobody can use it anyway.
        """

    @abstractmethod
    async def prune(self, before: float, limit: int) -> int:
        """Forget those that expired before a time, at most `limit`; returns how many."""

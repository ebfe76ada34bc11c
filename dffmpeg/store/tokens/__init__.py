"""What may be redeemed once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dffmpeg.model.identities import Identity
from dffmpeg.model.sessions import Token
from dffmpeg.store.resealing import Resealed


class TokenRepository(ABC):
    """In the same database as the identities. Times are Unix seconds."""

    @abstractmethod
    async def add(self, token: Token) -> None:
        """Store a new token."""

    @abstractmethod
    async def redeem(self, digest: str, purpose: str, now: float) -> Token | None:
        """Take a token away, and return it to the one who did so; None to everybody else.

        Args:
            purpose: one of another purpose is not touched, nor is one that has expired.
        """

    @abstractmethod
    async def get(self, digest: str, purpose: str, now: float) -> Token | None:
        """One token that has not expired, used or not."""

    @abstractmethod
    async def list(self, purpose: str, limit: int) -> Sequence[Token]:
        """Those of a purpose, the newest first; also those that have expired, until they are forgotten."""

    @abstractmethod
    async def join(self, digest: str, identity: Identity, now: float) -> bool:
        """Use a token up for a new identity, and store that, both or neither.

        Returns:
            Whether it did: it does not for a token that was used, has expired, or is for something else.

        Raises:
            Duplicate: there is an identity of this name; the token can still be used.
        """

    @abstractmethod
    async def delete(self, digest: str) -> bool:
        """Take one away; returns whether it was there."""

    @abstractmethod
    async def reseal(self, after: str, limit: int) -> Resealed:
        """Encrypt verifiers anew, as `IdentityRepository.reseal` does with keys."""

    @abstractmethod
    async def forget(self, before: float, limit: int) -> int:
        """Delete tokens that expired before a time, at most so many; returns how many."""

"""Identities and their keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from dffmpeg.model.identities import Identity


@dataclass(frozen=True, slots=True)
class Resealed:
    """See `IdentityRepository.reseal`.

    Attributes:
        looked_at: how many identities there were behind the place.
        changed: how many of them were encrypted anew.
        last: the last one of them; "" if there was none.
    """

    looked_at: int
    changed: int
    last: str


class IdentityRepository(ABC):
    """What the rest knows of how identities are stored."""

    @abstractmethod
    async def add(self, identity: Identity) -> None:
        """Store a new identity. Raises `Duplicate`."""

    @abstractmethod
    async def get(self, client_id: str) -> Identity | None:
        """One identity; what another process changed is seen within some seconds."""

    @abstractmethod
    async def list(self) -> Sequence[Identity]:
        """All, by id."""

    @abstractmethod
    async def delete(self, client_id: str) -> bool:
        """Remove one; returns whether it was there."""

    @abstractmethod
    async def set_key(self, client_id: str, key: bytes) -> bool:
        """Give it another secret; returns whether it was there."""

    @abstractmethod
    async def reseal(self, after: str, limit: int) -> Resealed:
        """Encrypt keys anew that were not encrypted by the key that encrypts now: in one transaction those
        of the next `limit` identities behind `after`, by id.

        Raises:
            StoreError: one of them cannot be decrypted; none of these was changed.
        """

    @abstractmethod
    async def set_scope(self, client_id: str, allowed_networks: Sequence[str]) -> bool:
        """Change from where it may come; returns whether it was there."""

"""Identities and their keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

from dffmpeg.model.identities import Identity, PreviousKey
from dffmpeg.store.resealing import Resealed


class IdentityRepository(ABC):
    """What the rest knows of how identities are stored."""

    @abstractmethod
    async def add(self, identity: Identity) -> None:
        """Store a new identity. Raises `Duplicate`."""

    @abstractmethod
    async def get(self, client_id: str) -> Identity | None:
        """One identity; what another process changed is seen within some seconds."""

    async def current(self, client_ids: Collection[str]) -> Mapping[str, Identity]:
        """Those of these that there are, by id, as they are now; asked for often, and for the same ones."""
        found = {client_id: await self.get(client_id) for client_id in client_ids}
        return {client_id: identity for client_id, identity in found.items() if identity is not None}

    @abstractmethod
    def recall(self, client_id: str) -> Identity | None:
        """What was found lately, without looking; None where nothing is remembered."""

    @abstractmethod
    async def look_up(self, client_id: str) -> Identity | None:
        """One identity as it is now, whatever is remembered of it; the same work whether it exists or not."""

    @abstractmethod
    async def list(self) -> Sequence[Identity]:
        """All, by id."""

    @abstractmethod
    async def page(
        self, after: str | None, limit: int, *, offset: int = 0, descending: bool = False
    ) -> Sequence[Identity]:
        """The next ones by id, at most so many.

        Args:
            after: an id; only those behind it, in the list's order.
            offset: how many to leave out.
            descending: the last one first.
        """

    @abstractmethod
    async def delete_but_last(self, client_id: str) -> bool:
        """Remove one, unless it is the only administrator; returns whether it was removed.

        Whoever else removes one at the same time, an administrator is left.
        """

    @abstractmethod
    async def delete(self, client_id: str) -> bool:
        """Remove one; returns whether it was there."""

    @abstractmethod
    async def set_key(self, client_id: str, key: bytes, previous: PreviousKey | None = None) -> bool:
        """Give it another secret; returns whether it was there.

        Args:
            previous: the one that is good beside it for a time; None for none.
        """

    @abstractmethod
    async def set_expiry(self, client_id: str, expires_at: float | None) -> bool:
        """Say from when on it is good for nothing, Unix seconds, or never; returns whether it was there."""

    @abstractmethod
    async def reseal(self, after: str, limit: int) -> Resealed:
        """Encrypt keys anew, previous ones too, that were not encrypted by the key that encrypts now: in one
        transaction those of the next `limit` identities behind `after`, by id.

        Raises:
            StoreError: one of them cannot be decrypted; none of these was changed.
        """

    @abstractmethod
    async def forget_keys(self, before: float, limit: int) -> int:
        """Drop previous keys whose time ended before this, of at most so many; returns of how many."""

    @abstractmethod
    async def set_scope(self, client_id: str, allowed_networks: Sequence[str]) -> bool:
        """Change from where it may come; returns whether it was there."""

"""The coordinators that share a database, and what they tell each other through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from dffmpeg.model.membership import Member
from dffmpeg.store.database import Ear
from dffmpeg.store.journal import Change


@dataclass(frozen=True, slots=True)
class Told:
    """What a transaction of another coordinator has changed.

    Attributes:
        seq: rises with each of one coordinator's transactions; those of two may become visible in
            another order than their numbers'.
        change: `JobChanged`, `WorkerChanged`, `MemberChanged` or `MessageStored`; None: the queue's switch.
    """

    seq: int
    coordinator_id: str
    change: Change | None


class MemberRepository(ABC):
    """What the rest knows of how they are stored. Times are Unix seconds by the caller's clock."""

    @property
    @abstractmethod
    def shared(self) -> bool:
        """Whether several coordinators may use the database. Where not, nothing here is to be used."""

    @abstractmethod
    async def join(self, member: Member) -> None:
        """Become one of them. From now on each transaction of this process is that member's: it renews its
        membership, is refused with `Fenced` once that has ended, and tells the others what it changes."""

    @abstractmethod
    async def renew(self) -> None:
        """Show a sign of life, as every other transaction does too.

        Raises:
            Fenced: the others go on without this one.
        """

    @abstractmethod
    async def list(self) -> Sequence[Member]:
        """Those that are not gone, by id."""

    @abstractmethod
    async def drain(self, coordinator_id: str) -> bool:
        """From active to draining; returns whether it was active."""

    @abstractmethod
    async def leave(self, coordinator_id: str) -> None:
        """The caller's own membership ends; nothing can be written behind it."""

    @abstractmethod
    async def bury(self, member: Member) -> bool:
        """One that was silent for too long is gone, unless it has renewed since; returns whether it is."""

    @abstractmethod
    async def forget(self, before: float) -> int:
        """Remove the rows of those that are gone, and were heard of last before then; returns how many."""

    @abstractmethod
    def listening(self, own: str) -> AbstractAsyncContextManager[Ear]:
        """Hear, inside the block, when others than `own` may have told something."""

    @abstractmethod
    async def last(self) -> int:
        """The highest number that anything told has so far."""

    @abstractmethod
    async def told(self, own: str, settled: int, seen: Mapping[str, int], limit: int) -> Sequence[Told]:
        """What others told, by its number.

        Args:
            own: the member whose changes are left out.
            settled: only what is behind this number.
            seen: by coordinator, only what is behind that number.
            limit: at most so many.
        """

    @abstractmethod
    async def prune(self, before: float, limit: int) -> int:
        """Forget what was told before then; returns how much."""

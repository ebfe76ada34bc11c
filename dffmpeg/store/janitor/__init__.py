"""The janitor's runs, and the care of the database itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dffmpeg.model.janitor import JanitorRun


class JanitorRepository(ABC):
    """In the same database as the jobs. Times are Unix seconds."""

    @abstractmethod
    async def record(self, run: JanitorRun) -> None:
        """Store a run, or what became of one that is stored."""

    @abstractmethod
    async def runs(self, limit: int) -> Sequence[JanitorRun]:
        """The latest runs, newest first."""

    @abstractmethod
    async def forget(self, before: float, limit: int) -> int:
        """Delete runs that began before a time, at most so many; returns how many."""

    @abstractmethod
    async def vacuum(self, pages: int) -> int:
        """Give unused pages of the file back, at most so many; returns how many.

        0 where nothing is unused, and on an engine that does this by itself.
        """

    @abstractmethod
    async def optimize(self) -> None:
        """Let the engine look at its indexes anew, within a bounded time."""

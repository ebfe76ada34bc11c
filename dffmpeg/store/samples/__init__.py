"""What coordinators counted, by stretches of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dffmpeg.model.samples import Sample


class SampleRepository(ABC):
    """In the same database as the jobs."""

    @abstractmethod
    async def add(self, samples: Sequence[Sample]) -> None:
        """Store what was counted, beside what is there already of the same stretch."""

    @abstractmethod
    async def put(self, samples: Sequence[Sample]) -> None:
        """Store what was counted, in place of what is there of the same stretch."""

    @abstractmethod
    async def list(self, step: int, since: int) -> Sequence[Sample]:
        """All samples of a step that begin at a time (Unix seconds) or later, the oldest first."""

    @abstractmethod
    async def forget(self, step: int, before: int, limit: int) -> int:
        """Delete samples of a step that began before a time, at most so many; returns how many."""

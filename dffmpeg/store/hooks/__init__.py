"""Calls of hooks that are to be made. They are written together with the change that they tell of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dffmpeg.model.hooks import HookCall


class HookRepository(ABC):
    """In the same database as the jobs. Times are Unix seconds.

    A job's calls of one URL are a queue: only the first of it that was neither delivered
    nor given up is ever due.
    """

    @abstractmethod
    async def due(self, now: float, limit: int) -> Sequence[HookCall]:
        """The first of each queue, where it may be tried now; the longest overdue first."""

    @abstractmethod
    async def next_moment(self, now: float) -> float | None:
        """When the next call that is not due yet will be."""

    @abstractmethod
    async def of_job(self, job_id: str) -> Sequence[HookCall]:
        """All calls of a job, in order."""

    @abstractmethod
    async def delivered(self, call: HookCall, now: float) -> None:
        """Its receiver took it."""

    @abstractmethod
    async def postpone(self, call: HookCall, due_at: float, error: str) -> None:
        """A try failed: it is tried again then, and what waits behind it waits until then, too."""

    @abstractmethod
    async def give_up(self, call: HookCall, error: str) -> None:
        """A try failed, and was the last."""

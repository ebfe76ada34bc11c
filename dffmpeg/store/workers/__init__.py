"""Workers as they registered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dffmpeg.model.workers import Hold, Worker, WorkerFilter, WorkerOrder, WorkerPlace, WorkerState
from dffmpeg.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Move:
    """From one home to another, by the coordinators' ids; `source` is None for the first."""

    source: str | None
    target: str


class WorkerRepository(ABC):
    """What the rest knows of how workers are stored. Times are Unix seconds."""

    @property
    @abstractmethod
    def journal(self) -> Journal:
        """Where each change is told after its commit."""

    @abstractmethod
    async def register(self, worker: Worker) -> None:
        """Store a worker in place of what was known of it, except for its hold and its strikes."""

    @abstractmethod
    async def get(self, worker_id: str) -> Worker | None: ...

    @abstractmethod
    async def list(self, since: float | None, *, abilities: bool = True) -> Sequence[Worker]:
        """By id; those that were seen since then, or all.

        Args:
            abilities: whether to read them: they are nearly all that there is to a row.
        """

    @abstractmethod
    async def page(
        self,
        wanted: WorkerFilter,
        *,
        after: WorkerPlace | None,
        most: int,
        order: WorkerOrder = WorkerOrder(),  # noqa: B008 - it is frozen
    ) -> Sequence[Worker]:
        """The first of those that are wanted; without their abilities.

        Args:
            after: only those behind it, in that order.
            most: how many at most.
        """

    @abstractmethod
    async def set_state(
        self, worker_id: str, sources: Collection[WorkerState], target: WorkerState, now: float
    ) -> bool:
        """Change the state, if it is one of `sources`: one compare-and-set."""

    @abstractmethod
    async def delete(self, worker_id: str) -> bool:
        """Forget a worker that is offline; returns whether there was one that is."""

    @abstractmethod
    async def verify(self, worker_id: str, token: str, now: float) -> bool:
        """From registering to online (or draining, if it asked for that), if the token is the right one."""

    @abstractmethod
    async def homes(self, worker_ids: Collection[str] | None = None) -> Mapping[str, str | None]:
        """By worker, the coordinator that looks after it; None where nobody does yet.

        Args:
            worker_ids: these, as far as there are such workers; None for all.
        """

    @abstractmethod
    async def looked_after(self) -> Mapping[str, str | None]:
        """`homes` of those that somebody has to look after: they are not offline, or have live jobs."""

    @abstractmethod
    async def move(self, moves: Mapping[str, Move]) -> Collection[str]:
        """Give workers other homes, each by a compare-and-set; returns those of which it was made."""

    @abstractmethod
    async def set_hold(
        self, worker_id: str, hold: Hold | None, *, reason: str | None, until: float | None, strikes: int
    ) -> bool:
        """Hold a worker back, or (with None) release it; returns whether there is such a worker.

        Args:
            until: Unix seconds after which whoever watches over it releases it; None is never.
            strikes: its count from now on.
        """

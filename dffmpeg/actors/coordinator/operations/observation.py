"""What monitoring asks of the coordinator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dffmpeg import __version__
from dffmpeg.actors.coordinator import gauges
from dffmpeg.actors.coordinator.operations.base import READERS, Base, require
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import JobState
from dffmpeg.model.workers import WorkerState
from dffmpeg.store.errors import StoreUnavailable
from dffmpeg.supervisors.tree import ChildState
from dffmpeg.wire.observation import Slots, Stats
from dffmpeg.wire.records import queue_state

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.measurements import Measurements
    from dffmpeg.supervisors import TreeNode

STOPPING = "it is stopping"
"""What `waits_for` says from the moment that the coordinator is told to stop."""


class ObservationOperations(Base):
    """Reads; the web layer looks at who asks."""

    @property
    def measurements(self) -> Measurements:
        """Where the web layer counts what it does."""
        return self._services.measurements

    @property
    def coordinator_id(self) -> str:
        """Which coordinator this is, among those that share the database."""
        return self._services.membership.me

    async def exposition(self, accept: str, tree: Callable[[], TreeNode] | None) -> tuple[bytes, str]:
        """All metrics as text, and its content type. Without its database it tells what it knows itself.

        Args:
            accept: what formats the caller takes, as in HTTP.
            tree: the supervision tree.
        """
        found = gauges.actors(tree()) if tree is not None else []
        try:
            found += await gauges.gauges(self._services)
        except StoreUnavailable:
            found.append(gauges.database_up(up=False))
        else:
            found.append(gauges.database_up(up=True))
        return gauges.exposition(self.measurements, found, accept)

    async def waits_for(self, tree: Callable[[], TreeNode] | None) -> list[str]:
        """What keeps this coordinator from working as it should: each a short clause; nothing if it is ready.

        Args:
            tree: the supervision tree.
        """
        # What /health says has to be said here too, at the same moment.
        found = [STOPPING] if self._services.leaving.is_set() else []
        children = () if tree is None else tree().children
        found += [f"{one.id} is {one.state.value}" for one in children if one.state is not ChildState.RUNNING]
        if not await self._database_answers():
            # What the database says is about the inside.
            found.append("the database does not answer")
        return found

    async def _database_answers(self) -> bool:
        if self._services.outage.lasts:
            # To ask would be to wait for its patience first.
            return False
        try:
            await self._services.store.settings.pause()
        except StoreUnavailable:
            return False
        return True

    async def stats(self, who: Identity) -> Stats:
        """The cluster in numbers."""
        require(who, *READERS)
        store = self._services.store
        counts, pause = await store.jobs.counts(), await store.settings.pause()
        nodes = self._services.backlog.board.pool.nodes.values()
        workers = {state.value: sum(node.worker.state is state for node in nodes) for state in WorkerState}
        there = [node for node in nodes if node.worker.state is not WorkerState.OFFLINE]
        return Stats(
            version=__version__,
            jobs={state.value: counts.get(state, 0) for state in JobState},
            workers={**workers, "held": sum(node.worker.hold is not None for node in nodes)},
            slots=Slots(
                total=sum(node.worker.slots for node in there), used=sum(node.load.used for node in there)
            ),
            queue=queue_state(pause),
        )

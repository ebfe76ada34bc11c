"""What monitoring asks of the coordinator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dffmpeg.actors.coordinator import gauges
from dffmpeg.actors.coordinator.operations.base import Base
from dffmpeg.store.errors import StoreUnavailable

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.measurements import Measurements
    from dffmpeg.supervisors import TreeNode


class ObservationOperations(Base):
    """Reads; the web layer looks at who asks."""

    @property
    def measurements(self) -> Measurements:
        """Where the web layer counts what it does."""
        return self._services.measurements

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

"""Following what changes."""

from __future__ import annotations

from collections.abc import Collection

from dffmpeg.actors.coordinator.events import Subscription
from dffmpeg.actors.coordinator.operations.base import Base
from dffmpeg.model.identities import Identity


class EventOperations(Base):
    """For every role: a client sees its own jobs and the workers, a worker what concerns itself."""

    def subscribe(
        self, who: Identity, *, after: str | None, kinds: Collection[str] | None, interval: float
    ) -> Subscription:
        """Follow what changes; the caller enters it. See `Subscription`."""
        return Subscription(
            self._services.events, self._services.store, who, after=after, kinds=kinds, interval=interval
        )

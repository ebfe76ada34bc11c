"""Following what changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dffmpeg.actors.coordinator.operations.base import Base
from dffmpeg.actors.coordinator.subscriptions import Subscription
from dffmpeg.model.identities import Identity
from dffmpeg.wire.events import EventKind


class EventOperations(Base):
    """For every role: a client sees its own jobs and the workers, a worker what concerns itself."""

    @property
    def event_kinds(self) -> Sequence[EventKind]:
        """What may be followed."""
        return self._services.events.kinds

    def subscribe(
        self, who: Identity, *, after: str | None, kinds: Collection[EventKind] | None, interval: float
    ) -> Subscription:
        """Follow what changes; the caller enters it. See `Subscription`."""
        services = self._services
        return Subscription(
            services.broadcasts,
            services.events,
            services.store,
            who,
            after=after,
            kinds=kinds,
            interval=interval,
        )

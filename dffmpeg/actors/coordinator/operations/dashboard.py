"""What the dashboard's pages read of the cluster as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from dffmpeg.actors.coordinator.operations.base import Base
from dffmpeg.model import samples
from dffmpeg.model.samples import MINUTE, QUARTER, Figures, Sample
from dffmpeg.wire import times
from dffmpeg.wire.dashboard import Alert, ClusterOverview, History, HistoryPoint, Span

STEPS: dict[Span, tuple[int, int]] = {"hour": (MINUTE, 60), "day": (QUARTER, 96)}
"""By span, how long a point is, seconds, and how many there are."""


class DashboardOperations(Base):
    """Reads; the web layer looks at who asks. Nothing in it is about a single job."""

    async def glance(self) -> ClusterOverview:
        """The cluster at a glance."""
        return await self._services.dashboard.overview.newest()

    async def alerts(self) -> Sequence[Alert]:
        """What somebody should look at, the worst first."""
        topic = self._services.dashboard.alerts
        await topic.bring_up_to_date()
        return topic.alerts

    async def history(self, span: Span) -> History:
        """How busy the cluster was.

        Raises:
            StoreUnavailable: the database cannot be asked.
        """
        services = self._services
        step, number = STEPS[span]
        last = samples.begin(services.backlog.clock(), step)
        first = last - (number - 1) * step
        found: list[Sample] = list(await services.store.samples.list(step, first))
        if step != MINUTE:
            # Quarters of an hour are made a little later than they end.
            found += await services.store.samples.list(MINUTE, first)
        found += services.dashboard.record.unwritten(services.membership.me, whole=False)
        return History(
            step=step,
            points=[_point(at, figures) for at, figures in samples.series(found, step, first, number)],
        )


def _point(at: int, figures: Figures | None) -> HistoryPoint:
    began = times.to_wire(at)
    if figures is None:
        return HistoryPoint(at=began)
    return HistoryPoint(
        at=began,
        submitted=figures.submitted,
        started=figures.started,
        completed=figures.completed,
        failed=figures.failed,
        canceled=figures.canceled,
        waited_mean=figures.waited / figures.waits if figures.waits else None,
        waited_max=figures.waited_max if figures.waits else None,
        queued=figures.mean(figures.queued),
        running=figures.mean(figures.running),
        slots=figures.mean(figures.slots),
        used_slots=figures.mean(figures.used_slots),
        bytes=figures.bytes,
    )

"""What the dashboard's pages show of the cluster as a whole: kept in memory, told by the feed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dffmpeg.actors.coordinator.dashboard.alerts import AlertsTopic
from dffmpeg.actors.coordinator.dashboard.counts import EndedJobs
from dffmpeg.actors.coordinator.dashboard.elsewhere import Elsewhere
from dffmpeg.actors.coordinator.dashboard.overview import OverviewTopic
from dffmpeg.actors.coordinator.dashboard.progress import ProgressTopic
from dffmpeg.actors.coordinator.dashboard.record import Record

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.backlog import Backlog
    from dffmpeg.actors.coordinator.events import EventLog
    from dffmpeg.actors.coordinator.measurements import Measurements
    from dffmpeg.actors.coordinator.membership import Membership
    from dffmpeg.actors.coordinator.services import OpenStore
    from dffmpeg.transports.downlink import Downlinks


class Dashboard:
    """All of its parts.

    Args:
        outage: whether the database cannot be reached.
        live_jobs: jobs that workers have, at most.
    """

    def __init__(
        self,
        backlog: Backlog,
        measurements: Measurements,
        membership: Membership,
        downlinks: Downlinks,
        opened: OpenStore,
        outage: Callable[[], bool],
        live_jobs: int,
    ) -> None:
        self.ended = EndedJobs()
        self.progress = ProgressTopic(Elsewhere(backlog, membership, opened), live_jobs)
        self.record = Record(measurements, backlog, membership.leading)
        self.alerts = AlertsTopic(backlog, membership, downlinks, opened, outage)
        self.overview = OverviewTopic(backlog, opened, self.ended, self.progress, self.record, self.alerts)
        opened.listeners += [self.ended.take, self.progress.take, self.alerts.take, self.overview.take]

    def join(self, events: EventLog) -> None:
        """Have all that it tells be followed there."""
        for topic in (self.overview, self.alerts, self.progress):
            events.add(topic)

    def board_changed(self) -> None:
        """The scheduler's board has taken in what was committed."""
        self.alerts.stir()
        self.overview.stir()


__all__ = ["Dashboard"]

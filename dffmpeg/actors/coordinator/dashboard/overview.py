"""The cluster at a glance, out of what this coordinator has in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from dffmpeg.actors.coordinator.topics import Topic
from dffmpeg.model import access
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import TERMINAL, JobState
from dffmpeg.model.scheduling.pause import Pause
from dffmpeg.store import StoreUnavailable
from dffmpeg.wire.dashboard import ClusterOverview, OverviewWorker
from dffmpeg.wire.records import queue_state

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.backlog import Backlog
    from dffmpeg.actors.coordinator.dashboard.alerts import AlertsTopic
    from dffmpeg.actors.coordinator.dashboard.counts import EndedJobs
    from dffmpeg.actors.coordinator.dashboard.progress import ProgressTopic
    from dffmpeg.actors.coordinator.dashboard.record import Record
    from dffmpeg.actors.coordinator.services import OpenStore
    from dffmpeg.model.scheduling.nodes import Node
    from dffmpeg.store.journal import Change, Missing
    from dffmpeg.wire.events import EventData

SHARE = 0.05
"""Of the time that may be spent with making it, at most."""


class OverviewTopic(Topic):
    """The whole overview, whenever something of it is another."""

    kind = "overview"
    roles = access.roles_of("overview")
    every = 1.0

    def __init__(
        self,
        backlog: Backlog,
        opened: OpenStore,
        ended: EndedJobs,
        progress: ProgressTopic,
        record: Record,
        alerts: AlertsTopic,
    ) -> None:
        super().__init__()
        self._opened = opened
        self._backlog = backlog
        self._ended = ended
        self._progress = progress
        self._record = record
        self._alerts = alerts
        self._pause = Pause()
        self._newest: ClusterOverview | None = None

    def take(self, changes: Sequence[Change | Missing]) -> None:
        """Hear that something has changed; a `Listener` of journals."""
        for change in changes:
            if isinstance(change, Pause):
                self._pause = change
        self.stir()

    def queue_is(self, pause: Pause) -> None:
        """The queue's switch, as it stands."""
        self._pause = pause
        self.stir()

    async def newest(self) -> ClusterOverview:
        """As it is now, or was a moment ago."""
        # Only the first who ever asks waits: until the jobs that have ended are counted.
        await self._ended.counts()
        await self.bring_up_to_date()
        if self._newest is None:
            await self.refresh()
        assert self._newest is not None
        return self._newest

    async def refresh(self) -> None:
        with suppress(StoreUnavailable):
            # Not everything that changes there wakes the scheduler, who reads it else.
            self._backlog.read(self._opened.current)
            await self._progress.bring_up_to_date()
        await self._alerts.bring_up_to_date()
        self._ended.want()
        began = time.perf_counter()
        found = self._made()
        self.pace = max(0.1, (time.perf_counter() - began) / SHARE)
        if found != self._newest:
            self._newest = found
            self.version += 1

    def news(self, after: int, who: Identity) -> list[EventData]:
        del who
        return [self._newest] if self._newest is not None and self.version > after else []

    def _made(self) -> ClusterOverview:
        board, counts = self._backlog.board, Counter[str]()
        workers = [self._worker(node, counts) for _, node in sorted(board.pool.nodes.items())]
        counts[JobState.PENDING.value] = board.ledger.pending
        ended = self._ended.now()
        return ClusterOverview(
            counts={
                state.value: ended[state] if state in TERMINAL else counts[state.value] for state in JobState
            },
            queue=queue_state(self._pause),
            workers=workers,
            rates=self._record.rates(),
            alerts=self._alerts.alerts,
        )

    def _worker(self, node: Node, counts: Counter[str]) -> OverviewWorker:
        worker, entries = node.worker, self._backlog.board.entries
        speeds: list[float] = []
        for job_id in node.load.jobs:
            entry = entries.get(job_id)
            if entry is not None:
                counts[entry.state.value] += 1
            speed = self._progress.speed(job_id)
            if speed is not None:
                speeds.append(speed)
        return OverviewWorker(
            worker_id=worker.worker_id,
            status=worker.status,
            slots=worker.slots,
            used_slots=node.load.used,
            load=worker.load,
            speed=round(sum(speeds), 3) if speeds else None,
            labels=list(worker.labels),
            hold_reason=worker.hold_reason,
        )

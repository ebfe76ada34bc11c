"""What this coordinator has counted and not yet written down, and how it went within the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from dffmpeg.model.jobs import JobState
from dffmpeg.model.samples import MINUTE, Figures, Sample, begin, total
from dffmpeg.model.workers import WorkerState
from dffmpeg.wire.dashboard import Rates

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.backlog import Backlog
    from dffmpeg.actors.coordinator.measurements import Measurements

TICK = 5.0
"""Seconds between two looks at how busy the cluster is."""

UNWRITTEN = 120
"""Minutes that are kept where the database does not take them; the oldest go first."""


class Record:
    """Outlives the actor that writes it down.

    Args:
        measurements: where things are counted.
        backlog: what the cluster is like.
        leading: whether this coordinator records what the cluster is like: one of them does.
    """

    def __init__(self, measurements: Measurements, backlog: Backlog, leading: Callable[[], bool]) -> None:
        self._measurements = measurements
        self._backlog = backlog
        self._leading = leading
        self._minutes: dict[int, Figures] = {}
        self._lately: deque[Figures] = deque(maxlen=round(MINUTE / TICK))
        self.others = Figures()
        """What other coordinators counted in the last full minute."""

    def look(self) -> None:
        """Take in what was counted, and look at the cluster if that is ours to do."""
        counted = self._measurements.figures()
        self._lately.append(counted)
        if self._leading():
            counted = self._with_look(counted)
        minute = begin(self._backlog.clock(), MINUTE)
        self._minutes[minute] = self._minutes.get(minute, Figures()).plus(counted)
        while len(self._minutes) > UNWRITTEN:
            del self._minutes[next(iter(self._minutes))]

    def _with_look(self, counted: Figures) -> Figures:
        board = self._backlog.board
        there = [node for node in board.pool.nodes.values() if node.worker.state is not WorkerState.OFFLINE]
        live = (board.entries.get(job_id) for node in there for job_id in node.load.jobs)
        return counted.with_look(
            queued=board.ledger.pending,
            running=sum(entry is not None and entry.state is JobState.RUNNING for entry in live),
            slots=sum(node.worker.slots for node in there),
            used_slots=sum(node.load.used for node in there),
        )

    def unwritten(self, coordinator_id: str, *, whole: bool) -> list[Sample]:
        """The minutes that are to be written down.

        Args:
            whole: only those that are over.
        """
        now = begin(self._backlog.clock(), MINUTE)
        return [
            Sample(MINUTE, at, coordinator_id, figures)
            for at, figures in self._minutes.items()
            if not whole or at != now
        ]

    def written(self, samples: list[Sample]) -> None:
        """They are durable. Nothing was counted in between for any of them that is over."""
        for one in samples:
            self._minutes.pop(one.at, None)

    def rates(self) -> Rates:
        """Of the last minute."""
        found = total(self._lately).plus(self.others)
        return Rates(submitted=found.submitted, started=found.started, ended=found.ended)

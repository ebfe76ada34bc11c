"""How far running jobs are: the newest of each, for whoever follows it.

Of a job that another coordinator looks after it is what that one wrote into its row, every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from dffmpeg.actors.coordinator.dashboard.elsewhere import LOOK
from dffmpeg.actors.coordinator.topics import Topic
from dffmpeg.model import access
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import Job, JobState, Transition
from dffmpeg.wire import times
from dffmpeg.wire.dashboard import ProgressEvent

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.dashboard.elsewhere import Elsewhere
    from dffmpeg.model.briefs import ProgressBrief
    from dffmpeg.model.progress import Progress
    from dffmpeg.store.journal import Change, Missing
    from dffmpeg.wire.events import EventData


@dataclass(frozen=True, slots=True)
class _Known:
    version: int
    requester_id: str
    worker_id: str | None
    event: ProgressEvent
    elsewhere: bool = False


class ProgressTopic(Topic):
    """See the module.

    Args:
        elsewhere: tells of the jobs that other coordinators look after.
        limit: jobs of which it is known at most.
    """

    kind = "progress"
    roles = access.roles_of("progress")
    every = LOOK

    def __init__(self, elsewhere: Elsewhere, limit: int = 10_000) -> None:
        super().__init__()
        self._elsewhere = elsewhere
        self._limit = limit
        # The newest last.
        self._known: dict[str, _Known] = {}

    def note(self, job: Job, progress: Progress) -> None:
        """A worker says how far its attempt of a job is."""
        event = progress_event(job.job_id, job.attempt, progress, time.time())
        self._keep(job.requester_id, job.worker_id, event)
        self.stir()

    def _keep(
        self, requester_id: str, worker_id: str | None, event: ProgressEvent, *, elsewhere: bool = False
    ) -> None:
        self.version += 1
        self._known.pop(event.job_id, None)
        self._known[event.job_id] = _Known(self.version, requester_id, worker_id, event, elsewhere)
        if len(self._known) > self._limit:
            # Of one whose end nobody here heard of.
            del self._known[next(iter(self._known))]

    def take(self, changes: Sequence[Change | Missing]) -> None:
        """Forget the jobs that run no more; a `Listener` of journals."""
        for change in changes:
            if isinstance(change, Transition) and change.target not in (JobState.RUNNING, JobState.CANCELING):
                self._known.pop(change.job_id, None)

    def speed(self, job_id: str) -> float | None:
        """Seconds of output for each second; None where the job does not say."""
        known = self._known.get(job_id)
        return None if known is None else known.event.speed

    async def refresh(self) -> None:
        """Look at what is elsewhere; of everything else it is told."""
        found = await self._elsewhere.look()
        if found is None:
            return
        there = {one.job_id for one in found}
        for job_id in [one for one, known in self._known.items() if known.elsewhere and one not in there]:
            del self._known[job_id]
        for one in found:
            self._take_over(one)

    def _take_over(self, one: ProgressBrief) -> None:
        event = progress_event(one.job_id, one.attempt, one.progress, time.time())
        known = self._known.get(one.job_id)
        if known is None or not known.elsewhere or msgspec.structs.replace(known.event, at=event.at) != event:
            self._keep(one.requester_id, one.worker_id, event, elsewhere=True)

    def news(self, after: int, who: Identity) -> list[EventData]:
        found: list[EventData] = []
        for known in reversed(self._known.values()):
            if known.version <= after:
                break
            if _may_see(who, known):
                found.append(known.event)
        return found


def progress_event(job_id: str, attempt: int, progress: Progress, now: float) -> ProgressEvent:
    """How far an attempt is, as the feed tells it.

    Args:
        now: when its worker said so, Unix seconds.
    """
    return ProgressEvent(
        job_id=job_id,
        attempt=attempt,
        fraction=progress.fraction,
        speed=progress.speed,
        fps=progress.fps,
        out_time=progress.time,
        size=progress.size,
        remaining=progress.remaining,
        at=times.to_wire(now),
    )


def _may_see(who: Identity, known: _Known) -> bool:
    dealing = access.EVENTS[ProgressTopic.kind]
    return access.may(dealing, who, requester=known.requester_id, worker=known.worker_id)

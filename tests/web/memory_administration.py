"""What administrators ask of the coordinator in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import cast

from dffmpeg.actors.coordinator import gauges
from dffmpeg.actors.coordinator.backlog import Backlog
from dffmpeg.actors.coordinator.events import EventLog
from dffmpeg.actors.coordinator.measurements import Measurements
from dffmpeg.actors.coordinator.operations import NotFound
from dffmpeg.actors.coordinator.subscriptions import Broadcasts, Subscription
from dffmpeg.model.identities import Identity
from dffmpeg.model.pages import PageRequest, Place
from dffmpeg.model.scheduling.policy import Policy
from dffmpeg.model.workers import Hold, WorkerOrder, WorkerPlace
from dffmpeg.store import Store
from dffmpeg.supervisors import TreeNode
from dffmpeg.wire import codec, times
from dffmpeg.wire.administration import Overview, RetryRequest
from dffmpeg.wire.dashboard import Alert, ClusterOverview, History, JobCommand, JobCommands, JobPage, Span
from dffmpeg.wire.events import EventKind
from dffmpeg.wire.janitor import JanitorRecord
from dffmpeg.wire.jobs import JobRecord, StatusReply
from dffmpeg.wire.lists import JobList, WorkerList, cursor
from dffmpeg.wire.observation import Slots, Stats
from dffmpeg.wire.scheduling import Explanation, QueueState
from dffmpeg.wire.workers import WorkerRecord
from tests.web.memory_trail import MemoryTrail


class MemoryAdministration(MemoryTrail):
    def __init__(self) -> None:
        super().__init__()
        self.events = EventLog()
        self.pages: list[PageRequest] = []
        self._measurements = Measurements(Backlog(Policy(), time.time))

    @property
    def measurements(self) -> Measurements:
        return self._measurements

    @property
    def coordinator_id(self) -> str:
        return "me"

    async def exposition(self, accept: str, tree: Callable[[], TreeNode] | None) -> tuple[bytes, str]:
        assert tree is not None
        return gauges.exposition(self.measurements, gauges.actors(tree()), accept)

    async def waits_for(self, tree: Callable[[], TreeNode] | None) -> list[str]:
        assert tree is not None
        return [] if self.failure is None else ["the database does not answer"]

    async def stats(self, who: Identity) -> Stats:
        counts = {"pending": len(self.all)}
        return Stats(version="1", jobs=counts, workers={}, slots=Slots(total=0, used=0), queue=self.queue)

    async def glance(self) -> ClusterOverview:
        return ClusterOverview(counts={}, queue=self.queue, workers=[])

    async def alerts(self) -> Sequence[Alert]:
        return []

    async def history(self, span: Span) -> History:
        return History(step=60 if span == "hour" else 900, points=[])

    @property
    def event_kinds(self) -> Sequence[EventKind]:
        return self.events.kinds

    def subscribe(
        self, who: Identity, *, after: str | None, kinds: Collection[EventKind] | None, interval: float
    ) -> Subscription:
        return Subscription(
            Broadcasts(self.events),
            self.events,
            cast("Store", None),
            who,
            after=after,
            kinds=kinds,
            interval=interval,
        )

    async def job_page(self, who: Identity, request: PageRequest) -> JobList:
        self.pages.append(request)
        records = [job.record for job in self.all.values() if job.record.requester_id == who.client_id]
        following = cursor(request, Place(1.5, "X"), 0) if len(records) > request.limit else None
        return JobList(items=records[: request.limit], next=following)

    async def worker_page(
        self,
        who: Identity,
        *,
        limit: int,
        offset: int,
        after: WorkerPlace | None,
        statuses: Collection[str] | None = None,
        labels: Collection[str] = (),
        order: WorkerOrder = WorkerOrder(),  # noqa: B008 - it is frozen
    ) -> WorkerList:
        return WorkerList(items=list(self.known_workers.values())[offset : offset + limit], next=None)

    async def run_janitor(self, who: Identity, action: str) -> JanitorRecord:
        self.swept.append(action)
        now = times.to_wire(time.time())
        return JanitorRecord(run_id="1", action=action, started_at=now, ended_at=now, result={})

    async def retry(self, who: Identity, job_id: str, request: RetryRequest) -> JobRecord:
        return (await self._job(who, job_id)).record

    async def set_priority(self, who: Identity, job_id: str, wanted: int | str) -> JobRecord:
        record = (await self._job(who, job_id)).record
        assert isinstance(wanted, int)
        record.priority = wanted
        return record

    async def purge(self, who: Identity, job_id: str) -> StatusReply:
        await self._job(who, job_id)
        del self.all[job_id]
        return StatusReply()

    async def remove_worker(self, who: Identity, worker_id: str) -> StatusReply:
        if self.known_workers.pop(worker_id, None) is None:
            raise NotFound(f"no worker {worker_id}")
        return StatusReply()

    async def job_in_full(self, who: Identity, job_id: str) -> JobPage:
        record = (await self._job(who, job_id)).record
        command = JobCommand(line=record.binary_name, arguments=[record.binary_name])
        return JobPage(job=record, commands=JobCommands(mapped=command), timeline=[], attempts=[])

    async def why(self, who: Identity, job_id: str) -> Explanation:
        record = (await self._job(who, job_id)).record
        return Explanation(job_id=job_id, status=record.status, waits_for=[])

    async def hold_worker(
        self,
        who: Identity,
        worker_id: str,
        hold: Hold,
        *,
        reason: str | None = None,
        seconds: float | None = None,
    ) -> WorkerRecord:
        record = await self.worker(who, worker_id)
        until = None if seconds is None else times.to_wire(time.time() + seconds)
        record.hold, record.hold_reason, record.hold_until = hold.value, reason, until
        return record

    async def release_worker(self, who: Identity, worker_id: str) -> WorkerRecord:
        record = await self.worker(who, worker_id)
        record.hold = record.hold_reason = record.hold_until = None
        return record

    async def probe(self, who: Identity, worker_id: str, *, benchmark: bool = False) -> StatusReply:
        await self.worker(who, worker_id)
        return StatusReply(detail="measured too" if benchmark else None)

    async def queue_state(self, who: Identity) -> QueueState:
        return self.queue

    async def pause_queue(self, who: Identity, reason: str | None = None) -> QueueState:
        self.queue = QueueState(paused=True, reason=reason, changed_by=who.client_id)
        return self.queue

    async def resume_queue(self, who: Identity) -> QueueState:
        self.queue = QueueState(paused=False, changed_by=who.client_id)
        return self.queue

    async def janitor_runs(self, who: Identity, *, limit: int) -> list[JanitorRecord]:
        now = times.to_wire(time.time())
        return [
            JanitorRecord(run_id=str(number), action=action, started_at=now, ended_at=now, result={})
            for number, action in enumerate(self.swept)
        ][-limit:]

    async def cluster(self, who: Identity, window: float) -> Overview:
        return Overview(
            status=self.health_status,
            version="1",
            counts={},
            workers=list(self.known_workers.values()),
            live=[job.record for job in self.all.values()],
            failed=[],
            queue=self.queue,
        )

    async def overview(self, window: float) -> dict[str, object]:
        return {
            "workers": codec.to_builtins(list(self.known_workers.values())),
            "worker_load": {name: record.used_slots for name, record in self.known_workers.items()},
            "jobs": [codec.to_builtins(job.record) for job in self.all.values()],
            "counts": {},
        }

    async def health(self, *, deep: bool) -> dict[str, object]:
        self.entered.set()
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        report: dict[str, object] = {"status": self.health_status, "version": "1"}
        if deep:
            report |= {"databases": {}, "transports": {}}
        return report

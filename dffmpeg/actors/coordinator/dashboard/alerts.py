"""What somebody should look at, out of what this coordinator has in memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from dffmpeg.actors.coordinator.topics import Topic
from dffmpeg.model import access, alerts
from dffmpeg.model.alerts import DatabaseFacts, Facts, Stranded, WorkerFacts
from dffmpeg.model.identities import Identity
from dffmpeg.model.jobs import AttemptOutcome, Transition
from dffmpeg.model.suitability import hindrance
from dffmpeg.model.workers import Hold, WorkerState
from dffmpeg.store import StoreUnavailable
from dffmpeg.wire import times
from dffmpeg.wire.dashboard import Alert

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.backlog import Backlog
    from dffmpeg.actors.coordinator.membership import Membership
    from dffmpeg.actors.coordinator.services import OpenStore
    from dffmpeg.model.scheduling.nodes import Fit, Node
    from dffmpeg.store.database import Database
    from dffmpeg.store.journal import Change, Missing
    from dffmpeg.transports.downlink import Downlinks
    from dffmpeg.wire.events import EventData

EXAMINED = 5
"""Kinds of waiting jobs of which it is told why no worker takes them, those with the most jobs first."""

NAMED = 3

DISKS_EVERY = 30.0
"""Seconds between two looks at how full a disk is."""

TOGETHER = 60.0
"""Seconds within which the jobs that a worker lost belong together."""

_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class _Lost:
    jobs: int
    at: float


@dataclass(frozen=True, slots=True)
class _Work:
    """Of a database's writer, up to a moment: transactions, and the seconds that they took."""

    at: float
    number: int
    seconds: float


class AlertsTopic(Topic):
    """The whole list, whenever it is another one.

    Args:
        outage: whether the database cannot be reached.

    Attributes:
        alerts: as of the last refresh.
    """

    kind = "alerts"
    roles = access.roles_of("alerts")
    every = 2.0

    def __init__(
        self,
        backlog: Backlog,
        membership: Membership,
        downlinks: Downlinks,
        opened: OpenStore,
        outage: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.pace = 0.25
        self.alerts: list[Alert] = []
        self.version = 1
        self._backlog = backlog
        self._membership = membership
        self._downlinks = downlinks
        self._opened = opened
        self._outage = outage
        self._standing: Mapping[alerts.Key, alerts.Standing] = {}
        self._lost: dict[str, _Lost] = {}
        self._work: dict[str, _Work] = {}
        self._slow: dict[str, float] = {}
        self._disks: dict[str, tuple[int, int]] = {}
        self._disks_at = -DISKS_EVERY
        # Of the databases, as long as they could be opened.
        self._names: tuple[str, ...] = ("jobs",)

    def take(self, changes: Sequence[Change | Missing]) -> None:
        """Note which workers lost jobs; a `Listener` of journals."""
        for change in changes:
            if isinstance(change, Transition) and change.closes is AttemptOutcome.LOST:
                entry = self._backlog.board.entries.get(change.job_id)
                worker_id = change.fence_worker or (None if entry is None else entry.worker_id)
                if worker_id is not None:
                    self._note_lost(worker_id, 1)

    def _note_lost(self, worker_id: str, jobs: int) -> None:
        now = time.time()
        before = self._lost.pop(worker_id, None)
        if before is not None and now < before.at + TOGETHER:
            self._lost[worker_id] = _Lost(before.jobs + jobs, before.at)
        else:
            self._lost[worker_id] = _Lost(jobs, now)
        if len(self._lost) > _KNOWN:
            del self._lost[next(iter(self._lost))]

    async def refresh(self) -> None:
        databases = await self._databases()
        now = time.time()
        facts = Facts(
            stranded=self._stranded(),
            workers=[self._worker(node, now) for node in self._backlog.board.pool.nodes.values()],
            downlinks=self._failing_downlinks(now),
            silent=self._membership.silent(),
            databases=databases,
        )
        shown = [key for key, one in self._standing.items() if one.shown]
        self._standing = alerts.follow(self._standing, alerts.conditions(facts, shown), now)
        found = [_record(one) for one in alerts.shown(self._standing)]
        if found != self.alerts:
            self.alerts = found
            self.version += 1

    def news(self, after: int, who: Identity) -> list[EventData]:
        del who
        return [self.alerts] if self.version > after else []

    # Facts

    def _stranded(self) -> list[Stranded]:
        pool = self._backlog.board.pool
        fits = [fit for fit in pool.fits.values() if fit.pending and not self._has_taker(fit)]
        fits.sort(key=lambda fit: -fit.pending)
        return [
            Stranded(
                program=fit.shape.binary_name,
                jobs=fit.pending,
                why=self._why(fit) if number < EXAMINED else "",
                possible=bool(fit.suits),
            )
            for number, fit in enumerate(fits)
        ]

    def _has_taker(self, fit: Fit) -> bool:
        nodes = self._backlog.board.pool.nodes
        # One that is closed at this hour is no fault.
        return any(
            nodes[worker_id].worker.state is WorkerState.ONLINE and nodes[worker_id].worker.hold is None
            for worker_id in fit.suits
        )

    def _why(self, fit: Fit) -> str:
        nodes = self._backlog.board.pool.nodes
        if not nodes:
            return "no worker has ever registered"
        if not fit.suits:
            return hindrance(fit.shape.job, (node.worker for node in nodes.values())) or "none could run it"
        could = sorted(fit.suits)
        told = ", ".join(f"{name} is {nodes[name].worker.status}" for name in could[:NAMED])
        return told if len(could) <= NAMED else f"{told}, and {len(could) - NAMED} more like that"

    def _worker(self, node: Node, now: float) -> WorkerFacts:
        worker = node.worker
        offline = worker.state is WorkerState.OFFLINE
        if offline and node.load.used and worker.worker_id not in self._lost:
            # Another coordinator is about to give them to others.
            self._note_lost(worker.worker_id, node.load.used)
        lost = self._lost.get(worker.worker_id)
        if lost is not None and (now > lost.at + (alerts.LOST_FOR if offline else TOGETHER)):
            del self._lost[worker.worker_id]
        return WorkerFacts(
            worker_id=worker.worker_id,
            quarantined=worker.hold is Hold.QUARANTINED,
            hold_reason=worker.hold_reason,
            mounts=worker.mounts,
            offline=offline,
            lost_jobs=0 if lost is None else lost.jobs,
            lost_at=None if lost is None else lost.at,
        )

    def _failing_downlinks(self, now: float) -> dict[str, float]:
        began = now - trio.current_time()
        return {
            downlink.name: began + since
            for downlink in self._downlinks.living
            if (since := downlink.failing_since) is not None
        }

    async def _databases(self) -> list[DatabaseFacts]:
        try:
            databases = self._opened.current.databases
        except StoreUnavailable:
            return [DatabaseFacts(name=name, answers=False) for name in self._names]
        self._names = tuple(databases)
        if trio.current_time() >= self._disks_at + DISKS_EVERY:
            self._disks_at = trio.current_time()
            self._disks = await trio.to_thread.run_sync(_disks, databases)
        return list(self._facts_of(databases))

    def _facts_of(self, databases: Mapping[str, Database]) -> Iterator[DatabaseFacts]:
        for name, database in databases.items():
            free, size = self._disks.get(name, (None, None))
            yield DatabaseFacts(
                name=name,
                answers=not self._outage(),
                seconds=self._seconds(name, database),
                free=free,
                size=size,
            )

    def _seconds(self, name: str, database: Database) -> float | None:
        """How long a transaction took on average, since the look before this one."""
        tallied = database.writer.statistics().seconds
        now = _Work(trio.current_time(), sum(tallied.counts), tallied.total)
        before = self._work.get(name)
        if before is None or now.number < before.number:
            self._work[name] = now
        elif now.at >= before.at + TOGETHER / 4:
            self._work[name] = now
            number = now.number - before.number
            self._slow[name] = (now.seconds - before.seconds) / number if number else 0.0
        return self._slow.get(name)


def _disks(databases: Mapping[str, Database]) -> dict[str, tuple[int, int]]:
    """By database with a file of its own: what is free where it is, and how much there is in all, bytes."""
    found: dict[str, tuple[int, int]] = {}
    for name, database in databases.items():
        if database.file is not None:
            with suppress(OSError):
                disk = os.statvfs(database.file.parent)
                found[name] = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)
    return found


def _record(alert: alerts.Alert) -> Alert:
    return Alert(
        kind=alert.kind,
        severity=alert.severity,
        subject=alert.subject,
        text=alert.text,
        since=times.to_wire(alert.since or 0.0),
    )

"""What the coordinator's actors share: the open store, the downlinks, and the ways to each other.

The tree makes it once. Nothing in it is a truth of its own: repositories stand for rows, directories and
references for actors that may be restarted. The backlog and the known workers are copies of rows, made
again whenever there is doubt; bells and events only say that there may be something new in rows.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from dffmpeg.actors.coordinator.hindrances import KnownWorkers, Review
from dffmpeg.actors.coordinator.membership import Membership
from dffmpeg.actors.coordinator.outages import Outage
from dffmpeg.actors.coordinator.patterns import PatternSearch
from dffmpeg.actors.runtime import Actor, ActorError, ActorRef, MailboxFull
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.rules import Rules
from dffmpeg.store import Store, StoreSettings, StoreUnavailable, open_store
from dffmpeg.telemetry import OFF, Telemetry
from dffmpeg.transports.bell import Bell
from dffmpeg.wire.records import downlink_message, job_status

if TYPE_CHECKING:
    from dffmpeg.actors.coordinator.backlog import Backlog
    from dffmpeg.actors.coordinator.dashboard import Dashboard
    from dffmpeg.actors.coordinator.directory import Directory
    from dffmpeg.actors.coordinator.events import EventLog
    from dffmpeg.actors.coordinator.hooks import Call
    from dffmpeg.actors.coordinator.janitor import Sweep
    from dffmpeg.actors.coordinator.job.messages import JobMessage
    from dffmpeg.actors.coordinator.measurements import Measurements
    from dffmpeg.actors.coordinator.members import Refresh
    from dffmpeg.actors.coordinator.scheduler import Wake
    from dffmpeg.actors.coordinator.subscriptions import Broadcasts
    from dffmpeg.actors.coordinator.successors import Look
    from dffmpeg.actors.coordinator.worker_messages import Judged, WorkerMessage
    from dffmpeg.configuration.coordinator import CoordinatorConfig
    from dffmpeg.model.scheduling.entries import Entry
    from dffmpeg.store.journal import Listener
    from dffmpeg.transports.downlink import Downlink, Downlinks


log = logging.getLogger(__name__)

JUDGEMENT_PATIENCE = 5.0
"""Seconds that scheduling waits for a worker's actor, which has to store what it was told."""


class OpenStore:
    """Where the running store is found; empty while it is down."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self.listeners: list[Listener] = []
        """Told of what is committed in each store that is opened from then on."""

    @property
    def current(self) -> Store:
        """The open store.

        Raises:
            StoreUnavailable: it is not open now.
        """
        if self._store is None:
            raise StoreUnavailable("the database is not open")
        return self._store

    async def keys_of(self, client_id: str) -> tuple[bytes, ...] | None:
        """The secrets of an identity that are good now; None where there is no such identity.

        Raises:
            StoreUnavailable: the database cannot be asked now.
        """
        identity = await self.current.identities.get(client_id)
        return None if identity is None else identity.keys(time.time())

    def set(self, store: Store | None) -> None:
        self._store = store
        if store is not None:
            for repository in (store.jobs, store.workers):
                repository.journal.listeners = tuple(self.listeners)
            # While there was none, others may have changed something.
            store.jobs.journal.miss()


class StoreActor(Actor[None]):
    """Opens the databases, migrates them, and keeps their writers running; a member from then on.

    A writer that was fenced ends it, so that all begins anew with another membership.
    """

    def __init__(self, settings: StoreSettings, opened: OpenStore, membership: Membership) -> None:
        self._settings = settings
        self._opened = opened
        self._membership = membership

    async def run(self) -> None:
        async with open_store(self._settings) as store:
            await self._membership.join(store)
            self._opened.set(store)
            try:
                self.context.ready()
                await self.context.stopping.wait()
                # All that stands on us is down: nobody writes any more.
                await self._membership.leave(store)
            finally:
                self._opened.set(None)


@dataclass(frozen=True, kw_only=True)
class Services:
    """See the module."""

    config: CoordinatorConfig
    opened: OpenStore
    downlinks: Downlinks
    jobs: Directory[JobMessage]
    workers: Directory[WorkerMessage]
    scheduler: ActorRef[Wake]
    successors: ActorRef[Look]
    hooks: ActorRef[Call]
    janitor: ActorRef[Sweep]
    backlog: Backlog
    measurements: Measurements
    events: EventLog
    broadcasts: Broadcasts
    dashboard: Dashboard
    hindrances: ActorRef[Review]
    members: ActorRef[Refresh]
    membership: Membership
    telemetry: Telemetry = OFF
    known_workers: KnownWorkers = field(default_factory=KnownWorkers)
    changed: Bell = field(default_factory=Bell)
    """Rung with a job's id whenever its state changes, for those who wait for a job without an actor."""

    leaving: trio.Event = field(default_factory=trio.Event)
    """Set when this process is about to stop. It serves all the same until it does."""

    outage: Outage = field(default_factory=lambda: Outage(log, "the database cannot be reached"))
    """As this coordinator's signs of life find it, where the database is shared."""

    patterns: PatternSearch = field(default_factory=PatternSearch)

    @property
    def rules(self) -> Rules:
        """The time-outs of jobs whose submitters do not say."""
        config = self.config
        return Rules(
            assignment_timeout=config.janitor.job_assignment_timeout,
            lease=config.leases.worker,
            run_timeout=config.timeouts.run,
            stall_timeout=config.timeouts.stall,
        )

    @property
    def store(self) -> Store:
        """The repositories, as long as the database is open."""
        return self.opened.current

    async def announce(self, job: Job) -> None:
        """Tell whoever waits for the job that its state has changed."""
        self.changed.ring(job.job_id)
        self.follow_up(job)
        downlink = self._told_by_message(job.transport, job.requester_id)
        if downlink is not None:
            status = job_status(job)
            message = downlink_message(job.requester_id, "job_status", status, time.time(), job_id=job.job_id)
            await downlink.send(message, "requester")

    async def announce_entry(self, entry: Entry) -> None:
        """`announce` for a job of which only its entry is at hand."""
        self.changed.ring(entry.job_id)
        if self.config.hooks.allowed:
            self.call_hooks()
        if self._told_by_message(entry.transport, entry.requester_id) is not None:
            job = await self.store.jobs.get(entry.job_id)
            if job is not None:
                await self.announce(job)

    def _told_by_message(self, transport: str | None, requester_id: str) -> Downlink | None:
        """How a requester is told; None where there are connections: a follower has one of its own and
        asks for itself."""
        downlink = self.downlinks.get(transport)
        return None if downlink is None or downlink.connected(requester_id) is not None else downlink

    def follow_up(self, job: Job) -> None:
        """The job came into its state: have done what follows, which stands in rows already."""
        if job.rules.hooks:
            self.call_hooks()
        if job.state in (JobState.FAILED, JobState.CANCELED):
            self.look_at_successors()

    async def judge(self, worker_id: str, judgement: Judged) -> None:
        """Tell a worker's actor what an attempt says of it, and wait until that counts."""
        # One that is being restarted, or does not answer, is spared: its next attempt says the same.
        with suppress(ActorError, trio.TooSlowError):
            actor = await self.workers.reach(worker_id)
            await actor.ask(judgement, timeout=JUDGEMENT_PATIENCE)

    def wake_scheduler(self) -> None:
        """A job or a slot may be there. Its mailbox holds one such message: more would say the same."""
        from dffmpeg.actors.coordinator.scheduler import Wake

        try:
            self.scheduler.tell_nowait(Wake())
        except MailboxFull:
            return

    def review_hindrances(self) -> None:
        """Workers have changed: whether a job is possible at all is to be looked at again."""
        self.known_workers.forget()
        with suppress(MailboxFull):
            self.hindrances.tell_nowait(Review())

    def look_at_successors(self) -> None:
        """A job has failed, or was canceled. One such message waits at most, as for the scheduler."""
        from dffmpeg.actors.coordinator.successors import Look

        with suppress(MailboxFull):
            self.successors.tell_nowait(Look())

    def call_hooks(self) -> None:
        """A call may be due. One such message waits at most, as for the scheduler."""
        from dffmpeg.actors.coordinator.hooks import Call

        with suppress(MailboxFull):
            self.hooks.tell_nowait(Call())


async def wait_at_most(event: trio.Event, seconds: float) -> bool:
    """Wait for an event; returns whether it happened in time."""
    with trio.move_on_after(seconds):
        await event.wait()
    return event.is_set()

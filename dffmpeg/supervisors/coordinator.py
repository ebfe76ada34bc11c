"""The coordinator's supervision tree: the one place that names all of its parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dffmpeg.actors.coordinator import chronicle
from dffmpeg.actors.coordinator.backlog import Backlog
from dffmpeg.actors.coordinator.dashboard import Dashboard
from dffmpeg.actors.coordinator.dashboard.recorder import Recorder
from dffmpeg.actors.coordinator.directory import Directory
from dffmpeg.actors.coordinator.downlinks import DownlinkActor
from dffmpeg.actors.coordinator.events import EventLog
from dffmpeg.actors.coordinator.feed import Feed
from dffmpeg.actors.coordinator.hindrances import Hindrances, Review
from dffmpeg.actors.coordinator.hooks import Call, Hooks
from dffmpeg.actors.coordinator.janitor import Janitor, Sweep
from dffmpeg.actors.coordinator.job.actor import JobActor
from dffmpeg.actors.coordinator.job.messages import JobMessage
from dffmpeg.actors.coordinator.measurements import Measurements
from dffmpeg.actors.coordinator.members import Members, Refresh
from dffmpeg.actors.coordinator.membership import Membership
from dffmpeg.actors.coordinator.scheduler import Scheduler, Wake
from dffmpeg.actors.coordinator.services import OpenStore, Services, StoreActor
from dffmpeg.actors.coordinator.subscriptions import Broadcasts
from dffmpeg.actors.coordinator.successors import Look, Successors
from dffmpeg.actors.coordinator.traces import Ended, Tell, Traces
from dffmpeg.actors.coordinator.worker import WorkerActor
from dffmpeg.actors.coordinator.worker_messages import WorkerMessage
from dffmpeg.actors.runtime import Actor, ActorRef
from dffmpeg.configuration.coordinator import CoordinatorConfig
from dffmpeg.store import StoreSettings
from dffmpeg.supervisors import (
    Backoff,
    ChildSpec,
    DynamicSupervisor,
    Restart,
    Strategy,
    Supervisor,
    SupervisorRef,
)
from dffmpeg.telemetry import OFF, Telemetry
from dffmpeg.transports.downlink import Downlink, Downlinks

# A crash that repeats itself at once is not cured by haste.
HEALING = Backoff(minimum=0.05, maximum=5.0, jitter=0.2, reset_after=30.0)

# Each job and worker has a crash of its own; only a flood of them means that something beneath is broken.
FLOOD = 200


def coordinator_tree(services: Services, store: StoreSettings, web: Callable[[], Actor[Any]]) -> Supervisor:
    """The tree of the architecture page.

    Args:
        services: as `coordinator_services` made them; the tree binds what they refer to.
        web: makes the web server.
    """

    def downlinks() -> Supervisor:
        return Supervisor([_downlink(downlink) for downlink in services.downlinks.living])

    def live(limit: int) -> Callable[[], DynamicSupervisor]:
        return lambda: DynamicSupervisor(intensity=FLOOD, period=5.0, max_children=limit)

    def opening() -> StoreActor:
        return StoreActor(store, services.opened, services.membership)

    # Only where somebody wants to know.
    traces = [_traces(services)] if services.telemetry.enabled else []
    limits = services.config.limits
    return Supervisor(
        [
            ChildSpec("store", opening, backoff=HEALING),
            ChildSpec("members", lambda: Members(services), ref=services.members, backoff=HEALING),
            ChildSpec("downlinks", downlinks),
            ChildSpec("workers", live(limits.workers), ref=services.workers.supervisor),
            ChildSpec("jobs", live(limits.live_jobs), ref=services.jobs.supervisor),
            ChildSpec("feed", lambda: Feed(services), backoff=HEALING),
            ChildSpec("scheduler", lambda: Scheduler(services), ref=services.scheduler, backoff=HEALING),
            ChildSpec("successors", lambda: Successors(services), ref=services.successors, backoff=HEALING),
            ChildSpec("hooks", lambda: Hooks(services), ref=services.hooks, backoff=HEALING),
            ChildSpec("janitor", lambda: Janitor(services), ref=services.janitor, backoff=HEALING),
            ChildSpec("recorder", lambda: Recorder(services), backoff=HEALING),
            ChildSpec("web", web, shutdown=15.0, backoff=HEALING),
            ChildSpec("hindrances", lambda: Hindrances(services), ref=services.hindrances, backoff=HEALING),
            *traces,
        ],
        strategy=Strategy.REST_FOR_ONE,
        # Each row may crash once for a reason of its own: that is no sign yet that healing does not help.
        intensity=20,
        period=30.0,
    )


def coordinator_services(
    config: CoordinatorConfig,
    downlinks: Callable[[OpenStore], Downlinks],
    clock: Callable[[], float] = time.time,
    telemetry: Telemetry = OFF,
) -> Services:
    """The services, whose references the tree binds to living actors.

    Args:
        downlinks: makes the enabled downlinks.
        clock: what the scheduler takes for the time, Unix seconds.
        telemetry: takes spans of what happens.
    """
    opened = OpenStore()
    backlog = Backlog(config.scheduling.policy, clock)
    measurements = Measurements(backlog, config.limits.live_jobs, config.transports.enabled_transports)
    events = EventLog()
    opened.listeners += [measurements.take, events.take, chronicle.take]
    # Children refer to the services, and the services to where the children are.
    made: list[Services] = []
    enabled = downlinks(opened)
    membership = Membership(config.cluster.advertise, lambda job_id: made[0].jobs.find(job_id) is not None)
    dashboard = Dashboard(
        backlog,
        measurements,
        membership,
        enabled,
        opened,
        lambda: made[0].outage.lasts,
        config.limits.live_jobs,
    )
    dashboard.join(events)

    def job(job_id: str) -> ChildSpec:
        return ChildSpec(job_id, lambda: JobActor(job_id, made[0]), Restart.TRANSIENT, backoff=HEALING)

    def worker(worker_id: str) -> ChildSpec:
        return ChildSpec(
            worker_id, lambda: WorkerActor(worker_id, made[0]), Restart.TRANSIENT, backoff=HEALING
        )

    services = Services(
        config=config,
        opened=opened,
        downlinks=enabled,
        jobs=Directory[JobMessage](SupervisorRef.unbound("jobs"), job),
        workers=Directory[WorkerMessage](SupervisorRef.unbound("workers"), worker),
        scheduler=ActorRef[Wake].unbound("scheduler", Scheduler.mailbox_size),
        successors=ActorRef[Look].unbound("successors", Successors.mailbox_size),
        hooks=ActorRef[Call].unbound("hooks", Hooks.mailbox_size),
        hindrances=ActorRef[Review].unbound("hindrances", Hindrances.mailbox_size),
        janitor=ActorRef[Sweep].unbound("janitor"),
        members=ActorRef[Refresh].unbound("members", Members.mailbox_size),
        membership=membership,
        backlog=backlog,
        measurements=measurements,
        events=events,
        broadcasts=Broadcasts(events),
        dashboard=dashboard,
        telemetry=telemetry,
    )
    made.append(services)
    return services


def _traces(services: Services) -> ChildSpec:
    ended = Ended(ActorRef[Tell].unbound("traces", Traces.mailbox_size))
    services.opened.listeners.append(ended.take)
    return ChildSpec("traces", lambda: Traces(services, ended), ref=ended.ref, backoff=HEALING)


def _downlink(downlink: Downlink) -> ChildSpec:
    return ChildSpec(downlink.name, lambda: DownlinkActor(downlink), backoff=HEALING)

"""What the tests of the scheduler share."""

from __future__ import annotations

import time
from typing import Any

import trio
import trio.testing

from dffmpeg.configuration.coordinator import CoordinatorConfig, Janitor, Leases, Retries
from dffmpeg.configuration.scheduling import Quarantine, Scheduling
from tests.actors.coordinator.tree import ADMIN, Coordinator

QUICK = Retries(backoff_minimum=0.001, backoff_maximum=0.001)


def config(**scheduling: Any) -> CoordinatorConfig:
    return CoordinatorConfig(retries=QUICK, scheduling=Scheduling(**scheduling))


async def settled(coordinator: Coordinator) -> None:
    """Wait until the scheduler has done all that it was woken for."""
    for _ in range(3):
        # Behind every change that is on its way.
        await coordinator.services.store.messages.prune(0.0, 1)
        await trio.testing.wait_all_tasks_blocked()


async def waits_for(coordinator: Coordinator, job_id: str) -> list[str]:
    return (await coordinator.operations.why(ADMIN, job_id)).waits_for


class Clock:
    """The scheduler's time runs with the test's."""

    def __init__(self) -> None:
        self._began = time.time()

    def __call__(self) -> float:
        return self._began + trio.current_time()


FOREVER = CoordinatorConfig(
    retries=QUICK,
    leases=Leases(worker=1e6, worker_disconnect=1e6, client_disconnect=1e6),
    janitor=Janitor(interval=1e6, job_assignment_timeout=1e6),
    scheduling=Scheduling(quarantine=Quarantine(strikes=2, minimum=100.0, maximum=1000.0), avoid=1.0),
)

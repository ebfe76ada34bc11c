"""Several coordinators in one process, on one database that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from dffmpeg.configuration.coordinator import Cluster, CoordinatorConfig
from dffmpeg.store import StoreSettings
from tests.actors.coordinator.tree import PATIENCE, Coordinator, open_coordinator

LEASE = 60.0
"""Seconds. However slow the machine is nobody counts as gone of whom a test does not say so."""


def configured(name: str, **sections: object) -> CoordinatorConfig:
    cluster = Cluster(advertise=f"http://{name}.test:8000", lease=LEASE)
    return CoordinatorConfig(cluster=cluster, **sections)  # type: ignore[arg-type]


@asynccontextmanager
async def open_coordinators(
    database: StoreSettings, *names: str, **sections: object
) -> AsyncIterator[list[Coordinator]]:
    """One after the other, so that the first one leads; each knows of the others inside the block."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(open_coordinator(database, configured(name, **sections)))
            for name in names
        ]
        for one in opened:
            await until(one, lambda one=one: len(one.services.membership.members()) == len(names))  # type: ignore[misc]
        yield opened


async def until(one: Coordinator, condition: Callable[[], bool]) -> None:
    """Wait until something is so that follows from what a coordinator heard of members and homes."""
    with trio.fail_after(PATIENCE):
        while True:
            changed = one.services.membership.changed()
            if condition():
                return
            await changed.wait()


async def eventually(question: Callable[[], Awaitable[bool]]) -> None:
    """Ask, of a database, until the answer is yes."""
    with trio.fail_after(PATIENCE):
        while not await question():
            await trio.lowlevel.checkpoint()

"""A coordinator, and a worker that is online there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.actors.coordinator.tree import Coordinator, FakeWorker, open_coordinator


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with open_coordinator(tmp_path) as running:
        yield running


@pytest.fixture
async def worker(coordinator: Coordinator) -> AsyncIterator[FakeWorker]:
    fake = FakeWorker(coordinator, "w1")
    async with fake.online():
        yield fake

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.client.coordinator import Coordinator, running
from tests.shim.agents import Agents


@pytest.fixture
async def coordinator() -> AsyncIterator[Coordinator]:
    async with running() as server:
        yield server


@pytest.fixture
async def agents(coordinator: Coordinator, tmp_path: Path) -> AsyncIterator[Agents]:
    async with Agents(tmp_path, coordinator.url) as opened:
        yield opened

"""The downlinks that the suite runs on. One joins by one more entry of `KINDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.downlinks.site import KINDS, Site, open_site


@pytest.fixture(params=list(KINDS))
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """With the servers of this machine."""
    async with open_site(KINDS[request.param], tmp_path) as opened:
        yield opened


@pytest.fixture(params=["websocket", "stream", "polls", "mqtt", "rabbitmq", "stream-mqtt"])
async def restartable(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """With a broker of its own."""
    async with open_site(KINDS[request.param], tmp_path, own=True) as opened:
        yield opened

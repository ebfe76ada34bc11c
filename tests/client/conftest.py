from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dffmpeg.client.api import Client
from dffmpeg.configuration.client import ClientConfig
from dffmpeg.wire.signature import encode_key
from tests.client.coordinator import KEY, Coordinator, running
from tests.client.programs import Programs


@pytest.fixture
async def coordinator() -> AsyncIterator[Coordinator]:
    async with running() as server:
        yield server


def config_for(url: str, **changes: object) -> ClientConfig:
    values: dict[str, object] = {"coordinator_url": url, "client_id": "laptop", "hmac_key": encode_key(KEY)}
    # Most tests run in folders that are nobody's.
    values["unmapped_paths"] = "ignore"
    return ClientConfig(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
async def client(coordinator: Coordinator) -> AsyncIterator[Client]:
    async with Client(config_for(coordinator.url)) as opened:
        yield opened


@pytest.fixture
def programs(coordinator: Coordinator, tmp_path: Path) -> Programs:
    return Programs(tmp_path, coordinator.url)

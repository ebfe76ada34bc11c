"""The engines that the suite runs on. One joins by one more parameter of `store`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dffmpeg.store import REPOSITORIES, Store, StoreSettings, open_store


@pytest.fixture(params=["sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    settings = StoreSettings(
        engine_defaults={"sqlite": {"path": str(tmp_path / "store.db")}},
        engines=dict.fromkeys(REPOSITORIES, request.param),
    )
    async with open_store(settings) as opened:
        yield opened

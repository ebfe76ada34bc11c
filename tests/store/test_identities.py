"""What is remembered of identities must not outlive a change that this process made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from dffmpeg.model.identities import Identity, Role
from dffmpeg.store.crypto import KeyRing
from dffmpeg.store.identities.sqlalchemy import SqlAlchemyIdentityRepository
from dffmpeg.store.sqlite import SqliteDatabase

OLD, NEW = b"o" * 32, b"n" * 32


class SlowToAnswer(SqliteDatabase):
    """Its readers have their rows long before they hand them over."""

    has_rows: trio.Event | None = None
    hand_over: trio.Event | None = None
    reads = 0

    async def read(self, query: Callable[[sa.Connection], Any]) -> Any:
        self.reads += 1
        rows = await super().read(query)
        if self.has_rows is not None and self.hand_over is not None:
            self.has_rows.set()
            await self.hand_over.wait()
        return rows


@pytest.fixture
def database(tmp_path: Path) -> SlowToAnswer:
    return SlowToAnswer(tmp_path / "x.db")


async def test_a_lookup_that_a_change_overtook_is_not_remembered(database: SlowToAnswer) -> None:
    async with database.opened():
        identities = SqlAlchemyIdentityRepository(database, KeyRing([]))
        await identities.add(Identity(client_id="alice", role=Role.CLIENT, key=OLD))
        database.has_rows, database.hand_over = trio.Event(), trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(identities.get, "alice")
            await database.has_rows.wait()
            assert await identities.set_key("alice", NEW)
            database.hand_over.set()
        database.has_rows = None
        found = await identities.get("alice")
        assert found is not None
        assert found.key == NEW


async def test_a_known_identity_costs_no_query(database: SlowToAnswer) -> None:
    async with database.opened():
        identities = SqlAlchemyIdentityRepository(database, KeyRing([]))
        await identities.add(Identity(client_id="alice", role=Role.CLIENT, key=OLD))
        for _ in range(5):
            await identities.get("alice")
        assert database.reads == 1
        await identities.delete("alice")
        assert await identities.get("alice") is None

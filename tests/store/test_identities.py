"""What is remembered of identities must not outlive a change that this process made."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from dffmpeg.model.identities import Identity, PreviousKey, Role
from dffmpeg.store import StoreError
from dffmpeg.store.crypto import KeyRing
from dffmpeg.store.identities.sqlalchemy import SqlAlchemyIdentityRepository
from dffmpeg.store.resealing import Resealed
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


def ring(*keys: bytes) -> KeyRing:
    return KeyRing.from_keys([base64.urlsafe_b64encode(key).decode() for key in keys])


async def sealed(database: SqliteDatabase) -> list[str]:
    query = sa.text("SELECT key FROM identities ORDER BY client_id")
    return [row[0] for row in await database.read(lambda connection: connection.execute(query).all())]


async def test_keys_are_encrypted_anew_in_batches_and_only_where_they_have_to_be(
    database: SlowToAnswer,
) -> None:
    async with database.opened():
        plain = SqlAlchemyIdentityRepository(database, KeyRing([]))
        for name in "abc":
            await plain.add(Identity(client_id=name, role=Role.CLIENT, key=name.encode() * 32))
        old = SqlAlchemyIdentityRepository(database, ring(OLD))
        assert await old.reseal("", 2) == Resealed(2, 2, "b")
        assert [key.split(":")[0] for key in await sealed(database)] == ["fernet", "fernet", "plain"]
        assert await old.reseal("b", 2) == Resealed(1, 1, "c")
        assert await old.reseal("c", 2) == Resealed(0, 0, "")

        both = SqlAlchemyIdentityRepository(database, ring(NEW, OLD))
        before = await sealed(database)
        await both.set_key("b", NEW)
        assert await both.reseal("", 10) == Resealed(3, 2, "c")
        assert not set(before) & set(await sealed(database))
        new = SqlAlchemyIdentityRepository(database, ring(NEW))
        assert [one.key for one in await new.list()] == [b"a" * 32, NEW, b"c" * 32]


async def test_previous_keys_are_encrypted_anew_too(database: SlowToAnswer) -> None:
    async with database.opened():
        old = SqlAlchemyIdentityRepository(database, ring(OLD))
        before = PreviousKey(b"b" * 32, 5.0)
        await old.add(Identity(client_id="a", role=Role.CLIENT, key=b"a" * 32, previous=before))
        both = SqlAlchemyIdentityRepository(database, ring(NEW, OLD))
        assert await both.reseal("", 10) == Resealed(1, 1, "a")
        assert await both.reseal("", 10) == Resealed(1, 0, "a")
        new = SqlAlchemyIdentityRepository(database, ring(NEW))
        assert [(one.key, one.previous) for one in await new.list()] == [(b"a" * 32, before)]


async def test_a_look_up_decrypts_as_much_whoever_it_is_for(
    database: SlowToAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.opened():
        identities = SqlAlchemyIdentityRepository(database, ring(OLD))
        previous = PreviousKey(OLD, 5.0)
        await identities.add(Identity(client_id="one", role=Role.CLIENT, key=NEW))
        await identities.add(Identity(client_id="two", role=Role.CLIENT, key=NEW, previous=previous))
        opened: list[str] = []
        real = KeyRing.open

        def noted(self: KeyRing, sealed: str) -> bytes:
            opened.append(sealed)
            return real(self, sealed)

        monkeypatch.setattr(KeyRing, "open", noted)
        for name in ("one", "two", "nobody"):
            await identities.look_up(name)
            assert len(opened) == 2, name
            opened.clear()


async def test_a_key_that_cannot_be_decrypted_leaves_its_batch_as_it_is(database: SlowToAnswer) -> None:
    async with database.opened():
        old = SqlAlchemyIdentityRepository(database, ring(OLD))
        for name in "ab":
            await old.add(Identity(client_id=name, role=Role.CLIENT, key=name.encode() * 32))
        before = await sealed(database)
        new = SqlAlchemyIdentityRepository(database, ring(NEW))
        with pytest.raises(StoreError, match="not configured"):
            await new.reseal("", 10)
        assert await sealed(database) == before

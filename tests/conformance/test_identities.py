"""What every engine keeps of identities."""

import pytest

from dffmpeg.model.identities import PreviousKey, Role
from dffmpeg.store import Duplicate, Store
from tests.conformance.rows import identity


async def test_identities(store: Store) -> None:
    await store.identities.add(identity())
    with pytest.raises(Duplicate):
        await store.identities.add(identity())
    await store.identities.add(identity("bob", role=Role.ADMIN))
    assert await store.identities.get("alice") == identity()
    assert [row.client_id for row in await store.identities.list()] == ["alice", "bob"]
    assert await store.identities.set_key("alice", b"k" * 32)
    assert await store.identities.set_scope("alice", ["10.0.0.0/8"])
    changed = await store.identities.get("alice")
    assert changed == identity(key=b"k" * 32, allowed_networks=("10.0.0.0/8",))
    assert await store.identities.delete("alice")
    assert await store.identities.get("alice") is None
    assert not await store.identities.delete("alice")
    assert not await store.identities.set_key("alice", b"k" * 32)


async def test_a_key_before_the_present_one_and_an_end(store: Store) -> None:
    identities, old = store.identities, PreviousKey(b"o" * 32, 1e9 + 0.25)
    await identities.add(identity(expires_at=2e9 + 0.5, previous=old))
    assert await identities.get("alice") == identity(expires_at=2e9 + 0.5, previous=old)
    assert await identities.list() == [identity(expires_at=2e9 + 0.5, previous=old)]
    newer = PreviousKey(b"k" * 32, 1.5e9)
    assert await identities.set_key("alice", b"n" * 32, newer)
    assert await identities.set_expiry("alice", None)
    rotated = identity(key=b"n" * 32, previous=newer)
    assert await identities.get("alice") == rotated
    assert await identities.current({"alice"}) == {"alice": rotated}
    assert await identities.set_expiry("alice", 3e9)
    assert await identities.current({"alice"}) == {
        "alice": identity(key=b"n" * 32, previous=newer, expires_at=3e9)
    }
    assert await identities.set_key("alice", b"m" * 32)
    assert await identities.look_up("alice") == identity(key=b"m" * 32, expires_at=3e9)
    assert not await identities.set_expiry("nobody", 3e9)


async def test_keys_are_forgotten_when_their_time_is_over(store: Store) -> None:
    for number in range(4):
        previous = PreviousKey(b"o" * 32, 100.0 + number)
        await store.identities.add(identity(str(number), previous=previous))
    await store.identities.add(identity("4"))
    assert await store.identities.forget_keys(103.0, 2) == 2
    assert await store.identities.forget_keys(103.0, 2) == 1
    assert await store.identities.forget_keys(103.0, 2) == 0
    kept = {one.client_id: one.previous for one in await store.identities.list()}
    assert kept == {"0": None, "1": None, "2": None, "3": PreviousKey(b"o" * 32, 103.0), "4": None}

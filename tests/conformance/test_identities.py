"""What every engine keeps of identities."""

import pytest

from dffmpeg.model.identities import Role
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

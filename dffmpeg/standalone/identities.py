"""The cluster's users are those that its files name."""

from __future__ import annotations

import time

from dffmpeg.actors.coordinator.store_settings import store_settings
from dffmpeg.model.identities import Identity, Role
from dffmpeg.standalone.prepare import Plan
from dffmpeg.store import open_store
from dffmpeg.wire.signature import decode_key


async def ensure_identities(plan: Plan) -> None:
    """Give everybody in the plan a row with the key of its file; other rows stay.

    The coordinator must not be running: it would see a changed key only after a while.
    """
    async with open_store(store_settings(plan.coordinator)) as store:
        for role, connection in plan.identities:
            key = decode_key(connection.hmac_key)
            known = await store.identities.get(connection.client_id)
            if known is None:
                identity = Identity(
                    client_id=connection.client_id, role=Role(role), key=key, created_at=time.time()
                )
                await store.identities.add(identity)
            elif known.key != key:
                await store.identities.set_key(connection.client_id, key)

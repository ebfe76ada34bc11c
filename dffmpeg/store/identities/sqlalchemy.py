"""Identities on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import builtins
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from dffmpeg.model.identities import Identity, Role
from dffmpeg.store import schema
from dffmpeg.store.crypto import KeyRing
from dffmpeg.store.database import Database
from dffmpeg.store.encoding import dump, load_names
from dffmpeg.store.identities import IdentityRepository, Resealed

_i = schema.identities.c

FRESH = 2.0
"""Seconds for which a looked-up identity is believed: each request asks for one."""

REMEMBERED = 10_000


class SqlAlchemyIdentityRepository(IdentityRepository):
    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._known: dict[str, tuple[float, Identity]] = {}
        self._changes = 0

    async def add(self, identity: Identity) -> None:
        values = {
            "client_id": identity.client_id,
            "role": identity.role.value,
            "key": self._keys.seal(identity.key),
            "allowed_networks": dump(identity.allowed_networks),
            "created_at": identity.created_at,
        }
        await self._change(identity.client_id, sa.insert(schema.identities).values(values))

    async def get(self, client_id: str) -> Identity | None:
        now = time.monotonic()
        known = self._known.get(client_id)
        if known is not None and now - known[0] < FRESH:
            return known[1]
        changes = self._changes
        found = await self._select(sa.select(schema.identities).where(_i.client_id == client_id))
        if not found:
            self._known.pop(client_id, None)
            return None
        if changes != self._changes:
            # A change overtook us: what we found may be what it was before.
            return found[0]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[client_id] = (now, found[0])
        return found[0]

    async def list(self) -> Sequence[Identity]:
        return await self._select(sa.select(schema.identities).order_by(_i.client_id))

    async def delete(self, client_id: str) -> bool:
        return await self._change(client_id, sa.delete(schema.identities).where(_i.client_id == client_id))

    async def set_key(self, client_id: str, key: bytes) -> bool:
        return await self._update(client_id, {"key": self._keys.seal(key)})

    async def set_scope(self, client_id: str, allowed_networks: Sequence[str]) -> bool:
        return await self._update(client_id, {"allowed_networks": dump(builtins.list(allowed_networks))})

    async def reseal(self, after: str, limit: int) -> Resealed:
        query = (
            sa.select(_i.client_id, _i.key)
            .where(_i.client_id > after)
            .order_by(_i.client_id)
            .limit(limit)
            # A key that somebody replaces meanwhile must not come back.
            .with_for_update()
        )

        def operation(connection: sa.Connection) -> Resealed:
            rows = connection.execute(query).all()
            changed = 0
            for client_id, sealed in rows:
                if not self._keys.seals(sealed):
                    anew = self._keys.seal(self._keys.open(sealed))
                    change = sa.update(schema.identities).where(_i.client_id == client_id).values(key=anew)
                    changed += connection.execute(change).rowcount
            return Resealed(len(rows), changed, rows[-1].client_id if rows else "")

        return await self._database.write(operation)

    async def _update(self, client_id: str, values: dict[str, Any]) -> bool:
        return await self._change(
            client_id, sa.update(schema.identities).where(_i.client_id == client_id).values(values)
        )

    async def _change(self, client_id: str, change: sa.Insert | sa.Update | sa.Delete) -> bool:
        try:
            return await self._database.execute(change) == 1
        finally:
            self._changes += 1
            self._known.pop(client_id, None)

    async def _select(self, query: sa.Select[Any]) -> builtins.list[Identity]:
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [self._to_identity(row) for row in rows]

    def _to_identity(self, row: sa.RowMapping) -> Identity:
        return Identity(
            client_id=row["client_id"],
            role=Role(row["role"]),
            key=self._keys.open(row["key"]),
            allowed_networks=load_names(row["allowed_networks"]),
            created_at=row["created_at"],
        )

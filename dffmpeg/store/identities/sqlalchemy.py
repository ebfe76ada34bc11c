"""Identities on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import builtins
import time
from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from dffmpeg.model.identities import Identity, PreviousKey, Role
from dffmpeg.store import schema
from dffmpeg.store.crypto import KeyRing
from dffmpeg.store.database import Database
from dffmpeg.store.encoding import dump, load_names
from dffmpeg.store.identities import IdentityRepository
from dffmpeg.store.resealing import Resealed, reseal

T = TypeVar("T")

_i = schema.identities.c

FRESH = 2.0
"""Seconds for which a looked-up identity is believed: each request asks for one."""

REMEMBERED = 10_000

ASKED = 500
"""Identities that one query names."""


class SqlAlchemyIdentityRepository(IdentityRepository):
    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._known: dict[str, tuple[float, Identity]] = {}
        self._changes = 0
        self._current: dict[str, tuple[sa.RowMapping, Identity]] = {}
        self._nothing = keys.seal(bytes(32))

    async def add(self, identity: Identity) -> None:
        values = row_of(identity, self._keys)
        await self._change(identity.client_id, sa.insert(schema.identities).values(values))

    async def get(self, client_id: str) -> Identity | None:
        return self.recall(client_id) or await self.look_up(client_id)

    def recall(self, client_id: str) -> Identity | None:
        known = self._known.get(client_id)
        return known[1] if known is not None and time.monotonic() - known[0] < FRESH else None

    async def look_up(self, client_id: str) -> Identity | None:
        now = time.monotonic()
        changes = self._changes
        found = await self._select(sa.select(schema.identities).where(_i.client_id == client_id))
        # Two keys are decrypted, however many there are: how long it takes tells nothing.
        for _ in range(2 - sum(1 if one.previous is None else 2 for one in found)):
            self._keys.open(self._nothing)
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

    async def current(self, client_ids: Collection[str]) -> Mapping[str, Identity]:
        asked = sorted(client_ids)

        def query(connection: sa.Connection) -> builtins.list[sa.RowMapping]:
            found: builtins.list[sa.RowMapping] = []
            for start in range(0, len(asked), ASKED):
                these = _i.client_id.in_(asked[start : start + ASKED])
                found += connection.execute(sa.select(schema.identities).where(these)).mappings()
            return found

        before, self._current = self._current, {}
        for row in await self._database.read(query):
            # To decrypt a key costs more than to read it, and most are as they were.
            known = before.get(row["client_id"])
            told = known if known is not None and known[0] == row else (row, self._to_identity(row))
            self._current[row["client_id"]] = told
        return {client_id: identity for client_id, (_, identity) in self._current.items()}

    async def list(self) -> Sequence[Identity]:
        return await self._select(sa.select(schema.identities).order_by(_i.client_id))

    async def page(
        self, after: str | None, limit: int, *, offset: int = 0, descending: bool = False
    ) -> Sequence[Identity]:
        query = sa.select(schema.identities).limit(limit).offset(offset)
        query = query.order_by(_i.client_id.desc() if descending else _i.client_id)
        if after is not None:
            query = query.where(_i.client_id < after if descending else _i.client_id > after)
        return await self._select(query)

    async def delete_but_last(self, client_id: str) -> bool:
        # All of them are locked, so that two cannot each take the other one for who is left.
        admins = sa.select(_i.client_id).where(_i.role == Role.ADMIN.value).order_by(_i.client_id)

        def operation(connection: sa.Connection) -> bool:
            if connection.scalars(admins.with_for_update()).all() == [client_id]:
                return False
            this = sa.delete(schema.identities).where(_i.client_id == client_id)
            return connection.execute(this).rowcount == 1

        return await self._changing(client_id, self._database.write(operation))

    async def delete(self, client_id: str) -> bool:
        return await self._change(client_id, sa.delete(schema.identities).where(_i.client_id == client_id))

    async def set_key(self, client_id: str, key: bytes, previous: PreviousKey | None = None) -> bool:
        return await self._update(client_id, _sealed(self._keys, key, previous))

    async def set_expiry(self, client_id: str, expires_at: float | None) -> bool:
        return await self._update(client_id, {"expires_at": expires_at})

    async def set_scope(self, client_id: str, allowed_networks: Sequence[str]) -> bool:
        return await self._update(client_id, {"allowed_networks": dump(builtins.list(allowed_networks))})

    async def reseal(self, after: str, limit: int) -> Resealed:
        columns = (_i.key, _i.previous_key)
        return await self._database.write(
            lambda connection: reseal(connection, self._keys, columns, _i.client_id, after, limit)
        )

    async def forget_keys(self, before: float, limit: int) -> int:
        over = _i.previous_until < before
        old = sa.select(_i.client_id).where(over).order_by(_i.client_id).limit(limit)

        def operation(connection: sa.Connection) -> int:
            ids = connection.scalars(old).all()
            if not ids:
                return 0
            # Asked again: a key that was replaced meanwhile has another one before it.
            change = sa.update(schema.identities).where(_i.client_id.in_(ids), over)
            return connection.execute(change.values(previous_key=None, previous_until=None)).rowcount

        return await self._database.write(operation)

    async def _update(self, client_id: str, values: dict[str, Any]) -> bool:
        return await self._change(
            client_id, sa.update(schema.identities).where(_i.client_id == client_id).values(values)
        )

    async def _change(self, client_id: str, change: sa.Insert | sa.Update | sa.Delete) -> bool:
        return await self._changing(client_id, self._database.execute(change)) == 1

    async def _changing(self, client_id: str, change: Awaitable[T]) -> T:
        try:
            return await change
        finally:
            self._changes += 1
            self._known.pop(client_id, None)

    async def _select(self, query: sa.Select[Any]) -> builtins.list[Identity]:
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [self._to_identity(row) for row in rows]

    def _to_identity(self, row: sa.RowMapping) -> Identity:
        previous, until = row["previous_key"], row["previous_until"]
        return Identity(
            client_id=row["client_id"],
            role=Role(row["role"]),
            key=self._keys.open(row["key"]),
            allowed_networks=load_names(row["allowed_networks"]),
            created_at=row["created_at"],
            previous=None if previous is None else PreviousKey(self._keys.open(previous), until),
            expires_at=row["expires_at"],
        )


def row_of(identity: Identity, keys: KeyRing) -> dict[str, Any]:
    """A new identity's row."""
    return {
        "client_id": identity.client_id,
        "role": identity.role.value,
        "allowed_networks": dump(identity.allowed_networks),
        "created_at": identity.created_at,
        "expires_at": identity.expires_at,
        **_sealed(keys, identity.key, identity.previous),
    }


def _sealed(keys: KeyRing, key: bytes, previous: PreviousKey | None) -> dict[str, Any]:
    return {
        "key": keys.seal(key),
        "previous_key": None if previous is None else keys.seal(previous.key),
        "previous_until": None if previous is None else previous.until,
    }

"""Sessions on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict

import sqlalchemy as sa

from dffmpeg.model.sessions import Session
from dffmpeg.store import ageing, schema
from dffmpeg.store.database import Database
from dffmpeg.store.sessions import SessionRepository

_t = schema.sessions
_THE_SESSION = _t.c.digest == sa.bindparam("the_digest")
_GET = sa.select(_t).where(_THE_SESSION)
_DELETE = sa.delete(_t).where(_THE_SESSION)

ASKED = 500
"""Digests, or identities, that one query names."""


class SqlAlchemySessionRepository(SessionRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session, most: int) -> None:
        newest_first = (_t.c.created_at.desc(), _t.c.digest)
        others = sa.select(_t.c.digest).where(_t.c.client_id == session.client_id).order_by(*newest_first)

        def operation(connection: sa.Connection) -> None:
            surplus = connection.scalars(others).all()[most - 1 :]
            if surplus:
                connection.execute(sa.delete(_t).where(_t.c.digest.in_(surplus)))
            connection.execute(sa.insert(_t), asdict(session))

        await self._database.write(operation)

    async def get(self, digest: str) -> Session | None:
        given = {"the_digest": digest}
        row = await self._database.read(lambda c: c.execute(_GET, given).mappings().one_or_none())
        return None if row is None else Session(**row)

    async def there(self, digests: Collection[str]) -> set[str]:
        asked = sorted(digests)

        def query(connection: sa.Connection) -> set[str]:
            found = set[str]()
            for start in range(0, len(asked), ASKED):
                these = _t.c.digest.in_(asked[start : start + ASKED])
                found.update(connection.scalars(sa.select(_t.c.digest).where(these)))
            return found

        return await self._database.read(query)

    async def signed_in(self, client_ids: Collection[str]) -> Mapping[str, float]:
        asked = sorted(client_ids)
        latest = sa.select(_t.c.client_id, sa.func.max(_t.c.created_at)).group_by(_t.c.client_id)

        def query(connection: sa.Connection) -> dict[str, float]:
            found: dict[str, float] = {}
            for start in range(0, len(asked), ASKED):
                these = _t.c.client_id.in_(asked[start : start + ASKED])
                found.update((name, at) for name, at in connection.execute(latest.where(these)))
            return found

        return await self._database.read(query)

    async def delete(self, digest: str) -> bool:
        return await self._database.execute(_DELETE, {"the_digest": digest}) == 1

    async def forget(self, before: float, limit: int) -> int:
        return await ageing.forget(self._database, _t.c.digest, _t.c.expires_at, before, limit)

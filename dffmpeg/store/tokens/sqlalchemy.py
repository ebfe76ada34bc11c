"""Tokens on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from dffmpeg.model.identities import Identity, Role
from dffmpeg.model.sessions import JOIN, Token
from dffmpeg.store import ageing, schema
from dffmpeg.store.crypto import KeyRing
from dffmpeg.store.database import Database
from dffmpeg.store.encoding import dump, load_names
from dffmpeg.store.identities.sqlalchemy import row_of
from dffmpeg.store.resealing import Resealed, reseal
from dffmpeg.store.tokens import TokenRepository

_t = schema.tokens
_GOOD = (
    _t.c.digest == sa.bindparam("the_digest"),
    _t.c.purpose == sa.bindparam("the_purpose"),
    _t.c.expires_at > sa.bindparam("now"),
)
_GET = sa.select(_t).where(*_GOOD)
_TAKE = sa.delete(_t).where(*_GOOD)
_USE = sa.update(_t).where(*_GOOD, _t.c.used_by.is_(None)).values(used_by=sa.bindparam("by"))


class SqlAlchemyTokenRepository(TokenRepository):
    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    async def add(self, token: Token) -> None:
        values = {
            "digest": token.digest,
            "purpose": token.purpose,
            "client_id": token.client_id,
            "role": None if token.role is None else token.role.value,
            "allowed_networks": dump(token.allowed_networks),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "verifier": None if token.verifier is None else self._keys.seal(token.verifier),
            "used_by": token.used_by,
        }
        await self._database.execute(sa.insert(_t), values)

    async def redeem(self, digest: str, purpose: str, now: float) -> Token | None:
        given = {"the_digest": digest, "the_purpose": purpose, "now": now}
        # A row never changes, so it may be read before it is known whose it is.
        token = await self.get(digest, purpose, now)
        return token if token is not None and await self._database.execute(_TAKE, given) == 1 else None

    async def get(self, digest: str, purpose: str, now: float) -> Token | None:
        given = {"the_digest": digest, "the_purpose": purpose, "now": now}
        row = await self._database.read(lambda c: c.execute(_GET, given).mappings().one_or_none())
        return None if row is None else self._to_token(row)

    async def list(self, purpose: str, limit: int) -> Sequence[Token]:
        newest_first = (_t.c.created_at.desc(), _t.c.digest)
        query = sa.select(_t).where(_t.c.purpose == purpose).order_by(*newest_first).limit(limit)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [self._to_token(row) for row in rows]

    async def join(self, digest: str, identity: Identity, now: float) -> bool:
        given = {"the_digest": digest, "the_purpose": JOIN, "now": now, "by": identity.client_id}
        row = row_of(identity, self._keys)

        def operation(connection: sa.Connection) -> bool:
            if connection.execute(_USE, given).rowcount != 1:
                return False
            connection.execute(sa.insert(schema.identities).values(row))
            return True

        return await self._database.write(operation)

    async def delete(self, digest: str) -> bool:
        return await self._database.execute(sa.delete(_t).where(_t.c.digest == digest)) == 1

    async def reseal(self, after: str, limit: int) -> Resealed:
        return await self._database.write(
            lambda connection: reseal(connection, self._keys, (_t.c.verifier,), _t.c.digest, after, limit)
        )

    async def forget(self, before: float, limit: int) -> int:
        return await ageing.forget(self._database, _t.c.digest, _t.c.expires_at, before, limit)

    def _to_token(self, row: sa.RowMapping) -> Token:
        return Token(
            digest=row["digest"],
            purpose=row["purpose"],
            client_id=row["client_id"],
            role=None if row["role"] is None else Role(row["role"]),
            allowed_networks=load_names(row["allowed_networks"]),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            verifier=None if row["verifier"] is None else self._keys.open(row["verifier"]),
            used_by=row["used_by"],
        )

"""Nonces on any engine that SQLAlchemy speaks to."""

from __future__ import annotations

import sqlalchemy as sa

from dffmpeg.store import schema
from dffmpeg.store.database import Database
from dffmpeg.store.nonces import NonceRepository

_n = schema.nonces.c


class SqlAlchemyNonceRepository(NonceRepository):
    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def shared(self) -> bool:
        return self._database.shared

    async def claim(self, client_id: str, nonce: str, expires_at: float) -> bool:
        known = sa.select(_n.expires_at).where(_n.client_id == client_id, _n.nonce == nonce)
        row = {"client_id": client_id, "nonce": nonce, "expires_at": expires_at}

        def operation(connection: sa.Connection) -> bool:
            # Looked for first: a violated key would undo what others do in the same transaction.
            if connection.execute(known).first() is not None:
                return False
            connection.execute(sa.insert(schema.nonces), row)
            return True

        return await self._database.put(operation)

    async def prune(self, before: float, limit: int) -> int:
        old = sa.select(_n.client_id, _n.nonce).where(_n.expires_at < before).limit(limit)

        def operation(connection: sa.Connection) -> int:
            rows = connection.execute(old).all()
            for client_id, nonce in rows:
                connection.execute(
                    sa.delete(schema.nonces).where(_n.client_id == client_id, _n.nonce == nonce)
                )
            return len(rows)

        return await self._database.write(operation)

"""Identity rows on SQLite: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.identities.sqlalchemy import SqlAlchemyIdentityRepository
from dffmpeg.store.sqlite import SqliteDatabase


class SqliteIdentityRepository(SqlAlchemyIdentityRepository):
    database_kind = SqliteDatabase

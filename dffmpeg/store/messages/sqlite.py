"""Message rows on SQLite: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.messages.sqlalchemy import SqlAlchemyMessageRepository
from dffmpeg.store.sqlite import SqliteDatabase


class SqliteMessageRepository(SqlAlchemyMessageRepository):
    database_kind = SqliteDatabase

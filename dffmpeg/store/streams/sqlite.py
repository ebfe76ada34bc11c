"""Stream rows on SQLite: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.sqlite import SqliteDatabase
from dffmpeg.store.streams.sqlalchemy import SqlAlchemyStreamRepository


class SqliteStreamRepository(SqlAlchemyStreamRepository):
    database_kind = SqliteDatabase

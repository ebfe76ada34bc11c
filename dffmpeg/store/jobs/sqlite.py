"""Job rows on SQLite: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.jobs.sqlalchemy import SqlAlchemyJobRepository
from dffmpeg.store.sqlite import SqliteDatabase


class SqliteJobRepository(SqlAlchemyJobRepository):
    database_kind = SqliteDatabase

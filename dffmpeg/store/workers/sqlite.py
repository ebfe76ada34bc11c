"""Worker rows on SQLite: the generic statements serve as they are."""

from __future__ import annotations

from dffmpeg.store.sqlite import SqliteDatabase
from dffmpeg.store.workers.sqlalchemy import SqlAlchemyWorkerRepository


class SqliteWorkerRepository(SqlAlchemyWorkerRepository):
    database_kind = SqliteDatabase
